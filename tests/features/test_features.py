"""What holds for every front end."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from omegaconf import OmegaConf

from kws_exp.errors import KwsError
from kws_exp.features import FRONT_ENDS, build, validate
from kws_exp.schema import Features

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def audio() -> NDArray[np.float32]:
    random = np.random.default_rng(7)
    loudness = 10.0 ** random.uniform(-4, 0, (30, 1))
    return np.clip(random.standard_normal((30, 16_000)) * loudness, -1, 1).astype(np.float32)


def make(name: str, **values: Any) -> Features:
    return FRONT_ENDS[name].settings(name, **values)


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_yaml_holds_the_defaults(name: str) -> None:
    settings: Any = OmegaConf.load(REPOSITORY / "conf" / "features" / f"{name}.yaml")
    settings.pop("defaults", None)
    assert settings == asdict(make(name))


@pytest.mark.parametrize("name", FRONT_ENDS)
@pytest.mark.parametrize(("stride_ms", "frames"), [(10.0, 98), (20.0, 49), (1000.0, 1)])
def test_shape_and_type(name: str, stride_ms: float, frames: int, audio: NDArray[np.float32]) -> None:
    settings = make(name, stride_ms=stride_ms)
    validate(settings)
    features = build(settings)(audio)
    assert features.shape == (30, settings.frames, settings.width)
    assert settings.frames == frames
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert build(settings)(audio[:0]).shape == (0, settings.frames, settings.width)


@pytest.mark.parametrize("name", FRONT_ENDS)
@pytest.mark.parametrize("stride_ms", [10.0, 20.0])
def test_same_bits_in_any_batch_and_thread(name: str, stride_ms: float, audio: NDArray[np.float32]) -> None:
    extract = build(make(name, stride_ms=stride_ms))
    whole = extract(audio)
    one_by_one = np.concatenate([extract(audio[i : i + 1]) for i in range(len(audio))])
    np.testing.assert_array_equal(one_by_one, whole)
    np.testing.assert_array_equal(extract(audio[::-1])[::-1], whole)
    with ThreadPoolExecutor(2) as pool:
        for other in pool.map(extract, [audio] * 4):
            np.testing.assert_array_equal(other, whole)


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_audio_is_left_alone(name: str, audio: NDArray[np.float32]) -> None:
    before = audio.copy()
    build(make(name))(audio)
    np.testing.assert_array_equal(audio, before)


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("mfcc", {"window_ms": 1001}, "=1001 must be from 0.125 (2 samples) to 1000 (the clip)"),
        ("mfcc", {"window_ms": 0.05}, "the nearest is features.window_ms=0.125"),
        ("average", {"window_ms": float("nan")}, "features.window_ms=nan must be"),
        ("log_mel", {"stride_ms": 0}, "features.stride_ms=0 must be from 0.0625 (1 sample)"),
        ("log_mel", {"stride_ms": -20}, "features.stride_ms=-20 must be"),
        ("log_mel", {"stride_ms": float("inf")}, "the nearest is features.stride_ms=1000"),
        ("average", {"bins": 0}, "features.bins=0 must be at least 1"),
        ("average", {"bins": 258}, "use features.bins=257 or a longer features.window_ms"),
        ("log_mel", {"bins": 200}, "features.bins=200 must be from 1 to"),
        ("log_mel", {"window_ms": 5}, "with an FFT of 128 points; use features.bins="),
        ("log_mel", {"lower_hz": 3000, "upper_hz": 3010}, "from 1 to 0 mel filters"),
        ("mfcc", {"bins": 41}, "features.bins=41 must be at most features.channels=40"),
        ("mfcc", {"channels": 0}, "features.channels=0 must be from 1 to"),
        ("mfcc", {"channels": 10**9}, "features.channels=1000000000 must be from 1 to"),
        ("mfcc", {"lower_hz": -1}, "features.lower_hz=-1 must be from 0"),
        ("mfcc", {"lower_hz": float("nan")}, "features.lower_hz=nan must be from 0"),
        ("mfcc", {"upper_hz": 20}, "features.upper_hz=20 must be above features.lower_hz=20"),
        ("log_mel", {"upper_hz": 8001}, "use for example features.upper_hz=8000"),
        ("log_mel", {"floor_db": 40}, "features.floor_db=40 must be below features.ceiling_db=40"),
    ],
)
def test_mistakes_are_told_in_one_sentence(name: str, values: dict[str, Any], told: str) -> None:
    with pytest.raises(KwsError) as error:
        validate(make(name, **values))
    message = str(error.value)
    assert told in message
    assert message.endswith(".")
    assert ". " not in message
    assert "\n" not in message


def test_the_advised_number_of_bins_is_valid() -> None:
    for window_ms in (5, 10, 16, 30, 1000):
        with pytest.raises(KwsError) as error:
            validate(make("log_mel", window_ms=window_ms, bins=9000))
        advised = str(error.value).rpartition("features.bins=")[2].partition(",")[0]
        validate(make("log_mel", window_ms=window_ms, bins=int(advised)))


def test_a_name_without_its_settings_is_refused() -> None:
    settings = make("mfcc")
    settings.name = "log_mell"
    with pytest.raises(KwsError, match=r"did you mean 'log_mel'.*features=micro\|mfcc\|average\|log_mel"):
        validate(settings)


def test_import_loads_neither_scipy_numba_nor_tensorflow() -> None:
    code = "import sys, kws_exp.features; sys.exit(bool({'scipy', 'numba', 'tensorflow'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)
