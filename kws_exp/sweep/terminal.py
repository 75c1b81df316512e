"""What a sweep shows on the terminal: a table that follows it, and the last word.

A trial has one line, whose settings are cut where the terminal ends. The time left is counted from the trials' own
seconds: a sweep that goes on has done part of its trials before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from kws_exp.sweep.ranking import COMPLETE, FAIL, Counts, Row, keys, varied
from kws_exp.sweep.wording import duration, settings, shown, summary, value_of

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

LIVE_ROWS, FINAL_ROWS, REASONS = 8, 20, 5


@dataclass(frozen=True)
class Running:
    """A trial under way."""

    number: int
    params: dict[str, object]
    step: int
    total: int
    accuracy: float | None  # at the last validation
    worker: int


def live(
    rows: Sequence[Row],
    counts: Counts,
    objectives: Mapping[str, str],
    total: int,
    elapsed: float,
    running: Sequence[Running],
) -> RenderableType:
    """Return the progress, the trials under way and the best ones so far."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    head = Table.grid(padding=(0, 1))
    head.add_row(
        Text(f"{counts.finished}/{total}", style="bold"),
        ProgressBar(total=max(total, 1), completed=counts.finished, width=24),
        Text(_progress(rows, counts, total, elapsed, len(running))),
    )
    parts = [head]
    if running:
        parts.append(_under_way(running))
    if rows:
        parts.append(_best(rows, objectives, LIVE_ROWS))
    return Group(*parts)


def final(
    rows: Sequence[Row], counts: Counts, objectives: Mapping[str, str], total: int, elapsed: float
) -> RenderableType:
    """Return the best trials, the counts, and why trials failed."""
    from rich.console import Group
    from rich.text import Text

    failed = [row for row in rows if row.state == FAIL]
    lines = [f"{counts.finished}/{total} trials in {duration(elapsed)}: {summary(counts)}"]
    lines += [f"trial {row.number} failed: {' '.join(row.note.split())}" for row in failed[:REASONS]]
    lines += [f"and {len(failed) - REASONS} more"] if len(failed) > REASONS else []
    return Group(*([_best(rows, objectives, FINAL_ROWS)] if rows else []), *map(Text, lines))


def _best(rows: Sequence[Row], objectives: Mapping[str, str], count: int) -> Table:
    ranked, names = rows[:count], varied(rows)
    more = keys(row.figures for row in ranked)[: max(0, 3 - len(objectives))]  # as many as leave room for settings
    table = _table("trial", *objectives, *more)
    for row in ranked:
        cells = [str(row.number), *(value_of(row, place, name) for place, name in enumerate(objectives))]
        cells += [shown(name, row.figures.get(name)) for name in more]
        words = [f"({' '.join(row.note.split())})"] if row.note else []
        style = "bold" if row.front else "" if row.state == COMPLETE and row.feasible else "dim"
        _add(table, cells, [*words, *settings(row.params, names)], style)
    return table


def _under_way(running: Sequence[Running]) -> Table:
    names = keys(trial.params for trial in running)
    table = _table("trial", "step", "accuracy", "worker")
    for trial in sorted(running, key=lambda trial: trial.worker):
        step = f"{trial.step:,}/{trial.total:,}" if trial.total else "starting"
        cells = [str(trial.number), step, shown("accuracy", trial.accuracy), str(trial.worker)]
        _add(table, cells, settings(trial.params, names), "")
    return table


def _table(*numbers: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("settings")  # may wrap, and its text may not: so it alone gives way where there is no room
    return table


def _add(table: Table, cells: Sequence[str], words: Sequence[str], style: str) -> None:
    from rich.text import Text

    last = Text(" ".join(words), style, no_wrap=True, overflow="ellipsis")
    table.add_row(*(Text(cell, style) for cell in cells), last)


def _progress(rows: Sequence[Row], counts: Counts, total: int, elapsed: float, workers: int) -> str:
    named = {"pruned": counts.pruned, "over budget": counts.rejected, "failed": counts.failed}
    parts = [*(f"{number} {name}" for name, number in named.items() if number), duration(elapsed)]
    spent = [row.seconds for row in rows if row.seconds]
    left = max(total - counts.finished, 0)
    if spent and left and workers:
        parts.append(f"about {duration(fmean(spent) * left / min(workers, left))} left")
    return ", ".join(parts)
