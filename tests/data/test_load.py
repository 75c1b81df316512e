"""From a configuration to a data set: which source, which words, what is said."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws_exp import data
from kws_exp.data import SILENT, TESTING, TRAINING, source
from kws_exp.errors import KwsError
from kws_exp.features.log_mel import LogMel
from kws_exp.models.tiny_conv import TinyConv
from kws_exp.schema import SAMPLE_RATE, Config, Data
from kws_exp.validate import complete


def configuration(tmp_path: Path, words: list[str], **settings: object) -> Config:
    chosen = Data(cache_dir=str(tmp_path / "cache"), **settings)  # type: ignore[arg-type]
    config = Config(words, chosen, LogMel("log_mel"), TinyConv("tiny_conv"))
    complete(config, synthetic=False)
    return config


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for word in ("yes", "no", "bed"):
        (tmp_path / "speech" / word).mkdir(parents=True)
        for speaker in range(40):
            samples = rng.integers(-3000, 3000, 15_000, dtype=np.int16)
            name = f"{speaker * 2_654_435_761 % 2**32:08x}_nohash_0.wav"
            soundfile.write(tmp_path / "speech" / word / name, samples, SAMPLE_RATE)
    (tmp_path / "speech" / "_background_noise_").mkdir()
    hum = rng.integers(-500, 500, 400_000, dtype=np.int16)
    soundfile.write(tmp_path / "speech" / "_background_noise_" / "hum.wav", hum, SAMPLE_RATE)
    return tmp_path / "speech"


def test_recorded_speech(recorded: Path, tmp_path: Path) -> None:
    dataset = data.load(configuration(tmp_path, ["yes", "no"], dir=str(recorded)))
    assert dataset.kind == "speech_commands"
    assert str(recorded) in dataset.description
    counts = dataset.summary()["counts"]
    assert sum(counts[name]["yes"] for name in counts) == 40
    assert counts["training"]["_unknown_"] > 0
    part = dataset.partitions[TRAINING]
    for row, label in zip(part.rows, part.labels, strict=True):
        word = "_silence_" if row == SILENT else dataset.paths[row].split("/")[0]
        assert dataset.labels[label] == {"bed": "_unknown_"}.get(word, word)


def test_digest_follows_content_and_choice(recorded: Path, tmp_path: Path) -> None:
    def digest(*words: str, **settings: object) -> str:
        return data.load(configuration(tmp_path, list(words), dir=str(recorded), **settings)).digest

    first = digest("yes", "no")
    assert digest("yes", "no") == first
    assert digest("no", "yes") != first
    assert digest("yes", "no", testing_percentage=20.0) != first
    changed = next((recorded / "yes").iterdir())
    soundfile.write(changed, np.ones(15_000, np.int16), SAMPLE_RATE)
    assert digest("yes", "no") != first


def test_a_word_without_readable_clips_is_refused(recorded: Path, tmp_path: Path) -> None:
    for path in (recorded / "no").iterdir():
        path.write_bytes(b"")
    with pytest.raises(KwsError, match="'no' has none that can be read"):
        data.load(configuration(tmp_path, ["yes", "no"], dir=str(recorded)))


def test_skipped_files_are_named(recorded: Path, tmp_path: Path) -> None:
    (recorded / "yes" / "aaaaaaaa_nohash_9.wav").write_bytes(b"")
    dataset = data.load(configuration(tmp_path, ["yes", "no"], dir=str(recorded)))
    assert list(dataset.skipped) == ["yes/aaaaaaaa_nohash_9.wav"]


def test_synthetic_clips_top_up_training_only(recorded: Path, tmp_path: Path) -> None:
    config = configuration(tmp_path, ["yes", "kiwi"], dir=str(recorded), synthetic_per_word=12)
    dataset = data.load(config)
    counts = dataset.summary()["counts"]
    plain = data.load(configuration(tmp_path, ["yes"], dir=str(recorded))).summary()["counts"]
    assert counts["training"]["kiwi"] == 12
    assert counts["training"]["yes"] == plain["training"]["yes"] + 12
    assert counts["testing"]["kiwi"] == counts["validation"]["kiwi"] == 0
    assert counts["testing"]["yes"] == plain["testing"]["yes"]
    last = dataset.partitions[TRAINING].rows[-1]
    assert dataset.paths[last].partition("/")[0] in ("yes", "kiwi")
    assert dataset.labels[dataset.partitions[TRAINING].labels[-1]] == dataset.paths[last].partition("/")[0]
    assert dataset.clips[int(last)].any()


@pytest.mark.parametrize(
    ("name", "kind"), [("auto", "synthetic"), ("synthetic", "synthetic"), ("speech_commands", "speech_commands")]
)
def test_where_nothing_is_on_disk(tmp_path: Path, name: str, kind: str) -> None:
    found = source.find(Data(name=name, cache_dir=str(tmp_path)))
    assert found.kind == kind
    assert found.present == (kind == "synthetic")


def test_auto_takes_an_earlier_download(tmp_path: Path) -> None:
    (tmp_path / "speech_commands_v0.02" / "yes").mkdir(parents=True)
    assert source.find(Data(cache_dir=str(tmp_path))).kind == "speech_commands"


def test_noise_of_a_partition_is_its_own(recorded: Path, tmp_path: Path) -> None:
    parts = data.load(configuration(tmp_path, ["yes", "no"], dir=str(recorded))).partitions
    assert parts[TRAINING].noise.tolist() == [[0, 320_000]]
    assert parts[TESTING].noise.tolist() == [[360_000, 400_000]]
