"""A sweep's figures, in the look of a run's: history, Pareto front, importances, curves.

Each function returns a figure, or None while there is nothing to draw. Blue is a feasible complete trial, orange
the best, hollow grey one that breaks a constraint. The surprising fact: a few trials at chance level would press
all others into one line, so the axis of an objective ends a little beyond most values, and what is worse than its
end is a triangle there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kws_exp.figures import BLUE, GREY, INK, ORANGE, blank, tidy
from kws_exp.sweep.ranking import COMPLETE, FAIL, INTERRUPTED, PRUNED, Row
from kws_exp.sweep.wording import is_share

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import XAxis, YAxis
    from matplotlib.figure import Figure

Importances = Mapping[str, Mapping[str, float]]  # objective -> parameter -> share
APART = (18, 12)  # pixels from a number on a Pareto front to other numbers and points; nearer ones are left out
REACH = 1.5  # interquartile ranges beyond the worse quartile, as Tukey counts outliers: there the axis ends
SOUND = 50  # complete trials: Optuna's advice for PED-ANOVA is five in the best tenth
LOGARITHMIC = 30.0  # ratio of the largest to the smallest value from which an axis is logarithmic


def history(rows: Sequence[Row], objectives: Mapping[str, str], place: int) -> Figure | None:
    """Draw an objective's value of every trial in the order of their numbers, and the best until then."""
    name, way = list(objectives.items())[place]
    drawn = sorted(complete(rows), key=lambda row: row.number)
    if len(drawn) < 2:
        return None
    points = [(row.number, row.values[place], row) for row in drawn if row.values]
    figure, axes = _panel(f"{name} of {len(drawn)} trials")
    _objective(axes, name, way, [value for _, value, _ in points])
    _points(axes, [point for point in points if not point[2].feasible], place, "over budget")
    feasible = [point for point in points if point[2].feasible]
    _points(axes, feasible, place, "complete")
    if feasible:
        best = (np.maximum if way == "maximize" else np.minimum).accumulate([value for _, value, _ in feasible])
        numbers = [number for number, _, _ in feasible] + [max(row.number for row in rows)]
        axes.step(numbers, [*best, best[-1]], where="post", color=ORANGE, linewidth=1.7, label="best so far", zorder=1)
    axes.set_xlabel("trial", color=INK)
    axes.locator_params(axis="x", integer=True)
    return _finish(figure, axes)


def pareto(rows: Sequence[Row], objectives: Mapping[str, str], place: int) -> Figure | None:
    """Draw the first objective over another one; a staircase joins the front when there are no others."""
    (first, way), (second, other) = next(iter(objectives.items())), list(objectives.items())[place]
    points = [(row.values[place], row.values[0], row) for row in complete(rows) if row.values]
    if len(points) < 2:
        return None
    figure, axes = _panel(f"{first} against {second}")
    front = [point for point in points if point[2].front]
    _objective(axes, first, way, [value for _, value, _ in points], [value for _, value, _ in front])
    if len(objectives) == 2:
        stairs = np.array(sorted((along, value) for along, value, _ in front)).reshape(-1, 2)
        axes.step(*stairs.T, where="post" if other == "minimize" else "pre", color=ORANGE, linewidth=1.2)
    _points(axes, [point for point in points if not point[2].feasible], 0, "over budget")
    _points(axes, [point for point in points if point[2].feasible and not point[2].front], 0, "complete")
    _points(axes, front, 0, "Pareto front", ORANGE)
    _name(axes, front)
    axes.set_xlabel(second, color=INK)
    if is_spread([point[0] for point in points]):
        axes.set_xscale("log")
    _unit(axes.xaxis, second)
    return _finish(figure, axes)


def importances(found: Importances, trials: int) -> Figure | None:
    """Draw the importances of the parameters, which add up to 1, in one panel an objective."""
    if not found:
        return None
    guess = f", a guess below {SOUND}" if trials < SOUND else ""
    every = next(iter(found.values()))
    names = sorted(every, key=lambda name: max(shares[name] for shares in found.values()))
    height, places = 1.25 + 0.32 * max(len(names), 3), range(len(names))
    figure = blank(7.6, height)
    left = min(0.42, 0.04 + 0.0112 * max(map(len, names)))
    room = {"left": left, "right": 0.97, "top": 1 - 0.5 / height, "bottom": 0.55 / height, "wspace": 0.16}
    panels = figure.subplots(1, len(found), sharey=True, squeeze=False, gridspec_kw=room)[0]
    for axes, (objective, shares) in zip(panels, found.items(), strict=True):
        axes.barh(places, [shares[name] for name in names], height=0.6, color="#b8cfe6")
        for place, name in enumerate(names):
            at = (shares[name], place)
            axes.annotate(f"{shares[name]:.0%}", at, (4, 0), textcoords="offset points", va="center", size=8, color=INK)
        axes.set_yticks(places, names)
        axes.set_xlim(0, max(shares.values()) * 1.25)
        axes.locator_params(axis="x", nbins=4, prune="upper")
        axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axes.set_xlabel(f"for {objective}", color=INK)
        tidy(axes)
        axes.grid(axis="y", visible=False)
    return title(figure, f"importance of the parameters: PED-ANOVA of {trials} trials{guess}")


