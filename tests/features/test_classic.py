"""mfcc and average against the TensorFlow ops of the classic trainer, on recorded speech if it is there."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kws_exp.features import build, validate
from kws_exp.features.average import Average
from kws_exp.features.mfcc import Mfcc
from kws_exp.schema import Features

RECORDED = Path(__file__).parents[3] / "shared" / "speech_commands"


def synthetic() -> dict[str, NDArray[np.float32]]:
    seconds = np.arange(16_000) / 16_000
    noise = np.random.default_rng(1).standard_normal(16_000)
    signals = {
        "silence": 0 * seconds,
        "noise": 0.1 * noise,
        "full scale noise": np.clip(noise, -1, 1),
        "chirp": np.sin(2 * np.pi * (100 + 3000 * seconds) * seconds),
        "square": np.sign(np.sin(2 * np.pi * 300 * seconds + 0.1)),
        "impulses": (np.arange(16_000) % 4000 == 777) * 1.0,
        "bursts": noise * np.exp(6 * np.sin(2 * np.pi * 3 * seconds) - 6.5),
        "rounding": np.sign(noise) * (np.abs(noise) > 0.5) / 32_767,
    }
    return {name: (np.round(signal * 32_767) / 32_768).astype(np.float32) for name, signal in signals.items()}


@functools.cache
def clips() -> NDArray[np.float32]:
    """Return 30 recorded words, padded, and 6 noises; without recordings, synthetic noises."""
    import soundfile

    paths = [path for word in ("yes", "no", "bird") for path in sorted((RECORDED / word).glob("*.flac"))[:10]]
    paths += sorted((RECORDED / "_background_noise_").glob("*.flac"))
    if not paths:
        return np.stack([signal for name, signal in synthetic().items() if name != "chirp"])
    audio = np.zeros((len(paths), 16_000), np.float32)
    for clip, path in zip(audio, paths, strict=True):
        samples, _ = soundfile.read(path, frames=16_000, dtype="float32")
        clip[: len(samples)] = samples
    return audio


def classic(feature: Features, audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute one clip at a time, with the calls of the classic's input_data.py."""
    import tensorflow as tf

    def one(clip: NDArray[np.float32]) -> NDArray[np.float32]:
        spectrogram = tf.raw_ops.AudioSpectrogram(
            input=clip[:, None], window_size=feature.window, stride=feature.stride, magnitude_squared=True
        )
        if isinstance(feature, Mfcc):
            return tf.raw_ops.Mfcc(
                spectrogram=spectrogram,
                sample_rate=16_000,
                dct_coefficient_count=feature.bins,
                filterbank_channel_count=feature.channels,
                lower_frequency_limit=feature.lower_hz,
                upper_frequency_limit=feature.upper_hz,
            ).numpy()[0]
        group = spectrogram.shape[2] // feature.bins
        pooled = tf.nn.pool(spectrogram[..., None], [1, group], strides=[1, group], pooling_type="AVG", padding="SAME")
        return pooled.numpy()[0, :, :, 0]

    return np.stack([one(clip) for clip in audio])


def difference(feature: Features, audio: NDArray[np.float32]) -> float:
    """Return the largest difference, for average as a share of the largest value of the clip's features."""
    validate(feature)
    ours, theirs = build(feature)(audio), classic(feature, audio)
    assert ours.dtype == theirs.dtype == np.float32
    assert ours.shape == theirs.shape == (len(audio), feature.frames, feature.width)
    scale = 1 if isinstance(feature, Mfcc) else np.maximum(theirs.max(axis=(1, 2), keepdims=True), 1e-30)
    return float((np.abs(ours - theirs) / scale).max())


@pytest.mark.parametrize("stride_ms", [10.0, 20.0])
def test_equal_on_recorded_clips(stride_ms: float) -> None:
    assert difference(Mfcc(stride_ms=stride_ms), clips()) < 1e-3  # of values from -250 to 30
    assert difference(Average(stride_ms=stride_ms), clips()) < 1e-6


@pytest.mark.parametrize("name", synthetic())
def test_equal_on_synthetic_signals(name: str) -> None:
    audio = synthetic()[name][None]
    # a loud tone leaves some filters 120 dB below it, where float32 keeps two digits
    assert difference(Mfcc(), audio) < (0.05 if name == "chirp" else 1e-3)
    assert difference(Average(), audio) < 1e-6


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    window=st.integers(257, 1500),
    stride=st.integers(100, 20_000).map(lambda samples: min(samples, 16_000)),
    bins=st.integers(1, 40),
    lower_hz=st.floats(20, 200),
    upper_hz=st.floats(4000, 8000),
)
def test_mfcc_equal_for_any_window(window: int, stride: int, bins: int, lower_hz: float, upper_hz: float) -> None:
    mfcc = Mfcc(
        window_ms=window / 16,
        stride_ms=stride / 16,
        bins=bins,
        lower_hz=lower_hz,
        upper_hz=upper_hz,
        channels=40,
    )
    assert difference(mfcc, clips()[:3]) < 2e-3


@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data(), window=st.integers(2, 4000), stride=st.integers(40, 16_000))
def test_average_equal_for_any_window(data: st.DataObject, window: int, stride: int) -> None:
    bins = data.draw(st.integers(1, (1 << (window - 1).bit_length()) // 2 + 1))
    assert difference(Average(window_ms=window / 16, stride_ms=stride / 16, bins=bins), clips()[:3]) < 1e-5


def test_average_of_40_bins_is_43_wide() -> None:
    assert Average().width == 43
    assert Mfcc().width == 40
