"""The trials of a sweep in order, and how many are in which state.

Values in, values out: trials are only read, and Optuna is not imported. A trial keeps its constraints or breaks
them (feasible or not); only feasible complete trials can win, however good the others are. The surprising
facts: Optuna gives a pruned trial the last value it reported, and a trial that breaks a budget before training
is PRUNED too; here that one is REJECTED, and a FAIL that was tried again is INTERRUPTED.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

COMPLETE, PRUNED, REJECTED, FAIL, INTERRUPTED = "COMPLETE", "PRUNED", "REJECTED", "FAIL", "INTERRUPTED"
STATES = (COMPLETE, PRUNED, REJECTED, FAIL, INTERRUPTED)  # in the order of the table


@dataclass(frozen=True)
class Row:
    """One finished trial; what it has not got is None, empty or absent."""

    number: int
    state: str  # one of STATES
    params: dict[str, object]
    values: tuple[float, ...] | None  # in the order of the objectives; of a pruned trial the last it reported
    deviation: tuple[float, ...] | None  # of each value over the seeds
    interval: tuple[float, float] | None  # 95 %, of the first value
    figures: dict[str, float]  # what else was measured, without the objectives
    seconds: float | None
    feasible: bool
    note: str
    front: bool  # on the Pareto front; with one objective, the single best


@dataclass(frozen=True)
class Counts:
    """How many trials are in which state."""

    complete: int
    pruned: int
    rejected: int
    failed: int
    interrupted: int
    running: int
    waiting: int

    @property
    def finished(self) -> int:
        """Trials that count towards the total: an interrupted one is tried again, and counts then."""
        return self.complete + self.pruned + self.rejected + self.failed


def winner(ranked: Sequence[Row]) -> Row | None:
    """Return the best row; None when no complete trial is feasible."""
    return ranked[0] if ranked and ranked[0].front else None


def rows(trials: Sequence[FrozenTrial], objectives: Mapping[str, str]) -> list[Row]:
    """Return the finished trials, best first.

    Feasible complete trials lead, those on the Pareto front before the others, each group by the first objective;
    then the infeasible, the pruned, the rejected, the failed and the interrupted.
    """
    again = _made_again(trials)
    finished = [_row(trial, objectives, again) for trial in trials if _state(trial, again) in STATES]
    front = _front(finished, objectives)
    marked = [replace(row, front=row.number in front) for row in finished]
    return sorted(marked, key=lambda row: _rank(row, objectives))


def counts(trials: Sequence[FrozenTrial]) -> Counts:
    """Count the trials by state."""
    again = _made_again(trials)
    found = Counter(_state(trial, again) for trial in trials)
    return Counts(*(found[state] for state in (*STATES, "RUNNING", "WAITING")))


def varied(rows: Sequence[Row]) -> list[str]:
    """Return the parameters whose value, or whose presence, differs between the rows."""
    names = keys(row.params for row in rows)
    return [name for name in names if len({repr(row.params.get(name, ...)) for row in rows}) > 1]


def keys(mappings: Iterable[Mapping[str, object]]) -> list[str]:
    """Return the names that occur, each once, in the order of their first appearance."""
    return list(dict.fromkeys(name for mapping in mappings for name in mapping))


def losses(values: Sequence[float], objectives: Mapping[str, str]) -> tuple[float, ...]:
    """Return values turned so that less is better; NaN is the worst."""
    signed = [-value if way == "maximize" else value for value, way in zip(values, objectives.values(), strict=True)]
    return tuple(math.inf if math.isnan(value) else value for value in signed)


def _made_again(trials: Sequence[FrozenTrial]) -> frozenset[int]:
    """Return the numbers of the trials that have a successor with the same settings."""
    return frozenset(trial.user_attrs["retry_of"] for trial in trials if "retry_of" in trial.user_attrs)


def _state(trial: FrozenTrial, again: frozenset[int]) -> str:
    name = trial.state.name
    if name == PRUNED and "rejected" in trial.user_attrs:
        return REJECTED
    return INTERRUPTED if name == FAIL and (trial.number in again or trial.user_attrs.get("interrupted")) else name


def _row(trial: FrozenTrial, objectives: Mapping[str, str], again: frozenset[int]) -> Row:
    attributes = trial.user_attrs
    deviation, interval = attributes.get("deviation"), attributes.get("interval")
    return Row(
        number=trial.number,
        state=_state(trial, again),
        params=dict(trial.params),
        values=tuple(trial.values) if trial.values else None,
        deviation=tuple(deviation) if deviation else None,
        interval=(interval[0], interval[1]) if interval else None,
        figures={name: value for name, value in attributes.get("figures", {}).items() if name not in objectives},
        seconds=attributes.get("seconds"),
        feasible=all(value <= 0 for value in trial.constraints.values()),
        note=_note(trial, _state(trial, again)),
        front=False,
    )


def _note(trial: FrozenTrial, state: str) -> str:
    attributes = trial.user_attrs
    notes = ["baseline"] if attributes.get("baseline") else []
    if state == REJECTED:
        notes.append(str(attributes["rejected"]))
    elif state == PRUNED and trial.last_step is not None:
        notes.append(f"stopped at step {trial.last_step:,}")
    elif state == COMPLETE:
        notes += [f"as trial {attributes['same_as']}"] if "same_as" in attributes else []
        broken = [name for name, value in trial.constraints.items() if not value <= 0]
        notes += [f"over budget: {', '.join(broken)}"] if broken else []
    elif state == INTERRUPTED:
        notes.append("tried again")
    elif state == FAIL:
        notes.append(str(attributes.get("reason", "no reason is known")))
    return "; ".join(notes)


def _front(finished: Sequence[Row], objectives: Mapping[str, str]) -> set[int]:
    """Return the numbers of the Pareto front; equal trials are all on it, but there is one best of one objective."""
    scored = sorted(
        (losses(row.values, objectives), row.number)
        for row in finished
        if row.values and row.state == COMPLETE and row.feasible
    )
    front: list[tuple[tuple[float, ...], int]] = []
    for values, number in scored:  # nobody is dominated by one who comes later in this order
        if not any(kept != values and all(map(float.__le__, kept, values)) for kept, _ in front):
            front.append((values, number))
    return {number for _, number in (front if len(objectives) > 1 else front[:1])}


def _rank(row: Row, objectives: Mapping[str, str]) -> tuple[object, ...]:
    values = losses(row.values, objectives) if row.values else (math.inf,) * len(objectives)
    broken = row.state == COMPLETE and not row.feasible
    return STATES.index(row.state), broken, not row.front, values, row.number
