"""Front ends: from audio to what the network sees, one file per front end.

``build(settings)`` computes the tables of the front end that ``settings`` belongs to and returns a pure
function for whole batches, from audio (batch, 16000) float32 in [-1, 1) to features (batch, settings.frames,
settings.width) float32. To add a front end, write a file with its settings, ``validate`` and ``build``, a
YAML file of the same keys in ``conf/features/``, and one line in :data:`FRONT_ENDS`.
Importing this loads NumPy but neither SciPy nor Numba: configuration errors must be told at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from kws_exp.errors import KwsError, nearest
from kws_exp.features import average, log_mel, mfcc, micro
from kws_exp.features.spectrogram import Compact, Extract
from kws_exp.schema import Features, InputRange

__all__ = ["FRONT_ENDS", "Extract", "FrontEnd", "build", "compact", "input_range", "validate"]


class FrontEnd(NamedTuple):
    """What ``kws_exp`` knows of a front end; both functions take an instance of ``settings``."""

    settings: type[Features]
    validate: Callable[[Any], None]
    build: Callable[[Any], Extract]
    input_range: Callable[[Any], InputRange] | None = None  # None: as the values come
    compact: Callable[[Any], Compact] | None = None  # None: 32 bits a value


FRONT_ENDS: dict[str, FrontEnd] = {
    "micro": FrontEnd(micro.Micro, micro.validate, micro.build, micro.input_range, micro.compact),
    "mfcc": FrontEnd(mfcc.Mfcc, mfcc.validate, mfcc.build),
    "average": FrontEnd(average.Average, average.validate, average.build),
    "log_mel": FrontEnd(log_mel.LogMel, log_mel.validate, log_mel.build),
}


def validate(settings: Features) -> None:
    """Check every setting of a front end.

    Raises:
        KwsError: the name is unknown or belongs to other settings, or a value is out of range.
    """
    front_end = FRONT_ENDS.get(settings.name)
    if front_end is None or not isinstance(settings, front_end.settings):
        meant = "" if settings.name in FRONT_ENDS else nearest(settings.name, FRONT_ENDS)
        raise KwsError(
            f"features.name={settings.name} cannot be set by itself{meant}: "
            f"choose a front end with its settings, features={'|'.join(FRONT_ENDS)}"
        )
    front_end.validate(settings)


def build(settings: Features) -> Extract:
    """Return the function from audio (batch, 16000) to features (batch, settings.frames, settings.width)."""
    return FRONT_ENDS[settings.name].build(settings)


def input_range(settings: Features) -> InputRange | None:
    """Return what values the network's input has, if the front end fixes them."""
    fixed = FRONT_ENDS[settings.name].input_range
    return fixed(settings) if fixed else None


def compact(settings: Features) -> Compact:
    """Return how a front end's features are kept on disk: no value changes on the way there and back."""
    kept = FRONT_ENDS[settings.name].compact
    return kept(settings) if kept else Compact(np.float32, np.asarray)
