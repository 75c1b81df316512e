"""The bank: the plain path's values, made once, the same for every reader."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kws_exp import augment, bank, features, pipeline
from kws_exp.data import SILENT, Clips, Dataset, Partition
from kws_exp.errors import KwsError
from kws_exp.features.log_mel import LogMel
from kws_exp.features.micro import Micro
from kws_exp.models.single_fc import SingleFc
from kws_exp.schema import Augment, Config, Data, Features, Optimizer, Train

RNG = np.random.default_rng(7)
PART = Partition(np.array([2, 0, 1, SILENT, 4]), np.array([2, 3, 1, 0, 3]), np.array([[0, 50_000]]))
DATASET = Dataset(
    "speech_commands",
    "",
    ("_silence_", "_unknown_", "yes", "no"),
    Clips((RNG.integers(-9000, 9000, (5, 16_000), dtype=np.int16),)),
    ("",) * 5,
    RNG.integers(-900, 900, 50_000, dtype=np.int16),
    {"training": PART, "validation": PART, "testing": PART},
    "digest",
    {},
)


def configuration(folder: Path, front_end: Features | None = None, **settings: object) -> Config:
    return Config(
        words=["yes", "no"],
        data=Data(cache_dir=str(folder)),
        features=front_end or Micro(),
        model=SingleFc("single_fc"),
        optimizer=Optimizer(),
        train=Train(batch_size=64),
        augment=Augment(**{"bank": 3, "gain_db": 6.0, **settings}),  # type: ignore[arg-type]
    )


def opened(config: Config, dataset: Dataset = DATASET) -> Callable[[int], tuple[NDArray[Any], ...]]:
    count = bank.size(config, dataset)
    source = bank.open_bank(config, dataset, features.build(config.features), count, lambda stage, done, total: None)
    return lambda step: pipeline.batch(source, step)


@pytest.mark.parametrize("front_end", [Micro(), LogMel()], ids=["micro", "log_mel"])
def test_batches_hold_what_the_plain_path_gives(front_end: Features, tmp_path: Path) -> None:
    config = configuration(tmp_path, front_end)
    found, labels = opened(config)(5)
    extract = features.build(front_end)
    plain = np.stack(
        [
            extract(
                augment.render(
                    augment.variant_draws(PART, config.augment, config.seed, n), DATASET.clips, DATASET.noise
                )
            )
            for n in range(3)
        ]
    )
    drawn = augment.bank_draws(5, 3, config.augment, 64, config.seed, step=5)
    np.testing.assert_array_equal(found, plain[drawn.variants, drawn.clips])
    np.testing.assert_array_equal(labels, PART.labels[drawn.clips])
    assert found.dtype == np.float32
    assert len(set(zip(drawn.variants, drawn.clips, strict=True))) == 15


def test_masks_are_drawn_for_each_step(tmp_path: Path) -> None:
    bare, masked = (configuration(tmp_path, time_mask_ms=mask, frequency_mask=0.2) for mask in (0.0, 300.0))
    assert bank.place(bare, DATASET) == bank.place(masked, DATASET)
    drawn = augment.bank_draws(5, 3, masked.augment, 64, masked.seed, step=1)
    plain = configuration(tmp_path, time_mask_ms=0.0, frequency_mask=0.0)
    np.testing.assert_array_equal(opened(masked)(1)[0], augment.hide(drawn.masks, opened(plain)(1)[0]))


def test_a_larger_bank_makes_only_what_is_missing(tmp_path: Path) -> None:
    first = opened(configuration(tmp_path))(1)[0]
    (path,) = tmp_path.glob("banks/*/*")
    content = path.read_bytes()
    assert len(content) == 3 * 5 * 49 * 40
    larger = opened(configuration(tmp_path, bank=4))(1)[0]
    assert path.read_bytes()[: len(content)] == content and path.stat().st_size * 3 == len(content) * 4
    np.testing.assert_array_equal(opened(configuration(tmp_path))(1)[0], first)
    path.write_bytes(content + path.read_bytes()[len(content) :][:-1])  # a killed process left it
    np.testing.assert_array_equal(opened(configuration(tmp_path, bank=4))(1)[0], larger)


@pytest.mark.parametrize("change", ["seed", "augment", "features", "data"])
def test_other_settings_have_a_bank_of_their_own(change: str, tmp_path: Path) -> None:
    config, dataset = configuration(tmp_path), DATASET
    before = bank.place(config, dataset)
    if change == "seed":
        config.seed += 1
    elif change == "augment":
        config.augment.gain_db = 7.0
    elif change == "features":
        config.features = Micro(pcan=False)
    else:
        dataset = replace(dataset, digest="other")
    assert bank.place(config, dataset) != before


def test_readers_at_the_same_time_share_one_bank(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        sources = list(pool.map(opened, [configuration(tmp_path) for _ in range(4)]))
    for source in sources:
        np.testing.assert_array_equal(source(2)[0], sources[0](2)[0])
    (path,) = tmp_path.glob("banks/*/*")
    assert path.stat().st_size == 3 * 5 * 49 * 40


def test_by_default_there_is_a_bank_where_it_saves_work(tmp_path: Path) -> None:
    config = configuration(tmp_path, bank=None)  # 64 clips a step of 5
    config.train.steps = [3]
    assert bank.size(config, DATASET) == 0
    config.train.steps = [3, 1]
    assert bank.size(config, DATASET) == bank.VARIANTS
    config.augment.bank = 0
    assert bank.size(config, DATASET) == 0


def test_old_banks_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configs = [configuration(tmp_path, gain_db=float(number)) for number in range(4)]
    sources = []
    for number, config in enumerate(configs):
        sources.append(opened(config))
        os.utime(bank.place(config, DATASET), (number, number))
    before = sources[1](1)[0]
    size = sum(path.stat().st_size for path in bank.place(configs[0], DATASET).iterdir())
    monkeypatch.setattr(bank, "MOST_BYTES", 2 * size)
    opened(configs[0])
    assert [bank.place(config, DATASET).exists() for config in configs] == [True, False, True, True]
    np.testing.assert_array_equal(opened(configs[1])(1)[0], before)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "banks").write_text("a file")
    with pytest.raises(KwsError, match=r"augment.bank=3 needs room for its features, but .*banks.* fails"):
        opened(configuration(tmp_path))
