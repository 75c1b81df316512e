"""The DET curve of a detector: missed words against false accepts in an hour, as the threshold goes up.

Both have a confidence band at 95 %: Wilson's for the share of misses, the exact one of a Poisson count (Garwood 1936)
for the false accepts. The surprising fact is how wide the second one is: half an hour without a false accept only
shows that there are less than 7.4 in an hour (6.0 from one side).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kws_exp.evaluate import wilson
from kws_exp.stream.detect import fire, smooth
from kws_exp.stream.events import NEVER, OperatingPoint, Stream, keywords
from kws_exp.stream.match import FALSE_ACCEPT, HIT, TOLERANCE, Figures, tally, truth

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#2b6cb0", "#d9822b", "#3f8f5b", "#8e5ba6", "#c0433b", "#3a9aa8", "#b08d2a", "#6b7785")
LINES = ("-", "--", ":")  # once the colours are used up


@dataclass(frozen=True, eq=False)
class Curve:
    """What a common threshold of all words makes of one word, or of all where ``word`` is None."""

    word: str | None
    thresholds: NDArray[np.int64]  # (points,), rising
    misses: NDArray[np.int64]  # (points,)
    false_accepts: NDArray[np.int64]  # (points,)
    utterances: int
    hours: float

    @property
    def false_reject_rates(self) -> NDArray[np.float64]:
        """Misses as a share of the utterances, (points,); NaN without utterances."""
        return self.misses / (self.utterances or np.nan)

    @property
    def false_accepts_per_hour(self) -> NDArray[np.float64]:
        """(points,)."""
        return self.false_accepts / self.hours

    def miss_band(self) -> NDArray[np.float64]:
        """Return the 95 % limits of the false-reject rates, (2, points)."""
        return np.array([wilson(int(misses), self.utterances) for misses in self.misses]).T

    def accept_band(self) -> NDArray[np.float64]:
        """Return the 95 % limits of the false accepts in an hour, (2, points)."""
        return poisson(self.false_accepts) / self.hours

    def to_json(self) -> dict[str, Any]:
        """Return the curve as lists."""
        columns = {name: getattr(self, name).tolist() for name in ("thresholds", "misses", "false_accepts")}
        return {"word": self.word, "utterances": self.utterances, "hours": self.hours, **columns}


def poisson(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the exact 95 % interval of the mean of Poisson counts: (2, ...), below and above."""
    from scipy.special import gammaincinv  # the quantile of the gamma distribution; scipy.stats takes a second more

    counts = np.asarray(counts)
    return np.array(
        [np.where(counts > 0, gammaincinv(np.maximum(counts, 1), 0.025), 0.0), gammaincinv(counts + 1, 0.975)]
    )


def poisson_upper(count: int) -> float:
    """Return the mean that a Poisson count speaks against at 95 % from above alone: 3.0 where nothing was counted."""
    from scipy.special import gammaincinv

    return float(gammaincinv(count + 1, 0.95))


def det(streams: Sequence[Stream], point: OperatingPoint, tolerance: float = TOLERANCE) -> list[Curve]:
    """Sweep one threshold of all words over 0 ... 255.

    Args:
        streams: One at least, with the same labels.
        point: All else, the thresholds of silence and unknown included.
        tolerance: Seconds, see :mod:`kws_exp.stream.match`.

    Returns:
        The curve of all words together, then that of each word.
    """
    labels = streams[0].scores.labels
    tables = sum(_sweep(stream, point, tolerance) for stream in streams)
    assert isinstance(tables, np.ndarray)
    said = np.array([sum(one.word == label for stream in streams for one in stream.utterances) for label in labels])
    hours = sum(stream.hours for stream in streams)
    columns = {None: [labels.index(word) for word in keywords(labels)]}
    chosen: dict[str | None, list[int]] = columns | {word: [labels.index(word)] for word in keywords(labels)}
    return [_curve(word, tables[:, at].sum(axis=1), int(said[at].sum()), hours) for word, at in chosen.items()]


def _curve(word: str | None, table: NDArray[np.int64], utterances: int, hours: float) -> Curve:
    return Curve(word, np.arange(len(table)), utterances - table[:, HIT], table[:, FALSE_ACCEPT], utterances, hours)


