"""The live table of a sweep, where the output is a terminal; elsewhere each trial gets a line as it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.live import Live

from kws_exp.console import Watch
from kws_exp.sweep import measures, ranking, terminal
from kws_exp.sweep.measures import Objectives
from kws_exp.sweep.wording import settings, value_of

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

SECONDS = 1.0  # between two looks


@dataclass(frozen=True)
class View:
    """What the table shows."""

    trials: Sequence[FrozenTrial]
    objectives: Objectives
    total: int
    steps: int  # of a run
    workers: Mapping[int, int]  # number of a trial under way here -> of its worker


@dataclass
class Screen:
    """The table on the terminal."""

    live: Live | None
    began: float = field(default_factory=time.monotonic)
    shown: float = 0.0

    def update(self, view: Callable[[], View]) -> None:
        """Show what there is now, if the last time was a while ago."""
        now = time.monotonic()
        if self.live is not None and now - self.shown > SECONDS:
            self.shown = now
            self.live.update(_table(view(), now - self.began), refresh=True)


@contextmanager
def live(watch: Watch) -> Iterator[Screen]:
    """Give the screen of a sweep until the block ends."""
    if not watch.console.is_terminal or watch.verbosity not in ("debug", "info"):
        yield Screen(None)
        return
    with Live(console=watch.console, auto_refresh=False, transient=True) as shown:
        yield Screen(shown)


def _table(view: View, seconds: float):  # type: ignore[no-untyped-def]  # a renderable of rich
    rows, counts = ranking.rows(view.trials, view.objectives), ranking.counts(view.trials)
    running = [_running(trial, view) for trial in view.trials if trial.number in view.workers]
    return terminal.live(rows, counts, view.objectives, view.total, seconds, running)


def _running(trial: FrozenTrial, view: View) -> terminal.Running:
    step = max(trial.intermediate_values, default=0)
    report = trial.intermediate_values.get(step)
    accuracy = None if report is None else measures.reported(report, view.objectives)
    return terminal.Running(trial.number, trial.params, step, view.steps, accuracy, view.workers[trial.number])


def line(trial: FrozenTrial, objectives: Objectives) -> str:
    """Return how a trial ended, in one line."""
    row = ranking.rows([trial], objectives)[0]
    values = [f"{name} {value_of(row, place, name)}" for place, name in enumerate(objectives)] if row.values else []
    said = ", ".join([row.state.lower(), *values, *([row.note] if row.note else [])])
    return f"trial {row.number}: {said}; {' '.join(settings(row.params, list(row.params)))}"
