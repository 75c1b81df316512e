"""The micro front end against the C code's output: golden clips, and pymicro-features at 10 ms."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kws_exp.errors import KwsError
from kws_exp.features import FRONT_ENDS, micro
from kws_exp.features.micro import Micro
from kws_exp.features.micro_tables import tables

SHARED = Path(__file__).parents[3] / "shared"
GOLDEN = SHARED / "reference" / "micro_frontend_golden.npz"
RECORDED = SHARED / "speech_commands"
needs_golden = pytest.mark.skipif(not GOLDEN.exists(), reason="the golden clips are not beside the repository")
needs_recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason="Speech Commands is not beside the repository")


@pytest.fixture(scope="module")
def golden() -> dict[str, NDArray[np.int64]]:
    with np.load(GOLDEN, allow_pickle=False) as content:
        return dict(content)


def adversarial() -> NDArray[np.int16]:
    """Signals that overflow, saturate or vanish."""
    rng = np.random.default_rng(3)
    time = np.arange(16_000)
    chirp = np.sin(2 * np.pi * (20 * time + 0.25 * time**2) / 16_000)
    impulses = np.where(time % 1000 == 0, 32767, 0)
    random_bits = rng.integers(-32768, 32768, (20, 16_000))
    half = np.where(time < 8000, 0, 32767)
    signals = [
        *(np.zeros(16_000), np.full(16_000, -32768), np.full(16_000, 32767), impulses, -impulses - 1, half, half[::-1]),
        *(np.where(time // period % 2, 32767, -32768) for period in (1, 2, 3, 4, 8, 16, 64, 256, 1000)),
        *(chirp * level for level in (1, 10, 1000, 32767)),
        *np.clip(rng.normal(0, 60_000, (4, 16_000)), -32768, 32767),
        *rng.integers(-2, 3, (4, 16_000)),
        *random_bits,
    ]
    return np.stack(signals).astype(np.int16)


@needs_golden
@pytest.mark.parametrize("stride_ms", [10, 20])
def test_equals_the_golden_features(golden: dict[str, NDArray[np.int64]], stride_ms: int) -> None:
    features = micro.pcm_features(Micro(stride_ms=stride_ms))(golden["pcm"].astype(np.int16))
    np.testing.assert_array_equal(features, golden[f"features_30_{stride_ms}"])


@needs_golden
def test_tables_equal_the_golden_ones(golden: dict[str, NDArray[np.int64]]) -> None:
    made = tables(Micro())
    np.testing.assert_array_equal(made.window, golden["table_w"])
    np.testing.assert_array_equal(made.gain, golden["table_lut"])
    assert made.first_bin == golden["table_start"]
    assert made.first_bin + made.widths.sum() == golden["table_end"]
    scalars = ("table_even", "table_odd", "table_minrem", "table_snr_shift")
    expected = [int(golden[name]) for name in scalars]
    assert [made.even_smoothing, made.odd_smoothing, made.min_signal_remaining, made.snr_shift] == expected
    bins = np.arange(made.first_bin, made.first_bin + made.widths.sum())
    channels = np.repeat(np.arange(len(made.widths)), made.widths)
    padded = golden["table_ws"][channels] + bins - golden["table_fs"][channels]  # theirs are aligned to four
    np.testing.assert_array_equal(made.weights, golden["table_wt"][padded])
    np.testing.assert_array_equal(made.unweights, golden["table_uw"][padded])


def pymicro(clip: NDArray[np.int16]) -> NDArray[np.float32]:
    from pymicro_features import MicroFrontend

    frontend, data, frames = MicroFrontend(), clip.tobytes(), []
    while len(data) >= 320:
        step = frontend.process_samples(data)
        if step.features:
            frames.append(step.features)
        data = data[2 * step.samples_read :]
    return np.array(frames, np.float32)


def assert_equals_pymicro(clips: NDArray[np.int16]) -> None:
    ours = micro.pcm_features(Micro(stride_ms=10))(clips)
    for clip, features in zip(clips, ours, strict=True):
        np.testing.assert_array_equal(np.rint(pymicro(clip) * 25.6), features)


def test_equals_pymicro_features_on_adversarial_signals() -> None:
    assert_equals_pymicro(adversarial())


@needs_recorded
def test_equals_pymicro_features_on_recorded_clips() -> None:
    import soundfile

    files = sorted(RECORDED.glob("*/*.flac"))[::18][:520]
    clips = np.zeros((len(files), 16_000), np.int16)
    for clip, file in zip(clips, files, strict=True):
        samples = soundfile.read(file, dtype="int16")[0][:16_000]
        clip[: len(samples)] = samples
    assert len(clips) >= 500
    assert_equals_pymicro(clips)


def test_the_network_gets_the_devices_bytes() -> None:
    """Every output of the front end, quantised as micro_speech does it and as the converter's numbers say."""
    from kws_exp.export.quantize import quantize

    every = np.arange(65_536, dtype=np.uint16)
    device = np.clip((every.astype(np.int64) * 256 + 333) // 666 - 128, -128, 127)
    settings = Micro()
    ours = micro.quantize(every, settings)
    np.testing.assert_array_equal(ours, device)
    real = micro.dequantize(ours, settings)
    np.testing.assert_array_equal(quantize(real, 26 / 256, -128), device)
    assert real.max() == micro.input_range(settings).highest


@given(st.integers(1, 65_535), st.floats(0.5, 2560))
def test_quantisation_is_monotone_and_within_a_step(value: int, ceiling: float) -> None:
    settings = Micro(ceiling=ceiling)
    below, here = micro.quantize(np.array([value - 1, value], np.uint16), settings).tolist()
    assert below <= here
    assert here == 127 or abs((here + 128) * settings.divisor / 256 - value) <= settings.divisor / 512 + 1


@pytest.mark.parametrize(
    "changed",
    [
        {"pcan": False},
        {"log": False, "ceiling": 2560.0},
        {"pcan": False, "log": False, "ceiling": 2560.0},
        {"window_ms": 64.0, "stride_ms": 32.0, "bins": 64},  # an FFT of 1024: a last stage of two
        {"window_ms": 128.0},
        {"window_ms": 4.0, "bins": 8},
        {"window_ms": 10.0, "stride_ms": 30.0, "bins": 20},
        {"lower_hz": 0.0, "upper_hz": 4000.0, "bins": 128},  # more filters than frequencies
        {"smoothing_bits": 0, "even_smoothing": 1.0, "odd_smoothing": 0.0, "min_signal_remaining": 1.0},
    ],
    ids=str,
)
def test_every_parameter_counts(changed: dict[str, object]) -> None:
    settings = replace(Micro(), **changed)  # type: ignore[arg-type]
    micro.validate(settings)
    clips = np.random.default_rng(0).normal(0, 2000, (3, 16_000)).astype(np.int16)
    features = micro.pcm_features(settings)(clips)
    assert features.shape == (3, settings.frames, settings.bins)
    assert features.any()
    usual = micro.pcm_features(Micro())(clips)
    assert features.shape != usual.shape or (features != usual).any()


def test_filters_without_a_frequency_are_silent() -> None:
    settings = Micro(lower_hz=0.0, upper_hz=4000.0, bins=128)
    made = tables(settings)
    assert (made.widths == 0).any()
    assert (made.weights >= 0).all() and (made.unweights >= 0).all()
    assert made.first_bin + made.widths.sum() <= made.fft_size // 2


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"window_ms": 200.0}, "features.window_ms=200 must be from 4 to 128"),
        ({"bins": 0}, "features.bins=0 must be at least 1"),
        ({"bins": 300}, "features.bins=300 must be from 1 to 128; the nearest is features.bins=128"),
        ({"even_smoothing": 1.5}, "the nearest is features.even_smoothing=1"),
        ({"pcan_gain_bits": 40}, "the nearest is features.pcan_gain_bits=30"),
        ({"upper_hz": 8000.0}, "features.upper_hz=8000, which must be below 8000"),
        ({"lower_hz": 7600.0}, "features.lower_hz=7600 must be below features.upper_hz=7500"),
        ({"ceiling": 0.0}, "the nearest is features.ceiling=0.1"),
        ({"ceiling": float("nan")}, "features.ceiling=nan must be from 0.1"),
    ],
)
def test_settings_out_of_range(changed: dict[str, object], told: str) -> None:
    with pytest.raises(KwsError, match=told.replace("(", r"\(").replace(")", r"\)")):
        micro.validate(replace(Micro(), **changed))  # type: ignore[arg-type]


def test_is_among_the_front_ends() -> None:
    assert FRONT_ENDS["micro"].input_range is not None


def test_runs_where_nothing_can_be_cached() -> None:
    code = "import numpy, kws_exp.features.micro as m; m.pcm_features(m.Micro())(numpy.zeros((1, 16000), 'int16'))"
    environment = os.environ | {"NUMBA_CACHE_LOCATOR_CLASSES": "IPythonCacheLocator"}  # finds no folder
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
