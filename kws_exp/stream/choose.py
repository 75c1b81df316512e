"""The choice of the operating point: fewest failures under a limit of false accepts in an hour.

What fails an utterance is a miss, and as much a wrong word or a second firing (``Space.penalty``; 0 counts misses
alone). False accepts are what fires where no keyword is said; their limit is a number for the length of the stream
(:func:`allowed`). How the search goes is told in :mod:`kws_exp.stream.search`.

The surprising fact: the figures of the chosen point are too good, as those of the best of thousands on one stream
are: of a ``ds_cnn`` for four words, the best without a false accept in one hour had 15 in the next two, of the same
clips. So it is chosen four times more, on all but a quarter, and counted on that (:mod:`kws_exp.stream.quarters`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kws_exp.errors import KwsError
from kws_exp.stream.curve import poisson_upper
from kws_exp.stream.detect import detect
from kws_exp.stream.events import NEVER, OperatingPoint, Stream, Utterance, keywords
from kws_exp.stream.match import DUPLICATE, FALSE_ACCEPT, HIT, TOLERANCE, WRONG_WORD, Matching, match, merge
from kws_exp.stream.quarters import quarters
from kws_exp.stream.scores import Progress, silent
from kws_exp.stream.search import Cell, Goal, Space, allocate, cells, improve, latency

COUNTS = {"hits": HIT, "false_accepts": FALSE_ACCEPT, "wrong_words": WRONG_WORD, "duplicates": DUPLICATE}
SOME = 1e-9  # 0.1 times 30 is less than 3 in binary


@dataclass(frozen=True, eq=False)
class Choice:
    """The point chosen, what it does on the streams it was chosen on, and all that was tried.

    ``tradeoff`` has a row for every point evaluated, with the fields of :class:`OperatingPoint`, the ``misses``,
    ``COUNTS`` and ``latency``, the mean in seconds from a word's end. Rows with one word at a time are among them, the
    others' thresholds being 255; with the chosen window and suppression there are thresholds for other limits too.
    """

    point: OperatingPoint
    matching: Matching
    held_out: Matching | None  # of points chosen on the other quarters; None: there is too little to divide
    allowed: int  # false accepts in all streams together
    limit: float  # false accepts in an hour
    tradeoff: NDArray[np.void]  # (points,)

    @property
    def met(self) -> bool:
        """Whether the false accepts are within the limit."""
        return self.matching.figures().false_accepts <= self.allowed

    @property
    def upper_per_hour(self) -> float | None:
        """Upper 95 % limit (Poisson, one-sided) of the false accepts in an hour on the quarters held out."""
        if self.held_out is None:
            return None
        return poisson_upper(self.held_out.figures().false_accepts) / self.held_out.hours

    @property
    def sentence(self) -> str:
        """What was found, in one sentence that promises no more than the streams show."""
        found, hours = self.matching.figures(), self.matching.hours
        start = f"{found.misses} of {found.utterances} keywords missed and {_accepts(found.false_accepts)}"
        limit = f"the limit of {self.limit:g} an hour ({self.allowed} in {hours:.3g} h)"
        if not self.met:
            return (
                f"{start}: {limit} is out of reach of this network as long as every word may fire; train it against "
                "what fires, or raise the limit"
            )
        return f"{start}, within {limit}; {self._shown()}"

    def _shown(self) -> str:
        if self.held_out is None or (upper := self.upper_per_hour) is None:
            return "there is too little to choose on a part and count on the rest, so other recordings may show more"
        found = self.held_out.figures()
        shown = (
            f"chosen on three quarters and counted on the fourth, in turn, {found.misses} are missed, with "
            f"{_accepts(found.false_accepts)}, which shows fewer than {upper:.3g} an hour at 95 %"
        )
        if upper <= self.limit or not self.limit:
            return shown
        return f"{shown}; {poisson_upper(0) / self.limit:.3g} h without one would show the limit"

    def front(self) -> NDArray[np.void]:
        """Return of ``tradeoff`` the points that miss fewer words than any with as few false accepts."""
        columns = ("latency", "duplicates", "wrong_words", "misses", "false_accepts")
        rows = self.tradeoff[np.lexsort([self.tradeoff[name] for name in columns])]
        least = np.minimum.accumulate(rows["misses"])
        return rows[np.concatenate([[True], rows["misses"][1:] < least[:-1]])]


def choose(
    streams: Sequence[Stream],
    max_false_accepts_per_hour: float = 0.5,
    space: Space | None = None,
    tolerance: float = TOLERANCE,
    progress: Progress = silent,
) -> Choice:
    """Find the operating point with the fewest failures under a limit of false accepts.

    Args:
        streams: For validation: one or more, with the same labels; those without keywords count for false accepts.
        max_false_accepts_per_hour: Over the streams together.
        space: What is searched.
        tolerance: Seconds, see :mod:`kws_exp.stream.match`.
        progress: Told how far it is.

    Returns:
        For the same input always the same; the best point found where the limit cannot be met.

    Raises:
        KwsError: No keyword is said in any of the streams.
    """
    check(streams[0].scores.labels, [stream.utterances for stream in streams])
    space, hours = space or Space(), sum(stream.hours for stream in streams)
    goal = Goal(allowed(max_false_accepts_per_hour, hours), space.penalty)
    rows: list[NDArray[np.void]] = []
    cell, point, told = _best(streams, space, goal, tolerance, lambda cell: rows.append(_rows(cell, streams)), progress)
    for number in _ladder(goal.allowed):
        other = replace(goal, allowed=number)
        improve(cell, allocate(cell, space.thresholds, other), space.thresholds, other)
    rows.append(_rows(cell, streams, told))
    found, held_out = matched(streams, point, tolerance), _held_out(streams, space, goal, tolerance, progress)
    return Choice(point, found, held_out, goal.allowed, max_false_accepts_per_hour, np.concatenate(rows))


def _best(
    streams: Sequence[Stream],
    space: Space,
    goal: Goal,
    tolerance: float,
    seen: Callable[[Cell], object],
    progress: Progress,
) -> tuple[Cell, OperatingPoint, int]:
    """Return the best cell, its best point, and how many thresholds had been tried there when ``seen`` was called.

    ``seen`` is called with every cell, before the finest thresholds are tried in the best.
    """
    best: tuple[tuple[float, ...], Cell, tuple[int, ...]] | None = None
    windows = space.average_window_ms
    for cell in cells(streams, space, tolerance):
        progress("averaging windows searched", windows.index(cell.point.average_window_ms), len(windows))
        words = improve(cell, allocate(cell, space.thresholds, goal), space.thresholds, goal)
        rank = (*goal.rank(cell.tables[words]), latency(cell.tables[words]))
        seen(cell)
        if best is None or rank < best[0]:
            best = rank, cell, words
    if best is None:
        raise ValueError("the space has no minimum count that fits any of its averaging windows")
    _, cell, words = best
    told = len(cell.tables)
    words = improve(cell, words, range(min(space.thresholds), NEVER), goal)
    progress("averaging windows searched", len(windows), len(windows))
    return cell, replace(cell.point, thresholds=cell.thresholds(words)), told


def _held_out(
    streams: Sequence[Stream], space: Space, goal: Goal, tolerance: float, progress: Progress
) -> Matching | None:
    """Return what points do on each quarter that were chosen on the others; None where there is too little of them."""
    found, parts = [], list(zip(*map(quarters, streams), strict=True))
    hours = sum(stream.hours for stream in streams)
    if any(stream.seconds * 1000 < max(space.average_window_ms) for part in parts for stream in part):
        return None
    for number, part in enumerate(parts):
        rest = [stream for other in parts if other is not part for stream in other]
        if not _some_said(rest[0].scores.labels, [stream.utterances for stream in rest]):
            return None
        # rounded up: with fewer allowed than the choice had, its points would be too cautious to speak for it
        share = math.ceil(goal.allowed * sum(stream.hours for stream in rest) / hours - SOME)
        _, point, _ = _best(rest, space, replace(goal, allowed=share), tolerance, lambda cell: None, silent)
        found.append(matched(part, point, tolerance))
        progress("quarters held out", number + 1, len(parts))
    return merge(found)


def allowed(per_hour: float, hours: float) -> int:
    """Return how many false accepts a limit allows in a stream, cut: 0.5 an hour are none in 30 minutes."""
    return math.floor(per_hour * hours + SOME)


def matched(streams: Sequence[Stream], point: OperatingPoint, tolerance: float = TOLERANCE) -> Matching:
    """Return what a point does on streams with the same labels."""
    return merge(
        [match(detect(one.scores, point), one.utterances, one.scores.labels, one.hours, tolerance) for one in streams]
    )


def _ladder(allowed: int) -> list[int]:
    """Return other numbers of false accepts that thresholds are sought for, so that the trade-off reaches past one."""
    return [0, *(2**power for power in range(max(4, (4 * allowed).bit_length())))]


def _accepts(number: int) -> str:
    return f"{number or 'no'} false accept{'s' * (number != 1)}"


def check(labels: Sequence[str], recordings: Sequence[Sequence[Utterance]]) -> None:
    """Refuse recordings from which nothing can be chosen.

    Raises:
        KwsError: No keyword is said in any of them.
    """
    if not _some_said(labels, recordings):
        raise KwsError(
            f"an operating point is chosen on recordings with keywords, but {', '.join(keywords(labels))} is said in "
            f"none of {len(recordings)}: give one whose label file names some, or a longer one"
        )


def _some_said(labels: Sequence[str], recordings: Sequence[Sequence[Utterance]]) -> bool:
    words = keywords(labels)
    return any(utterance.word in words for utterances in recordings for utterance in utterances)


def _rows(cell: Cell, streams: Sequence[Stream], first: int = 0) -> NDArray[np.void]:
    """Return what was tried in a cell, from the ``first`` on."""
    point, tried = cell.point, list(cell.tables)[first:]
    words = [streams[0].scores.labels[at] for at in cell.words]
    said = sum(utterance.word in words for stream in streams for utterance in stream.utterances)
    settings = {"average_window_ms": "<i4", "suppression_ms": "<i4", "minimum_count": "<i4", "repeat": "?"}
    shape = [("thresholds", "u1", (len(point.thresholds),)), *settings.items(), ("misses", "<i4")]
    rows = np.zeros(len(tried), [*shape, *((name, "<i4") for name in COUNTS), ("latency", "<f8")])
    rows["thresholds"] = np.reshape([cell.thresholds(words) for words in tried], rows["thresholds"].shape)
    for name in settings:
        rows[name] = getattr(point, name)
    for name, column in COUNTS.items():
        rows[name] = [cell.tables[words][:, column].sum() for words in tried]
    rows["misses"] = said - rows["hits"]
    rows["latency"] = [latency(cell.tables[words]) for words in tried]
    return rows
