"""Figures of a run: confusion matrix, training curves, comparison of runs.

Functions return a ``matplotlib.figure.Figure`` that belongs to no window and no global state; :func:`save` writes
it as PNG, :func:`pixels` gives it as an array. A matrix of up to 14 labels has both count and share in its cells,
a larger one the share alone, and cells below half a percent stay empty: text is nearly all of the drawing time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kws_exp.evaluate import Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 110
BLUE, ORANGE, GREY, INK = "#2b6cb0", "#d9822b", "#8a94a0", "#22303c"
BOTH_UP_TO = 14  # labels; more have room for one number in a cell only
SMOOTHED = 0.04  # of the points: width of the running mean over the training curves


@dataclass(frozen=True)
class Compared:
    """One run in a comparison; what it did not get to is None."""

    name: str
    accuracy: float
    interval: tuple[float, float]
    int8_bytes: int | None = None
    parameters: int | None = None


def confusion(evaluation: Evaluation, title: str) -> Figure:
    """Draw a confusion matrix: rows true, columns predicted, colour and percentage by row."""
    counts = np.array(evaluation.matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = len(counts)
    cell = 0.62 if size <= BOTH_UP_TO else 0.36  # inches
    width, height = max(4.7, 1.4 + cell * size), 1.95 + cell * size
    figure = blank(width, height)
    axes = figure.add_axes((1.25 / width, 0.3 / height, cell * size / width, cell * size / height))
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0.0, vmax=1.15)  # the root lifts rare confusions into sight
    axes.set_axis_off()
    _name_cells(axes, evaluation.labels)
    _write_cells(axes, counts, shares)
    low, high = evaluation.interval
    text = f"{evaluation.accuracy:.1%} of {evaluation.clips:,} clips (95 %: {low:.1%} to {high:.1%})"
    if size > BOTH_UP_TO:
        text += "; numbers are percentages of the true label"
    figure.text(0.15 / width, 1 - 0.12 / height, title, weight="bold", size=11, va="top", color=INK)
    figure.text(0.15 / width, 1 - 0.36 / height, text, size=9, va="top", color=INK)
    return figure


def curves(points: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Draw accuracy, loss and learning rate over the steps, from the rows of ``curves.jsonl``."""
    figure = blank(7.6, 6.2)
    grid = figure.add_gridspec(
        3, 1, height_ratios=(5, 4, 1.5), hspace=0.12, left=0.1, right=0.97, top=0.91, bottom=0.08
    )
    first = figure.add_subplot(grid[0])
    panels = [first, *(figure.add_subplot(grid[row], sharex=first) for row in (1, 2))]
    for axes, quantity in zip(panels, ("accuracy", "loss"), strict=False):
        _plot_pair(axes, points, quantity)
    steps, rates = _series(points, "train/learning_rate")
    panels[2].step(steps, rates, where="pre", color=GREY, linewidth=1.4)
    panels[2].set_ylabel("rate", color=INK)
    panels[2].set_ylim(bottom=0.0)
    panels[2].yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    panels[2].set_xlabel("step", color=INK)
    for axes in panels:
        tidy(axes)
        axes.tick_params(labelbottom=axes is panels[2])
    figure.text(0.02, 0.975, title, weight="bold", size=11, va="top", color=INK)
    return figure


def comparison(runs: Sequence[Compared], title: str) -> Figure:
    """Draw test accuracy with its interval, int8 size and parameters of each run, best run first."""
    ranked = sorted(runs, key=lambda run: run.accuracy)
    height = 1.5 + 0.34 * max(len(ranked), 2)
    longest = max((len(run.name) for run in ranked), default=0)
    left = min(0.4, 0.03 + 0.0088 * longest)
    figure = blank(9.4, height)
    places = np.arange(len(ranked))
    grid = figure.add_gridspec(
        1,
        3,
        width_ratios=(5, 2, 2),
        wspace=0.08,
        left=left,
        right=0.97,
        top=1 - 0.5 / height,
        bottom=0.55 / height,
    )
    panels = [figure.add_subplot(grid[column]) for column in range(3)]
    accuracy = np.array([run.accuracy for run in ranked]) * 100
    bounds = np.array([run.interval for run in ranked]).reshape(-1, 2).T * 100
    panels[0].errorbar(
        accuracy,
        places,
        xerr=np.abs(bounds - accuracy),
        fmt="o",
        color=BLUE,
        ecolor=BLUE,
        elinewidth=1.6,
        capsize=3,
    )
    for place, value, top in zip(places, accuracy, bounds[1], strict=True):
        panels[0].annotate(f"{value:.1f}", (top, place), (5, 0), textcoords="offset points", va="center", size=8)
    panels[0].margins(x=0.12)
    _bars(panels[1], [run.int8_bytes and run.int8_bytes / 1024 for run in ranked], "{:,.1f}")
    _bars(panels[2], [run.parameters for run in ranked], "{:,.0f}")
    for axes, label in zip(panels, ("test accuracy, % (95 % interval)", "int8 file, KiB", "parameters"), strict=True):
        axes.set_xlabel(label, color=INK)
        axes.set_ylim(-0.6, max(len(ranked), 2) - 0.4)
        axes.set_yticks(places, [run.name for run in ranked] if axes is panels[0] else [])
        tidy(axes)
        axes.grid(axis="y", visible=False)
    figure.text(0.02, 1 - 0.12 / height, title, weight="bold", size=11, va="top", color=INK)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # compress_level 1: half the time of the default for 20 % more bytes
    figure.savefig(path, dpi=DPI, format="png", metadata={"Software": None}, pil_kwargs={"compress_level": 1})


