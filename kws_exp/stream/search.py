"""What is searched for an operating point, and how the thresholds of the words are found.

For each averaging window, suppression, minimum count and rule, a :class:`Cell`, in two steps. :func:`allocate` sweeps
each word alone and shares out the allowed false accepts among the words, exactly; :func:`improve` then turns one
threshold after the other with all words firing, because a word that fires holds back the others. Of equally good
thresholds the one in the middle is taken, as far as can be from where things get worse.

The surprising fact: no word is ever switched off. A threshold of 255 would do that, and it would meet every limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kws_exp.schema import SILENCE, UNKNOWN
from kws_exp.stream.detect import Smoothed, fire, smooth
from kws_exp.stream.events import NEVER, OperatingPoint, Stream, keywords
from kws_exp.stream.match import LATENCY, Truth, tally, truth

ROUNDS = 2  # of improvement; on two streams of half an hour at three limits, 4 rounds found the same points


@dataclass(frozen=True)
class Rule:
    """When a word may fire again, and the thresholds of silence and unknown."""

    repeat: bool
    silence: int
    unknown: int


# A word that needs another label in between gets it from silence; unknown would do, but it holds the next word back.
# A word that may repeat needs neither: whatever fires would end the suppression of the word before.
RULES = (Rule(False, 128, 128), Rule(False, 128, NEVER), Rule(True, NEVER, NEVER))


@dataclass(frozen=True)
class Space:
    """What is searched."""

    average_window_ms: tuple[int, ...] = (200, 350, 500, 750, 1000)
    suppression_ms: tuple[int, ...] = (500, 1000, 1500, 2000)
    minimum_count: tuple[int, ...] = (3, 1, 6)  # the first of those that decide the same: see kws_exp.stream.detect
    rules: tuple[Rule, ...] = RULES
    thresholds: tuple[int, ...] = (*range(40, 200, 16), *range(200, 240, 8), *range(240, NEVER, 2))
    penalty: float = 1.0  # of a wrong word or a duplicate, in misses


@dataclass(frozen=True)
class Goal:
    """What makes one table of counts better than another."""

    allowed: int  # false accepts
    penalty: float

    def rank(self, table: NDArray[np.int64]) -> tuple[float, float, int, int]:
        """Order by false accepts over the limit, failures, misses and false accepts: less is better."""
        hits, false_accepts, wrong, again, _ = table.sum(axis=0).tolist()
        return max(0, false_accepts - self.allowed), self.penalty * (wrong + again) - hits, -hits, false_accepts


@dataclass(frozen=True, eq=False)
class Part:
    """One stream, reduced to the runs of the network at which anything may fire."""

    smoothed: Smoothed
    spoken: Truth
    fired: NDArray[np.int64]  # room for what fires


@dataclass(frozen=True, eq=False)
class Cell:
    """All that is tried with one averaging window, suppression, minimum count and rule."""

    point: OperatingPoint  # with the thresholds of silence and unknown; those of the words are to be found
    words: tuple[int, ...]  # indices of the keywords
    is_word: NDArray[np.bool_]  # (labels,)
    parts: tuple[Part, ...]
    tables: dict[tuple[int, ...], NDArray[np.int64]] = field(default_factory=dict)  # by the words' thresholds

    def thresholds(self, words: Sequence[int]) -> tuple[int, ...]:
        """Return the thresholds of all labels for those of the words."""
        chosen = dict(zip(self.words, words, strict=True))
        return tuple(chosen.get(label, threshold) for label, threshold in enumerate(self.point.thresholds))

    def count(self, words: tuple[int, ...]) -> NDArray[np.int64]:
        """Return the events of all streams for the words' thresholds, as kws_exp.stream.match.tally has them."""
        if words not in self.tables:
            thresholds = np.array(self.thresholds(words), np.int64)
            self.tables[words] = np.sum([self._tally(part, thresholds) for part in self.parts], axis=0)
        return self.tables[words]

    def _tally(self, part: Part, thresholds: NDArray[np.int64]) -> NDArray[np.int64]:
        number = fire(part.smoothed, thresholds, self.point.suppression_ms, 0, self.point.repeat, part.fired)
        runs = part.fired[:number]
        labels, times = part.smoothed.top[runs], part.smoothed.milliseconds[runs]
        words = self.is_word[labels]
        return tally(times[words] * 1000, labels[words], part.spoken, len(thresholds))


def cells(streams: Sequence[Stream], space: Space, tolerance: float) -> Iterator[Cell]:
    """Yield what is to be tried; what cannot differ from a cell before is left out."""
    labels = streams[0].scores.labels
    spoken = [truth(stream.utterances, labels, tolerance) for stream in streams]
    words = tuple(labels.index(word) for word in keywords(labels))
    is_word = np.isin(np.arange(len(labels)), words)
    for window in space.average_window_ms:
        smoothed = [smooth(stream.scores, window) for stream in streams]
        for rule in space.rules:
            floor = [_floor(label, rule, min(space.thresholds)) for label in labels]
            for count, kept in _counts(smoothed, np.array(floor), space.minimum_count, window):
                parts = tuple(map(_part, smoothed, kept, spoken))
                for suppression in space.suppression_ms:
                    point = OperatingPoint(tuple(floor), window, suppression, count, rule.repeat)
                    yield Cell(point, words, is_word, parts)


