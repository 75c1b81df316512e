"""Triangular mel filters, as HTK and TensorFlow's mfcc_mel_filterbank.cc make them.

Mel is ``1127 ln(1 + f / 700)``; the filters overlap by half and have a peak of 1, equally spaced in mel
between the band limits. The surprising fact: the lowest bin of the band may count for nothing, because the
first one used is ``int(1.5 + lower_hz / spacing)``, which keeps 0 Hz out; we follow to the letter.
"""

from __future__ import annotations

import bisect
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_exp.errors import KwsError
from kws_exp.features.spectrogram import fft_bins, fft_length
from kws_exp.schema import SAMPLE_RATE, Features

LEAST_WEIGHT = 0.5  # a filter that sums to less misses the bins it stands for (mfcc_mel_filterbank.cc warns)


def _mel(hertz: NDArray[np.floating[Any]] | float) -> NDArray[np.float64]:
    return 1127.0 * np.log1p(np.asarray(hertz, np.float64) / 700.0)


def filterbank(bins: int, channels: int, lower_hz: float, upper_hz: float) -> NDArray[np.float64]:
    """Return the weights (bins, channels) of FFT bins from 0 Hz to half the sample rate."""
    used, left, falling = _slopes(bins, channels, lower_hz, upper_hz)
    weights = np.zeros((bins, channels + 2))  # a column on either side takes what falls outside the band
    weights[used, left] = falling
    weights[used, left + 1] = 1.0 - falling
    return weights[:, 1:-1]


def _slopes(
    bins: int, channels: int, lower_hz: float, upper_hz: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Return the bins used, the edge left of each, and its weight on the filter that peaks at that edge."""
    spacing = 0.5 * SAMPLE_RATE / (bins - 1)
    used = np.arange(int(1.5 + lower_hz / spacing), int(upper_hz / spacing) + 1, dtype=np.intp)
    edges = np.linspace(_mel(lower_hz), _mel(upper_hz), channels + 2)
    position = _mel(used * spacing)
    left = np.searchsorted(edges[1:-1], position)
    falling = (edges[left + 1] - position) / (edges[left + 1] - edges[left])
    return used, left, falling


def _fits(bins: int, channels: int, lower_hz: float, upper_hz: float) -> bool:
    if not 1 <= channels <= 2 * bins:  # a bin has a weight of 1 to give away, a filter needs a half
        return False
    _, left, falling = _slopes(bins, channels, lower_hz, upper_hz)
    sums = np.bincount(left, falling, channels + 2) + np.bincount(left + 1, 1.0 - falling, channels + 2)
    return bool(sums[1:-1].min() >= LEAST_WEIGHT)


def validate(settings: Features, key: str, channels: int, lower_hz: float, upper_hz: float) -> None:
    """Check the band and that the FFT has bins for every channel; ``key`` names the setting of ``channels``.

    Raises:
        KwsError: the band is empty or outside 0 Hz to half the sample rate, or a filter would miss its bins.
    """
    nyquist = SAMPLE_RATE // 2
    if not 0 <= lower_hz < nyquist:
        raise KwsError(
            f"features.lower_hz={lower_hz:g} must be from 0 to below {nyquist} Hz, half the sample rate; "
            "use for example features.lower_hz=20."
        )
    if not lower_hz < upper_hz <= nyquist:
        raise KwsError(
            f"features.upper_hz={upper_hz:g} must be above features.lower_hz={lower_hz:g} "
            f"and at most {nyquist} Hz, half the sample rate; use for example features.upper_hz={nyquist}."
        )
    bins = fft_bins(settings)
    if not _fits(bins, channels, lower_hz, upper_hz):
        counts = range(1, 2 * bins + 1)
        most = bisect.bisect_left(counts, True, key=lambda count: not _fits(bins, count, lower_hz, upper_hz))
        raise KwsError(
            f"features.{key}={channels} must be from 1 to {most} mel filters "
            f"between {lower_hz:g} and {upper_hz:g} Hz with an FFT of {fft_length(settings)} points; "
            f"use {f'features.{key}={most}, ' if most else ''}a wider band or a longer features.window_ms."
        )
