"""Averaged power spectrum, equal to ``preprocess=average`` of the classic trainer.

Squared magnitudes from ``tf.raw_ops.AudioSpectrogram`` in groups of ``floor(fft_bins / bins)`` neighbours, as
``tf.nn.pool(pooling_type="AVG", padding="SAME")`` averages them (input_data.py).
The surprising fact: 40 bins give frames of 43, as 257 frequencies make 43 groups of 6.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kws_exp.errors import KwsError
from kws_exp.features import spectrogram
from kws_exp.schema import Features


@dataclass
class Average(Features):
    """``bins`` is a wish: the width is the number of equal groups that comes next to it."""

    name: str = "average"

    @property
    def group(self) -> int:
        """Frequencies in a group."""
        return spectrogram.fft_bins(self) // self.bins

    @property
    def width(self) -> int:
        """Values in a frame."""
        return -(-spectrogram.fft_bins(self) // self.group)


def validate(settings: Average) -> None:
    """Check the settings without computing anything.

    Raises:
        KwsError: a setting is out of range.
    """
    spectrogram.validate(settings)
    most = spectrogram.fft_bins(settings)
    if settings.bins > most:
        raise KwsError(
            f"features.bins={settings.bins} must be at most {most}, the number of frequencies in an FFT of "
            f"{spectrogram.fft_length(settings)} points; "
            f"use features.bins={most} or a longer features.window_ms."
        )


def pooling(bins: int, group: int) -> NDArray[np.float64]:
    """Return the matrix (bins, ceil(bins / group)) of an average pool with SAME padding.

    What is missing to full groups is padding, half of it (rounded down) before the first bin; padding does
    not count in the average.
    """
    columns = -(-bins // group)
    before = (columns * group - bins) // 2
    member = (np.arange(bins) + before) // group == np.arange(columns)[:, None]
    return (member / member.sum(axis=1, keepdims=True)).T


def build(settings: Average) -> spectrogram.Extract:
    """Compute the tables and return the function from audio (batch, samples) to (batch, frames, width).

    Values are 0 to some thousands; the classic's quantiser expects 0 to 127.5.
    """
    matrix = pooling(spectrogram.fft_bins(settings), settings.group)
    return spectrogram.projection(settings, matrix, squared=True)
