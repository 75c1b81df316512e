"""What fired against what was said: hits, misses, false accepts, wrong words, duplicates and latency.

The rule, for a tolerance in seconds, both ends included:

    A detection is *in time* for an utterance from its beginning to ``end + tolerance``.
    Detections and utterances of the same word are paired one to one, as many as can be: each detection, in the order
    of time, takes of the utterances that are still free the one whose time runs out first. A pair is a *hit*, an
    utterance without one a *miss*.
    A detection without a pair is a *duplicate* if it is in time for an utterance of its word, else a *wrong word* if
    it is in time for one of another keyword, else a *false accept*.

Silence and unknown are no words: their detections are no events, and a keyword that fires at an unknown word is a
false accept. The surprising fact: a wrong word does not spare its utterance the miss, so that "yes" heard as "no" is
two mistakes, one of each word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_exp.compiled import compiled
from kws_exp.stream.events import Detection, Utterance, keywords

TOLERANCE = 1.0  # seconds: a network that sees one second, and half of the averaging window, behind a word's end
KINDS = ("hit", "false accept", "wrong word", "duplicate")
HIT, FALSE_ACCEPT, WRONG_WORD, DUPLICATE = range(len(KINDS))
LATENCY = len(KINDS)  # the column of tally that has the sum of the hits' latencies, in microseconds


@dataclass(frozen=True)
class Event:
    """A keyword that fired."""

    detection: Detection
    kind: str  # one of KINDS
    utterance: Utterance | None  # what was said instead, or already answered; None for a false accept

    @property
    def latency(self) -> float | None:
        """Seconds from the end of the word to its detection, negative where it fired before; None without a hit."""
        return self.detection.seconds - self.utterance.end if self.utterance and self.kind == KINDS[HIT] else None


@dataclass(frozen=True)
class Latency:
    """Seconds from the end and from the beginning of the words that were hit."""

    median: float
    percentile_95: float
    median_from_begin: float
    percentile_95_from_begin: float


@dataclass(frozen=True)
class Figures:
    """The figures of one word, or of all words where ``word`` is None; rates without a denominator are None."""

    word: str | None
    utterances: int
    hits: int
    false_accepts: int
    wrong_words: int  # times that this word fired for another
    duplicates: int
    hours: float
    latency: Latency | None  # None without a hit

    @property
    def misses(self) -> int:
        """Utterances that were not hit."""
        return self.utterances - self.hits

    @property
    def false_reject_rate(self) -> float | None:
        """Misses as a share of the utterances."""
        return self.misses / self.utterances if self.utterances else None

    @property
    def false_accepts_per_hour(self) -> float | None:
        """False accepts in an hour of the recording."""
        return self.false_accepts / self.hours if self.hours else None

    def to_json(self) -> dict[str, Any]:
        """Return all figures, for a report or a tracker."""
        rates = ("misses", "false_reject_rate", "false_accepts_per_hour")
        return asdict(self) | {name: getattr(self, name) for name in rates}


@dataclass(frozen=True)
class Matching:
    """Events and misses of one or more recordings; all figures follow."""

    words: tuple[str, ...]
    events: tuple[Event, ...]
    misses: tuple[Utterance, ...]
    hours: float

    def figures(self, word: str | None = None) -> Figures:
        """Return the figures of a word, or of all words together."""
        events = [event for event in self.events if word in (None, event.detection.word)]
        hits = [event for event in events if event.kind == KINDS[HIT]]
        misses = sum(word in (None, missed.word) for missed in self.misses)
        false, wrong, again = (sum(event.kind == kind for event in events) for kind in KINDS[1:])
        return Figures(word, misses + len(hits), len(hits), false, wrong, again, self.hours, _latency(hits))

    def per_word(self) -> list[Figures]:
        """Return the figures of each word."""
        return [self.figures(word) for word in self.words]


def match(
    detections: Sequence[Detection],
    utterances: Sequence[Utterance],
    labels: Sequence[str],
    hours: float,
    tolerance: float = TOLERANCE,
) -> Matching:
    """Match what fired in one recording with what was said in it.

    Args:
        detections: In the order of time; those of silence and unknown are passed over.
        utterances: Of any word: those that are no keyword are passed over.
        labels: The network's.
        hours: Length of the recording.
        tolerance: Seconds after the end of a word in which its detection counts.
    """
    words = keywords(labels)
    said = _said(utterances, words)
    fired = [detection for detection in detections if detection.word in words]
    kinds, which = np.empty(len(fired), np.int64), np.empty(len(fired), np.int64)
    times = microseconds(detection.seconds for detection in fired)
    _assign(times, _indices(fired, words), *truth(said, words, tolerance), kinds, which)
    events = [
        Event(detection, KINDS[kind], said[at] if at >= 0 else None)
        for detection, kind, at in zip(fired, kinds, which, strict=True)
    ]
    hit = {at for kind, at in zip(kinds, which, strict=True) if kind == HIT}
    missed = (utterance for at, utterance in enumerate(said) if at not in hit)
    return Matching(words, tuple(events), tuple(missed), hours)


def merge(matchings: Sequence[Matching]) -> Matching:
    """Add up the matchings of several recordings, one at least, with the same words."""
    events = tuple(event for matching in matchings for event in matching.events)
    misses = tuple(miss for matching in matchings for miss in matching.misses)
    return Matching(matchings[0].words, events, misses, sum(matching.hours for matching in matchings))


Truth = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def truth(utterances: Sequence[Utterance], labels: Sequence[str], tolerance: float) -> Truth:
    """Return begins, ends, deadlines (microseconds) and labels of the utterances of keywords, by begin: for tally."""
    said = _said(utterances, keywords(labels))
    begins, ends = (microseconds(getattr(utterance, name) for utterance in said) for name in ("begin", "end"))
    return begins, ends, ends + round(tolerance * 1e6), _indices(said, labels)


def tally(times: NDArray[np.int64], fired: NDArray[np.integer[Any]], spoken: Truth, labels: int) -> NDArray[np.int64]:
    """Count the events of each label, quickly, for a search over operating points.

    Args:
        times: (detections,), microseconds, in order.
        fired: (detections,), the labels of keywords, as in ``spoken``.
        spoken: What :func:`truth` made of the ground truth.
        labels: How many.

    Returns:
        (labels, 5): the columns ``HIT``, ``FALSE_ACCEPT``, ``WRONG_WORD``, ``DUPLICATE``, and ``LATENCY``: the sum,
        in microseconds, from the words' ends to their hits.
    """
    table = np.zeros((labels, len(KINDS) + 1), np.int64)
    kinds, which = np.empty(len(times), np.int64), np.empty(len(times), np.int64)
    _assign(times, fired, *spoken, kinds, which)
    _count(times, fired, spoken[1], kinds, which, table)
    return table


def microseconds(seconds: Iterable[float]) -> NDArray[np.int64]:
    """Return times as whole numbers: 0.7 + 0.1 is less than 0.8 in binary, and the limits belong to the rule."""
    return np.rint(np.fromiter(seconds, np.float64) * 1e6).astype(np.int64)


def _said(utterances: Sequence[Utterance], words: Sequence[str]) -> list[Utterance]:
    said = (utterance for utterance in utterances if utterance.word in words)
    return sorted(said, key=lambda utterance: (utterance.begin, utterance.end))


def _indices(named: Sequence[Detection] | Sequence[Utterance], labels: Sequence[str]) -> NDArray[np.int64]:
    return np.array([labels.index(one.word) for one in named], np.int64)


def _latency(hits: Sequence[Event]) -> Latency | None:
    times = [(event.detection.seconds, event.utterance.end, event.utterance.begin) for event in hits if event.utterance]
    if not times:
        return None
    fired, ends, begins = np.array(times).T
    return Latency(*(float(np.percentile(fired - start, share)) for start in (ends, begins) for share in (50, 95)))


@compiled
def _assign(
    times: NDArray[np.int64],
    fired: NDArray[np.int64],
    begins: NDArray[np.int64],
    ends: NDArray[np.int64],
    deadlines: NDArray[np.int64],
    said: NDArray[np.int64],
    kinds: NDArray[np.int64],
    which: NDArray[np.int64],
) -> None:
    """Give each detection its kind and the utterance it belongs to, -1 for none.

    First come, first deadline: for intervals on a line, no other pairing has more pairs (Glover 1967).
    """
    free = np.ones(len(begins), np.bool_)
    first = 0  # all before have run out
    for at in range(len(times)):
        while first < len(begins) and deadlines[first] < times[at]:
            first += 1
        kinds[at], which[at], chosen = FALSE_ACCEPT, -1, -1
        for one in range(first, len(begins)):
            if begins[one] > times[at]:
                break
            if deadlines[one] < times[at]:
                continue
            same = said[one] == fired[at]
            if same and free[one] and (chosen < 0 or deadlines[one] < deadlines[chosen]):
                chosen = one
            if same or kinds[at] != DUPLICATE:  # the last to begin
                kinds[at], which[at] = (DUPLICATE if same else WRONG_WORD), one
        if chosen >= 0:
            free[chosen] = False
            kinds[at], which[at] = HIT, chosen


@compiled
def _count(
    times: NDArray[np.int64],
    fired: NDArray[np.int64],
    ends: NDArray[np.int64],
    kinds: NDArray[np.int64],
    which: NDArray[np.int64],
    table: NDArray[np.int64],
) -> None:
    for at in range(len(times)):
        table[fired[at], kinds[at]] += 1
        if kinds[at] == HIT:
            table[fired[at], LATENCY] += times[at] - ends[which[at]]
