"""Recordings in four parts, so that a choice can be made on three of them and counted on the fourth.

The surprising fact: parts are divided in the longest pause near each quarter, for a word that fires after the cut would
be a miss in one part and a false accept in the next.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from kws_exp.stream.events import Scores, Stream

PARTS = 4


def quarters(stream: Stream) -> list[Stream]:
    """Return the parts of a recording, each with times from its own start."""
    inner = (_pause(stream, stream.seconds * number / PARTS) for number in range(1, PARTS))
    return [_part(stream, begin, end) for begin, end in pairwise((0.0, *inner, stream.seconds))]


def _pause(stream: Stream, near: float) -> float:
    """Return the middle of the longest pause within half a part of a time; that time where speech has no pause."""
    reach = stream.seconds / PARTS / 2
    said = sorted((one.begin, one.end) for one in stream.utterances)
    begins, ends = np.array([*(begin for begin, _ in said), stream.seconds]), np.array([0.0, *(end for _, end in said)])
    firsts = np.maximum(np.maximum.accumulate(ends), near - reach)
    lasts = np.minimum(begins, near + reach)
    longest = int(np.argmax(lasts - firsts))
    return float(firsts[longest] + lasts[longest]) / 2 if lasts[longest] > firsts[longest] else near


def _part(stream: Stream, begin: float, end: float) -> Stream:
    scores, last = stream.scores, np.inf if end == stream.seconds else end  # a label may lie behind the end
    kept = (scores.seconds > begin) & (scores.seconds <= last)
    utterances = (one for one in stream.utterances if begin <= one.begin < last)
    return Stream(
        Scores(scores.labels, scores.seconds[kept] - begin, scores.values[kept]),
        tuple(replace(one, begin=one.begin - begin, end=one.end - begin) for one in utterances),
        end - begin,
    )