def curves(rows: Sequence[Row], reported: Mapping[int, Mapping[int, float]]) -> Figure | None:
    """Draw the validation accuracy of each trial over its steps; a pruned one ends in a cross."""
    lines = {number: sorted(curve.items()) for number, curve in reported.items() if curve}
    if len(lines) < 2:
        return None
    known = {row.number: row for row in rows}
    figure, axes = _panel("validation of each trial as it trains")
    for number in sorted(lines, key=lambda number: number in known and known[number].front):
        style = _style(known.get(number))
        if style:
            steps, values = zip(*lines[number], strict=True)
            axes.plot(steps, values, **style, markevery=[-1], markersize=5)
    axes.set_xlabel("step", color=INK)
    axes.set_ylabel("validation accuracy", color=INK)
    _unit(axes.yaxis, "accuracy")
    return _finish(figure, axes)


def complete(rows: Sequence[Row]) -> list[Row]:
    """Return the complete trials whose values are all numbers to draw."""
    return [row for row in rows if row.state == COMPLETE and row.values and all(map(math.isfinite, row.values))]


def is_spread(values: Sequence[float]) -> bool:
    """Whether values need a logarithmic axis, and allow one."""
    return min(values) > 0 and max(values) > LOGARITHMIC * min(values)


def title(figure: Figure, text: str) -> Figure:
    """Write a figure's title at its top left."""
    figure.text(0.02, 1 - 0.12 / figure.get_figheight(), text, weight="bold", size=11, va="top", color=INK)
    return figure


def _panel(text: str) -> tuple[Figure, Axes]:
    figure = title(blank(7.6, 4.2), text)
    return figure, figure.add_axes((0.1, 0.12, 0.87, 0.74))


def _objective(axes: Axes, name: str, way: str, values: Sequence[float], kept: Sequence[float] = ()) -> None:
    """Set the vertical axis to an objective, without the few values, but ``kept``, far on its worse side."""
    low, high = min(values), max(values)
    lower, upper = np.percentile(values, (25, 75))
    reach = REACH * (upper - lower)
    if reach and way == "maximize":
        low = min([max(low, lower - reach), *kept])
    elif reach:
        high = max([min(high, upper + reach), *kept])
    margin = 0.06 * (high - low) or 0.01 * abs(high) or 1.0
    axes.set_ylim(low - margin, high + margin)
    axes.set_ylabel(name, color=INK)
    _unit(axes.yaxis, name)


def _points(axes: Axes, points: Sequence[tuple[float, float, Row]], place: int, label: str, color: str = BLUE) -> None:
    """Draw trials as points with their deviation; hollow grey if they are over the budget."""
    bottom, top = axes.get_ylim()
    hollow: dict[str, Any] = {"markerfacecolor": "none"} if label == "over budget" else {}
    color = GREY if hollow else color
    for mark in "ov^":
        drawn = [point for point in points if mark == ("v" if point[1] < bottom else "^" if point[1] > top else "o")]
        if not drawn:
            continue
        along, values = [point[0] for point in drawn], np.clip([point[1] for point in drawn], bottom, top)
        axes.plot(along, values, mark, color=color, markersize=5, clip_on=mark == "o", label=label, **hollow)
        spread = [row.deviation[place] if row.deviation and mark == "o" else 0.0 for _, _, row in drawn]
        if any(spread):
            axes.errorbar(along, values, spread, fmt="none", ecolor=color, elinewidth=1)


def _name(axes: Axes, front: Sequence[tuple[float, float, Row]]) -> None:
    """Write the trials' numbers on a front, the best trial's first, where they do not cover each other."""
    places = [(along, float(np.clip(value, *axes.get_ylim()))) for along, value, _ in front]
    points = [tuple(axes.transData.transform(place)) for place in places]
    written: list[tuple[float, float]] = []
    for (_, _, row), place, point in zip(front, places, points, strict=True):
        text = (point[0], point[1] + 1.3 * APART[1])
        others = [*written, *(other for other in points if other != point)]
        if all(abs(text[0] - x) > APART[0] or abs(text[1] - y) > APART[1] for x, y in others):
            written.append(text)
            axes.annotate(str(row.number), place, (0, 6), textcoords="offset points", ha="center", size=8, color=INK)


def _unit(axis: XAxis | YAxis, name: str) -> None:
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1.0) if is_share(name) else lambda value, _: f"{value:g}")


def _style(row: Row | None) -> dict[str, Any] | None:
    """Return how a trial's curve is drawn; one without a row is under way."""
    if row is None:
        return {"color": INK, "linewidth": 1.2, "linestyle": ":", "marker": ">", "label": "running"}
    if row.front:
        return {"color": ORANGE, "linewidth": 2.0, "label": "best"}
    if row.state == PRUNED:
        return {"color": GREY, "linewidth": 0.9, "marker": "x", "label": "pruned"}
    if row.state in (FAIL, INTERRUPTED):
        return None
    if not row.feasible:
        return {"color": GREY, "linewidth": 0.9, "linestyle": "--", "label": "over budget"}
    return {"color": BLUE, "linewidth": 1.0, "alpha": 0.45, "label": "complete"}


def _finish(figure: Figure, axes: Axes) -> Figure:
    tidy(axes)
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(labels[::-1], handles[::-1], strict=True))  # of equal ones the first
    look = {"frameon": False, "fontsize": 9, "labelcolor": INK, "handlelength": 1.5}
    figure.legend(
        list(once.values())[::-1], list(once)[::-1], loc="upper left", bbox_to_anchor=(0.005, 0.945), ncols=5, **look
    )
    return figure