def _sweep(stream: Stream, point: OperatingPoint, tolerance: float) -> NDArray[np.int64]:
    """Return :func:`tally` at each threshold, (256, labels, 5)."""
    labels = stream.scores.labels
    smoothed = smooth(stream.scores, point.average_window_ms)
    spoken = truth(stream.utterances, labels, tolerance)
    words = np.array([label in keywords(labels) for label in labels])
    fired = np.empty(len(smoothed.top), np.int64)
    tables = []
    for threshold in range(NEVER + 1):
        thresholds = np.where(words, threshold, point.thresholds)
        number = fire(smoothed, thresholds, point.suppression_ms, point.minimum_count, point.repeat, fired)
        runs = fired[:number]
        runs = runs[words[smoothed.top[runs]]]
        tables.append(tally(smoothed.milliseconds[runs] * 1000, smoothed.top[runs], spoken, len(labels)))
    return np.array(tables)


def draw(curves: Sequence[Curve], title: str, chosen: Figures | None = None, limit: float | None = None) -> Figure:
    """Draw what :func:`det` returns: all words together with the band, and each word beside it.

    Args:
        curves: All words together first.
        title: Of the figure.
        chosen: Marks the figures of all words at an operating point.
        limit: Marks so many false accepts in an hour.
    """
    from kws_exp import figures

    figure = figures.blank(9.4, 4.6)
    grid = figure.add_gridspec(1, 2, wspace=0.1, left=0.075, right=0.985, top=0.86, bottom=0.12)
    first = figure.add_subplot(grid[0])
    panels = (first, figure.add_subplot(grid[1], sharex=first, sharey=first))
    _plot_all(panels[0], curves[0], chosen)
    for number, curve in enumerate(curves[1:]):
        color, line = COLORS[number % len(COLORS)], LINES[number // len(COLORS) % len(LINES)]
        _plot(panels[1], curve, color=color, linestyle=line, linewidth=1.7, label=curve.word)
    for axes in panels:
        _finish(axes, curves[0], limit)
    panels[0].set_ylabel("missed words (false rejects)", color=figures.INK, size=9)
    panels[1].tick_params(labelleft=False)
    figure.text(0.02, 0.975, title, weight="bold", size=11, va="top", color=figures.INK)
    text = f"{curves[0].utterances:,} keywords in {curves[0].hours:.2g} h; each line is a sweep of the threshold"
    figure.text(0.02, 0.925, text, size=9, va="top", color=figures.INK)
    return figure


def _plot_all(axes: Axes, curve: Curve, chosen: Figures | None) -> None:
    """Plot the curve within what the corners of its points' boxes enclose: both intervals at once."""
    from kws_exp.figures import BLUE, ORANGE

    (low, high), (left, right) = curve.miss_band(), curve.accept_band()
    corners = np.concatenate([left, right[::-1]]), np.concatenate([low, high[::-1]])
    axes.fill(*corners, color=BLUE, alpha=0.16, linewidth=0, label="95 % of both")
    _plot(axes, curve, color=BLUE, linewidth=1.7, label="all words")
    if chosen and chosen.false_reject_rate is not None:
        point = (chosen.false_accepts_per_hour or 0.0, chosen.false_reject_rate)
        axes.plot(*point, "o", color=ORANGE, markersize=7, label="operating point", zorder=3, clip_on=False)


def _plot(axes: Axes, curve: Curve, **look: Any) -> None:
    axes.plot(curve.false_accepts_per_hour, curve.false_reject_rates, **look)


def _finish(axes: Axes, curve: Curve, limit: float | None) -> None:
    """Scale from none over the rate of a single false accept, linear, to as many as there are, logarithmic."""
    from kws_exp.figures import GREY, INK, tidy

    single = 1 / curve.hours
    axes.set_xscale("symlog", linthresh=single, linscale=0.5)
    axes.set_xlim(0, max(10 * single, 1.2 * float(curve.false_accepts_per_hour.max())))
    axes.set_ylim(0, 1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_xlabel("false accepts in an hour", color=INK, size=9)
    if limit is not None:
        axes.axvline(limit, color=GREY, linestyle="--", linewidth=1.2, label=f"limit, {limit:g}")
    axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="upper right")
    tidy(axes)
