"""Parallel coordinates of a sweep: every trial as a line through its parameters and objectives.

The better a trial the darker its line; the best are orange and lie on top. A parameter that a trial has not got is
at the foot of its axis. The surprising fact: trials that share a choice are spread a little around it by rank, or
a hundred lines would look like one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kws_exp.figures import GREY, INK, ORANGE, blank
from kws_exp.sweep.charts import complete, title
from kws_exp.sweep.ranking import Row
from kws_exp.sweep.wording import setting, short_names, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHOICES = 7  # different numbers up to which they are shown as choices, evenly spaced
TICKS = 5  # on an axis of numbers
MISSING = -0.13  # height of "absent" below an axis of 0 to 1
FAN = 0.07  # height over which the lines through one choice are spread
PALE, DEEP = np.array([0.80, 0.86, 0.92]), np.array([0.07, 0.23, 0.39])


@dataclass(frozen=True)
class Scale:
    """Where the values of one parameter or objective stand on their axis, from 0 to 1."""

    name: str
    choices: tuple[object, ...]  # empty: numbers from low to high
    low: float = 0.0
    high: float = 1.0
    logarithmic: bool = False

    def height(self, value: object, rank: float) -> float:
        """Return the height of a value (None: absent) for a trial of ``rank`` 0 (worst) to 1 (best)."""
        if value is None:
            return MISSING + FAN * (rank - 0.5)
        if self.choices:
            places = len(self.choices) - 1
            return (self.choices.index(value) / places if places else 0.5) + FAN * (rank - 0.5)
        number = float(str(value))
        if self.logarithmic:
            return math.log(number / self.low) / math.log(self.high / self.low)
        return (number - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """Return heights and their texts."""
        if self.choices:
            return [(self.height(value, 0.5), setting(value)) for value in self.choices]
        space = np.geomspace if self.logarithmic else np.linspace
        values = [float(value) for value in space(self.low, self.high, TICKS)]
        return [(place / (TICKS - 1), self._text(value)) for place, value in enumerate(values)]

    def _text(self, value: float) -> str:
        text = shown(self.name, value)
        return text if text.endswith("%") else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def scale(name: str, values: Sequence[object], numbers: bool = False, logarithmic: bool = False) -> Scale:
    """Return the scale for values; few different numbers are choices unless they are ``numbers`` in any case."""
    found = sorted({value for value in values if isinstance(value, int | float) and not isinstance(value, bool)})
    others = sorted({value for value in values if value not in found}, key=str)
    if others or len(found) < 2 or (len(found) <= CHOICES and not numbers):
        return Scale(name, (*found, *others))
    return Scale(name, (), found[0], found[-1], logarithmic)


def parallel(rows: Sequence[Row], objectives: Mapping[str, str], parameters: Mapping[str, bool]) -> Figure | None:
    """Draw the complete trials, with ``parameters`` (True: logarithmic) and then the objectives from left to right."""
    drawn = complete(rows)[::-1]
    if len(drawn) < 2 or not parameters:
        return None
    scales = [
        scale(name, [row.params[name] for row in drawn if name in row.params], logarithmic=logarithmic)
        for name, logarithmic in parameters.items()
    ]
    scales += [scale(name, [_values(row)[place] for row in drawn], True) for place, name in enumerate(objectives)]
    labels = [*short_names(parameters).values(), *objectives]
    figure, axes = _panel(labels, max(len(text) for _, text in scales[0].ticks()))
    for rank, row in zip(np.linspace(0.0, 1.0, len(drawn)), drawn, strict=True):
        values = [*map(row.params.get, parameters), *_values(row)]
        heights = [scale.height(value, float(rank)) for scale, value in zip(scales, values, strict=True)]
        axes.plot(heights, **_style(row, float(rank)))
    for place, each in enumerate(scales):
        absent = place < len(parameters) and any(each.name not in row.params for row in drawn)
        _axis(axes, place, [*each.ticks(), *([(MISSING, "absent")] if absent else [])])
    return title(figure, f"{len(drawn)} trials, the better the darker{_explained(drawn)}")


def _values(row: Row) -> tuple[float, ...]:
    return row.values or ()


def _explained(drawn: Sequence[Row]) -> str:
    best = sum(row.front for row in drawn)
    said = [", the best orange" if best == 1 else ", the Pareto front orange"] if best else []
    said += [", over budget dotted"] if not all(row.feasible for row in drawn) else []
    return "".join(said)


def _style(row: Row, rank: float) -> dict[str, Any]:
    if row.front:
        return {"color": ORANGE, "linewidth": 1.6, "zorder": 3}
    if not row.feasible:
        return {"color": GREY, "linewidth": 0.9, "linestyle": ":"}
    return {"color": tuple(PALE + (DEEP - PALE) * rank), "linewidth": 1.1}


def _panel(labels: Sequence[str], before: int) -> tuple[Figure, Axes]:
    """Return axes for ``labels``, with room for texts of ``before`` characters on their left."""
    wide = max(
        1.3, 0.085 * max(map(len, labels)), 7.6 / len(labels)
    )  # inches from axis to axis: room for names and title
    left, right = max(wide / 2, 0.2 + 0.085 * before), wide / 2
    width = left + wide * (len(labels) - 1) + right
    figure = blank(width, 4.4)
    axes = figure.add_axes((0, 0.09, 1, 0.8))
    axes.set_xlim(-left / wide, len(labels) - 1 + right / wide)
    axes.set_ylim(MISSING - 0.05, 1.05)
    axes.set_axis_off()
    for place, label in enumerate(labels):
        at = (place, MISSING - 0.05)
        axes.annotate(label, at, (0, -6), textcoords="offset points", ha="center", va="top", size=9, color=INK)
    return figure, axes


def _axis(axes: Axes, place: int, ticks: Sequence[tuple[float, str]]) -> None:
    axes.vlines(place, 0 - FAN / 2, 1 + FAN / 2, color=GREY, linewidth=0.9, zorder=2)
    behind = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.8}
    for height, text in ticks:
        axes.annotate(
            text,
            (place, height),
            (-4, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            size=8,
            color=INK,
            bbox=behind,
            zorder=4,
        )
