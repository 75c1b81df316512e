"""How a trial ended: what a worker sends to its parent, and the parent writes into the study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kws_exp.errors import KwsError

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

COMPLETE, PRUNED, FAILED, STOPPED = "complete", "pruned", "failed", "stopped"


@dataclass(frozen=True)
class Outcome:
    """The end of a trial."""

    state: str  # COMPLETE | PRUNED | FAILED | STOPPED (asked to, by Ctrl-C)
    values: tuple[float, ...] | None = None  # of the objectives, means over the seeds
    deviation: tuple[float, ...] | None = None  # over the seeds
    interval: tuple[float, float] | None = None  # 95 %, of the first objective
    figures: Mapping[str, float] = field(default_factory=dict)  # measure -> value, means over the seeds
    constraints: Mapping[str, float] = field(default_factory=dict)  # measure -> excess; above 0: broken
    overrides: tuple[str, ...] = ()
    seconds: float = 0.0
    rejected: str | None = None  # which limit it broke before training
    reason: str | None = None  # why it failed
    same_as: int | None = None  # the trial with the same parameters that was run instead

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Outcome:
        """Return an outcome that was written as JSON, which knows no tuples."""
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in kept.items()
        }
        return cls(**fields)

    @classmethod
    def again(cls, trial: FrozenTrial) -> Outcome:
        """Return the outcome of another trial with the parameters of this one: a run gives the same bytes twice."""
        known = trial.user_attrs
        return cls(
            COMPLETE,
            tuple(trial.values),
            known.get("deviation"),
            known.get("interval"),
            known.get("figures", {}),
            trial.constraints,
            tuple(known.get("overrides", ())),
            same_as=trial.number,
        )

    def attributes(self) -> dict[str, Any]:
        """Return what the study keeps of it beside values and constraints."""
        every = {
            "deviation": self.deviation,
            "interval": self.interval,
            "figures": dict(self.figures),
            "overrides": list(self.overrides),
            "seconds": round(self.seconds, 3),
            "rejected": self.rejected,
            "reason": self.reason,
            "same_as": self.same_as,
        }
        return {key: value for key, value in every.items() if value is not None}


def told(error: Exception, line: int = 0) -> str:
    """Return why a trial failed: its error by one line of several; what is told to the user is a sentence already."""
    lines = str(error).strip().splitlines() or ["no message"]
    return lines[line].strip() if isinstance(error, KwsError) else f"{type(error).__name__}: {lines[line].strip()}"
