"""The figure of accuracy in noise, in the look of a run's other figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kws_exp.figures import BLUE, INK, ORANGE, blank, tidy
from kws_exp.misheard.noise import Point

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def noise(points: Sequence[Point], title: str) -> Figure:
    """Draw accuracy with its interval against the signal-to-noise ratio, clean speech at the left."""
    figure = blank(7.6, 3.4)
    axes = figure.add_axes((0.1, 0.16, 0.87, 0.7))
    for clean, color in ((True, ORANGE), (False, BLUE)):
        drawn = [(place, point) for place, point in enumerate(points) if (point.snr_db is None) == clean]
        values = [point.accuracy for _, point in drawn]
        reach = [
            [point.accuracy - point.low for _, point in drawn],
            [point.high - point.accuracy for _, point in drawn],
        ]
        places = [place for place, _ in drawn]
        axes.errorbar(places, values, yerr=reach, color=color, linewidth=1.7, marker="o", markersize=5, capsize=3)
    for place, point in enumerate(points):
        at = (place, point.accuracy)
        axes.annotate(f"{point.accuracy:.1%}", at, (6, 5), textcoords="offset points", size=8, color=INK)
    axes.set_xticks(range(len(points)), [ratio(point) for point in points])
    axes.set_xlim(-0.3, len(points) - 0.4)
    axes.set_ylim(0, 1.05)  # the same in every run, to be compared
    axes.set_xlabel("speech to added noise", color=INK)
    axes.set_ylabel("test accuracy", color=INK)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    tidy(axes)
    figure.text(0.02, 0.965, title, weight="bold", size=11, va="top", color=INK)
    return figure


def ratio(point: Point) -> str:
    """Return a point's signal-to-noise ratio as text."""
    return "clean" if point.snr_db is None else f"{point.snr_db:.0f} dB"
