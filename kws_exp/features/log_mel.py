"""Log mel energies in [-1, 1].

Power in mel filters (``kws_exp.features.mel``), in decibels, clipped to a fixed range and mapped to [-1, 1].
A full-scale sine puts about 41 dB into its filter. Of 600 recorded clips the median is -29 dB, the loudest
value of a clip 25 dB in the median and above 39 dB in one of a hundred; noise in the last of 16 bits is below
-57 dB. Floors from -60 to -30 dB gave tiny_conv the same accuracy (75.2 to 76.1 % of 766 clips, 7 labels,
mean of 3 seeds that spread by 2). The surprising fact: all below the floor is one value, so that the digital
silence that pads one clip in eight takes up none of the int8 range, whose 256 steps are 0.35 dB each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kws_exp.errors import KwsError
from kws_exp.features import mel, spectrogram
from kws_exp.schema import Features


@dataclass
class LogMel(Features):
    """``bins`` mel filters; ``floor_db`` becomes -1 and ``ceiling_db`` 1 (power of a filter, 0 dB = 1.0)."""

    name: str = "log_mel"
    lower_hz: float = 125.0
    upper_hz: float = 7500.0
    floor_db: float = -50.0
    ceiling_db: float = 40.0


def validate(settings: LogMel) -> None:
    """Check the settings without computing anything.

    Raises:
        KwsError: a setting is out of range.
    """
    spectrogram.validate(settings)
    mel.validate(settings, "bins", settings.bins, settings.lower_hz, settings.upper_hz)
    if not -300 <= settings.floor_db < settings.ceiling_db <= 300:  # float32 ends at -380 and 380 dB
        raise KwsError(
            f"features.floor_db={settings.floor_db:g} must be below "
            f"features.ceiling_db={settings.ceiling_db:g}, both from -300 to 300; "
            "the defaults are features.floor_db=-50 and features.ceiling_db=40."
        )


def build(settings: LogMel) -> spectrogram.Extract:
    """Compute the tables and return the function from audio (batch, samples) to (batch, frames, bins).

    Values are from -1 to 1, both included.
    """
    bins = spectrogram.fft_bins(settings)
    filters = mel.filterbank(bins, settings.bins, settings.lower_hz, settings.upper_hz)
    powers = spectrogram.projection(settings, filters, squared=True)
    floor, ceiling = (np.float32(10 ** (db / 10)) for db in (settings.floor_db, settings.ceiling_db))
    span = settings.ceiling_db - settings.floor_db
    scale = np.float32(20 / np.log(10) / span)  # natural logarithm to decibels to [-1, 1]
    offset = np.float32(-(settings.ceiling_db + settings.floor_db) / span)

    def extract(audio: NDArray[np.float32]) -> NDArray[np.float32]:
        values = powers(audio)
        np.clip(values, floor, ceiling, out=values)
        np.log(values, out=values)
        np.multiply(values, scale, out=values)
        return np.add(values, offset, out=values)

    return extract
