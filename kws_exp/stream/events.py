"""What is said, what fires, and by which settings: the values that the modules of this package hand each other.

The surprising fact: an average is at most 255 and has to be above its threshold, so that a label with a threshold of
255 is never detected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_exp.schema import SILENCE, UNKNOWN

NEVER = 255  # a threshold that no average is above


@dataclass(frozen=True)
class Utterance:
    """A word of the ground truth; times in seconds from the start of the recording."""

    word: str
    begin: float
    end: float


@dataclass(frozen=True)
class Detection:
    """A label that fired."""

    word: str
    seconds: float  # from the start of the recording to the end of the newest frame
    score: int  # 0 ... 255, averaged


@dataclass(frozen=True, eq=False)
class Scores:
    """What a network said along one recording."""

    labels: tuple[str, ...]
    seconds: NDArray[np.float64]  # (runs,): the end of each run's newest frame
    values: NDArray[np.int8]  # (runs, labels): the raw outputs


@dataclass(frozen=True, eq=False)
class Stream:
    """A recording that was scored, with what is said in it."""

    scores: Scores
    utterances: tuple[Utterance, ...]
    seconds: float  # the recording's length

    @property
    def hours(self) -> float:
        """The length that false accepts are counted over: all of the recording, with its keywords."""
        return self.seconds / 3600


@dataclass(frozen=True)
class OperatingPoint:
    """The settings of the generated post-processing (``kws_postprocess.h``); scores are counted from 0 to 255."""

    thresholds: tuple[int, ...]  # one for each label; the average has to be above
    average_window_ms: int = 1000
    suppression_ms: int = 1500
    minimum_count: int = 3
    repeat: bool = False

    @classmethod
    def of(cls, detector: Mapping[str, Any], labels: Sequence[str]) -> OperatingPoint:
        """Return the point of ``asdict(schema.Detector)``, or of a manifest's ``detector``.

        Args:
            detector: With ``thresholds``, one for each label, or without: then ``detection_threshold`` is that of all.
            labels: The network's.

        Raises:
            ValueError: There are thresholds, but not one for each label.
        """
        thresholds = tuple(detector.get("thresholds") or [detector["detection_threshold"]] * len(labels))
        if len(thresholds) != len(labels):
            raise ValueError(f"{len(thresholds)} thresholds for {len(labels)} labels")
        window, suppression = detector["average_window_ms"], detector["suppression_ms"]
        return cls(thresholds, window, suppression, detector["minimum_count"], detector["repeat"])

    def settings(self) -> dict[str, Any]:
        """Return the fields of ``kws_exp.c99.settings.Settings`` that this point fixes, as JSON has them."""
        return asdict(self) | {"thresholds": list(self.thresholds)}


def keywords(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the labels that are words to be found: neither silence nor unknown."""
    return tuple(label for label in labels if label not in (SILENCE, UNKNOWN))