def pixels(figure: Figure) -> NDArray[np.uint8]:
    """Return a figure as an RGB image of shape (height, width, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]


def blank(width: float, height: float) -> Figure:
    """Return a figure without content, its size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, facecolor="white")


def _name_cells(axes: Axes, labels: Sequence[str]) -> None:
    """Label rows and columns and part the cells, as plain text and lines: ticks took 60 % of the drawing time."""
    size = len(labels)
    slanted: dict[str, Any] = {"rotation": 45, "ha": "left"} if size <= BOTH_UP_TO else {"rotation": 90, "ha": "center"}
    for place, label in enumerate(labels):
        axes.text(place - 0.1 * (size <= BOTH_UP_TO), -0.6, label, size=9, va="bottom", color=INK, **slanted)
        axes.text(-0.65, place, label, size=9, va="center", ha="right", color=INK)
    edges = np.arange(1, size) - 0.5
    axes.hlines(edges, -0.5, size - 0.5, color="white", linewidth=1.2)
    axes.vlines(edges, -0.5, size - 0.5, color="white", linewidth=1.2)
    axes.annotate(
        "predicted",
        (0.5, 0),
        (0, -6),
        "axes fraction",
        "offset points",
        size=9,
        color=GREY,
        va="top",
        ha="center",
    )
    axes.annotate(
        "true",
        (0, 0.5),
        (-78, 0),
        "axes fraction",
        "offset points",
        size=9,
        color=GREY,
        va="center",
        rotation=90,
    )


def _write_cells(axes: Axes, counts: NDArray[Any], shares: NDArray[np.float64]) -> None:
    both = len(counts) <= BOTH_UP_TO
    for row, column in zip(*np.nonzero(counts if both else shares >= 0.005), strict=True):
        share = shares[row, column]
        color = "white" if share > 0.45 else INK
        text = f"{100 * share:.0f}"
        axes.text(
            column,
            row,
            f"{counts[row, column]}\n{text} %" if both else text,
            ha="center",
            va="center",
            size=8 if both else 7,
            color=color,
            weight="bold" if row == column else "normal",
        )


def _series(points: Sequence[Mapping[str, Any]], key: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    rows = [(row["step"], row[key]) for row in points if key in row]
    return np.array([step for step, _ in rows], np.int64), np.array([value for _, value in rows], np.float64)


def _plot_pair(axes: Axes, points: Sequence[Mapping[str, Any]], quantity: str) -> None:
    """Training as it came and smoothed, validation with its passes marked, and the best pass named."""
    steps, values = _series(points, f"train/{quantity}")
    axes.plot(steps, values, color=BLUE, alpha=0.22, linewidth=0.8)
    axes.plot(steps, _running_mean(values), color=BLUE, linewidth=1.7, label="training")
    steps, values = _series(points, f"val/{quantity}")
    axes.plot(steps, values, color=ORANGE, linewidth=1.7, marker="o", markersize=4, label="validation")
    if quantity == "accuracy" and len(values):
        best = int(values.argmax())
        label = f"best {values[best]:.1%} at step {steps[best]:,}"
        axes.plot(steps[best], values[best], "o", markersize=9, markerfacecolor="none", color=ORANGE, label=label)
        axes.set_ylim(top=min(1.0, axes.get_ylim()[1]))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_ylabel(quantity, color=INK)
    axes.legend(
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        loc="lower right" if quantity == "accuracy" else "upper right",
    )


def _running_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    half = max(1, int(len(values) * SMOOTHED / 2))
    sums = np.concatenate([[0.0], np.cumsum(values)])
    first = np.maximum(np.arange(len(values)) - half, 0)
    last = np.minimum(np.arange(len(values)) + half + 1, len(values))
    return (sums[last] - sums[first]) / np.maximum(last - first, 1)


def _bars(axes: Axes, values: Sequence[float | None], text: str) -> None:
    axes.barh(range(len(values)), [value or 0 for value in values], height=0.55, color="#b8cfe6")
    for place, value in enumerate(values):
        shown = "not exported" if value is None else text.format(value)
        axes.annotate(shown, (value or 0, place), (4, 0), textcoords="offset points", va="center", size=8, color=INK)
    axes.locator_params(axis="x", nbins=3)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlim(0, max([value or 0 for value in values] or [0]) * 1.45 or 1)


def tidy(axes: Axes) -> None:
    """Give axes the look of all figures: a pale grid, and no frame where nothing is read off."""
    axes.grid(color="#e3e8ee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9, labelcolor=INK)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(GREY)