def _floor(label: str, rule: Rule, lowest: int) -> int:
    """Return the lowest threshold that a label is tried with."""
    return {SILENCE: rule.silence, UNKNOWN: rule.unknown}.get(label, lowest)


def _counts(
    smoothed: Sequence[Smoothed], floor: NDArray[np.int64], counts: Sequence[int], window: int
) -> Iterator[tuple[int, list[NDArray[np.bool_]]]]:
    """Yield each minimum count that makes a difference and fits the window, with the runs that may fire."""
    room = max(int(window / _hop_ms(one)) + 1 for one in smoothed)
    seen = set()
    for count in counts:
        kept = [(one.averages > floor[one.top]) & (one.counts >= count) for one in smoothed]
        sizes = tuple(int(runs.sum()) for runs in kept)  # a higher count keeps some of the runs of a lower one
        if count <= room and sizes not in seen:
            seen.add(sizes)
            yield count, kept


def _hop_ms(smoothed: Smoothed) -> float:
    """Return the time from one run to the next, which is infinite for a recording with a single run."""
    times = smoothed.milliseconds
    return (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else np.inf


def _part(smoothed: Smoothed, kept: NDArray[np.bool_], spoken: Truth) -> Part:
    reduced = Smoothed(
        smoothed.labels,
        smoothed.milliseconds[kept],
        smoothed.top[kept],
        smoothed.averages[kept],
        smoothed.counts[kept],
    )
    return Part(reduced, spoken, np.empty(len(reduced.top), np.int64))


def allocate(cell: Cell, candidates: Sequence[int], goal: Goal) -> tuple[int, ...]:
    """Return the words' thresholds that fail least if no word had an effect on another.

    The best of each word for every number of false accepts, then of one word more after the other for every number
    of all of them: the knapsack's recursion, which is exact.
    """
    costs, picks = zip(*(_alone(cell, at, candidates, goal) for at in range(len(cell.words))), strict=True)
    budget = max(goal.allowed, sum(int(np.isinf(cost).sum()) for cost in costs))
    total, shares = np.zeros(budget + 1), []
    for cost in costs:
        padded = np.concatenate([cost, np.full(max(0, budget + 1 - len(cost)), cost[-1])])[: budget + 1]
        sums = [total[: spent + 1][::-1] + padded[: spent + 1] for spent in range(budget + 1)]
        shares.append([int(options.argmin()) for options in sums])
        total = np.array([options.min() for options in sums])
    left, chosen = budget, []
    for pick, share in zip(reversed(picks), reversed(shares), strict=True):
        chosen.append(pick[min(share[left], len(pick) - 1)])
        left -= share[left]
    return tuple(reversed(chosen))


def _alone(cell: Cell, at: int, candidates: Sequence[int], goal: Goal) -> tuple[NDArray[np.float64], list[int]]:
    """Return the least failures of a word that fires alone, and its threshold, for 0, 1, ... false accepts at most."""
    ranks: dict[int, list[tuple[float, int]]] = {}
    for threshold in candidates:
        table = cell.count(tuple(threshold if word == at else NEVER for word in range(len(cell.words))))
        _, failures, _, false_accepts = goal.rank(table)
        ranks.setdefault(false_accepts, []).append((failures, threshold))
    costs, picks = [], []
    best: tuple[float, int] = (np.inf, 0)
    for allowed in range(max(ranks) + 1):
        entries = ranks.get(allowed, [])
        least = min((failures for failures, _ in entries), default=np.inf)
        if least < best[0]:
            equal = [threshold for failures, threshold in entries if failures == least]
            best = least, equal[len(equal) // 2]
        costs.append(best[0])
        picks.append(best[1])
    return np.array(costs), picks


def improve(cell: Cell, words: tuple[int, ...], candidates: Sequence[int], goal: Goal) -> tuple[int, ...]:
    """Return thresholds of the words that no change of a single one makes better, or nearly so."""
    for _ in range(ROUNDS):
        before = words
        for at in range(len(words)):
            tried = sorted({*candidates, words[at]})
            ranks = [goal.rank(cell.count((*words[:at], threshold, *words[at + 1 :]))) for threshold in tried]
            equal = [threshold for rank, threshold in zip(ranks, tried, strict=True) if rank == min(ranks)]
            words = (*words[:at], equal[len(equal) // 2], *words[at + 1 :])
        if words == before:
            break
    return words


def latency(table: NDArray[np.int64]) -> float:
    """Return the mean time from the words' ends to their hits, in seconds; infinite without a hit."""
    hits = int(table[:, 0].sum())
    return float(table[:, LATENCY].sum()) / 1e6 / hits if hits else float("inf")
