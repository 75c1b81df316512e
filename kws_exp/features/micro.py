"""The micro front end of TensorFlow Lite Micro, bit for bit: the default, for it is what the device computes.

Window, 16-bit FFT, mel filters, square root, noise reduction, gain control (PCAN, Wang et al., arXiv 1607.05666) and
logarithm, all in integers. The features that the network is trained on are the bytes that it gets on the device:
``(v * 256 + 333) // 666 - 128`` of the front end's v, as in TensorFlow Lite Micro's micro_speech. The surprising
fact: a feature depends on what came before it, for the estimate of the noise is carried along; each clip begins
with an estimate of zero.

Speed is why Numba is a dependency: this arithmetic needs a few thousand integer operations for each frame, which as
whole-array NumPy came to 470 one-second clips a second and in C on one core to 2,700; Numba reaches
some 7,000 on one core (``python -m benchmarks.features``), with no compiler at installation, and compiles once, in 6 s,
to a cache. TensorFlow's own op for it, AudioMicrofrontend, is not in its wheels any more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kws_exp.errors import KwsError
from kws_exp.features import spectrogram
from kws_exp.schema import SAMPLE_RATE, Features, InputRange

UNIT = 25.6  # of the front end's output, per unit of the network's input: the TinyML course's 10/256
LEVELS = 256
LONGEST_MS = 128.0  # an FFT of 2048; beyond, 16 bits leave too little of a quiet clip


@dataclass
class Micro(Features):
    """The defaults are those of TensorFlow Lite Micro's micro_speech."""

    name: str = "micro"
    lower_hz: float = 125.0
    upper_hz: float = 7500.0
    smoothing_bits: int = 10  # fraction bits of the noise estimate
    even_smoothing: float = 0.025  # share of a new frame in the noise estimate, filters 0, 2, 4 ...
    odd_smoothing: float = 0.06  # filters 1, 3, 5 ...
    min_signal_remaining: float = 0.05  # share of a filter's output that noise reduction leaves at least
    pcan: bool = True  # automatic gain control by the noise estimate
    pcan_strength: float = 0.95
    pcan_offset: float = 80.0
    pcan_gain_bits: int = 21
    log: bool = True
    log_scale_shift: int = 6  # output 64 per neper
    ceiling: float = 26.0  # the network's input (10/256 of the front end's output) that becomes 127

    @property
    def divisor(self) -> int:
        """What the device divides 256 times a feature by."""
        return round(self.ceiling * UNIT)


_RANGES: dict[str, tuple[float, float]] = {
    "bins": (1, 128),
    "smoothing_bits": (0, 16),
    "even_smoothing": (0, 1),
    "odd_smoothing": (0, 1),
    "min_signal_remaining": (0, 1),
    "pcan_strength": (0, 1),
    "pcan_offset": (0.01, 10_000),
    "pcan_gain_bits": (17, 30),
    "log_scale_shift": (0, 10),
    "ceiling": (0.1, 2560),
}


def validate(settings: Micro) -> None:
    """Check the settings without computing anything.

    Raises:
        KwsError: a setting is out of range.
    """
    spectrogram.validate(settings)
    if not 4 <= settings.window_ms <= LONGEST_MS:
        raise KwsError(
            f"features.window_ms={settings.window_ms:g} must be from 4 to {LONGEST_MS:g} for the micro front end, "
            "whose FFT has 16 bits; the default is features.window_ms=30, for other windows take features=log_mel"
        )
    for key, (low, high) in _RANGES.items():
        value = getattr(settings, key)
        if not low <= value <= high:
            raise KwsError(
                f"features.{key}={value:g} must be from {low:g} to {high:g}; "
                f"the nearest is features.{key}={min(max(value, low), high):g}"
            )
    half = SAMPLE_RATE / 2
    if not 0 <= settings.lower_hz < settings.upper_hz <= half - half / (spectrogram.fft_length(settings) // 2):
        raise KwsError(
            f"features.lower_hz={settings.lower_hz:g} must be below features.upper_hz={settings.upper_hz:g}, "
            f"which must be below {half:g} (half the sample rate) by one frequency of the FFT; "
            "the defaults are features.lower_hz=125 and features.upper_hz=7500"
        )


def build(settings: Micro) -> spectrogram.Extract:
    """Return the function from audio (batch, samples) to (batch, frames, bins).

    Values are 256 steps from 0 to 255/256 of ``ceiling``, which :func:`input_range` tells the converter, so that
    quantisation gives back exactly the device's bytes.
    """
    features = pcm_features(settings)

    def extract(audio: NDArray[np.float32]) -> NDArray[np.float32]:
        return dequantize(quantize(features(samples(audio)), settings), settings)

    return extract


def samples(audio: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return audio (clips, samples) in [-1, 1] as the microphone gives it."""
    from kws_exp.features import micro_kernel

    return np.asarray(micro_kernel.pcm(audio), np.int16)


def pcm_features(settings: Micro) -> Callable[[NDArray[np.int16]], NDArray[np.uint16]]:
    """Return the function from samples (clips, samples) to what the device's front end gives, (clips, frames, bins)."""
    from kws_exp.features import micro_kernel, micro_tables

    tables = micro_tables.tables(settings)

    def features(pcm: NDArray[np.int16]) -> NDArray[np.uint16]:
        noise = np.zeros((len(pcm), settings.bins), np.uint32)
        return micro_kernel.extract(np.ascontiguousarray(pcm), tables, noise)

    return features


def quantize(features: NDArray[np.uint16], settings: Micro) -> NDArray[np.int8]:
    """Return the network's input, as the device computes it from the front end's output (any shape)."""
    divisor = settings.divisor
    levels = (features.astype(np.int32) * LEVELS + divisor // 2) // divisor
    return np.asarray(np.minimum(levels, LEVELS - 1) - LEVELS // 2, np.int8)


def dequantize(levels: NDArray[np.int8], settings: Micro) -> NDArray[np.float32]:
    """Return what the network's input stands for, from 0 to 255/256 of ``ceiling`` (any shape)."""
    return (levels.astype(np.float32) + np.float32(LEVELS // 2)) * np.float32(settings.ceiling / LEVELS)


def compact(settings: Micro) -> spectrogram.Compact:
    """Return how features are kept: as the int8 levels that they are."""

    def encode(features: NDArray[np.float32]) -> NDArray[np.int8]:
        levels = np.rint(features / np.float32(settings.ceiling / LEVELS)) - LEVELS // 2
        return np.asarray(levels, np.int8)

    return spectrogram.Compact(np.int8, encode, LEVELS / 2, settings.ceiling / LEVELS)


def input_range(settings: Micro) -> InputRange:
    """Return what values the network gets: half of them are 0, and of 520 recorded clips mean and deviation are 8."""
    typical = settings.ceiling * 8 / 26
    return InputRange(0.0, settings.ceiling * (LEVELS - 1) / LEVELS, typical, typical)
