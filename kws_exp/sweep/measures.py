"""What a sweep can aim at or limit: each measure with its better direction and the stage of a run that gives it.

Sizes and latency follow from the architecture alone, so that a trial which breaks a limit is known before it trains
(:mod:`kws_exp.footprint`). A kB is 1,024 bytes, as in the data sheets of microcontrollers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from kws_exp.errors import KwsError, nearest

MAXIMIZE, MINIMIZE = "maximize", "minimize"
TRAINING, TESTING, DEVICE, STREAM, FOOTPRINT = "training", "testing", "device", "stream", "footprint"


@dataclass(frozen=True)
class Measure:
    """One figure of a trial."""

    direction: str
    known_by: str  # TRAINING | TESTING | DEVICE (export and C compiler) | STREAM | FOOTPRINT (before training)


MEASURES = {
    "accuracy": Measure(MAXIMIZE, TRAINING),  # validation partition, of the weights that are kept
    "loss": Measure(MINIMIZE, TRAINING),  # likewise
    "device_accuracy": Measure(MAXIMIZE, DEVICE),  # validation partition, in the device's own int8 arithmetic
    "test_accuracy": Measure(MAXIMIZE, TESTING),  # to be shown; who chooses by it has no test left
    "misses": Measure(MINIMIZE, STREAM),  # of keywords, on the validation stream, within its limit of false accepts
    "parameters": Measure(MINIMIZE, FOOTPRINT),
    "macs": Measure(MINIMIZE, FOOTPRINT),  # multiply-accumulates a clip
    "int8_kb": Measure(MINIMIZE, FOOTPRINT),  # the int8 file
    "flash_kb": Measure(MINIMIZE, FOOTPRINT),  # the whole C program on a Cortex-M4
    "ram_kb": Measure(MINIMIZE, FOOTPRINT),  # likewise
    "arena_kb": Measure(MINIMIZE, FOOTPRINT),  # in TensorFlow Lite Micro
    "latency_ms": Measure(MINIMIZE, FOOTPRINT),  # an inference on a Cortex-M4, upper end of the estimate
}
SHARES = ("accuracy", "device_accuracy", "test_accuracy", "misses")
EXAMPLES = {"misses": 0.1, "loss": 0.5, "parameters": 20_000, "macs": 1_000_000}  # of other shares 0.9, else 32
Objectives = Mapping[str, str]  # measure -> direction, in the order of a trial's values


@dataclass(frozen=True)
class Limit:
    """A bound that a trial must keep."""

    measure: str
    above: bool  # True: the value must be at least the bound
    bound: float

    def excess(self, value: float) -> float:
        """Return by how much a value breaks the bound: above 0 if it does, as Optuna counts constraints."""
        return self.bound - value if self.above else value - self.bound

    def broken(self, value: float) -> str:
        """Return the sentence for a value that breaks the bound."""
        return f"{self.measure} = {value:,.4g}, {'below' if self.above else 'above'} {self.bound:g}"


def objectives(written: Sequence[str]) -> Objectives:
    """Read ``[device_accuracy, flash_kb]``, or ``[maximize accuracy, minimize flash_kb]``.

    Raises:
        KwsError: no run reports the measure, it is named twice, or its direction is the worse one.
    """
    found: dict[str, str] = {}
    for text in written:
        *direction, name = text.split() or [""]
        measure = _known("sweeper.objectives", name)
        if direction and direction != [measure.direction]:
            raise KwsError(
                f"sweeper.objectives: '{text}' contradicts what is better for {name}: "
                f"write '{measure.direction} {name}', or '{name}' alone"
            )
        if name in found:
            raise KwsError(f"sweeper.objectives must not name {name} twice: remove one")
        found[name] = measure.direction
    if not found:
        raise KwsError("sweeper.objectives must name at least one measure: write sweeper.objectives=[accuracy]")
    return found


def minimizes(objectives: Objectives) -> bool:
    """Whether there is one objective, of which less is better."""
    return list(objectives.values()) == [MINIMIZE]


def reported(accuracy: float, objectives: Objectives) -> float:
    """Return what tells the pruner of a validation pass, or the accuracy again of that; it is its own inverse.

    Optuna's pruners take a report for an early value of the only objective, so where less is better they are given what
    the accuracy lacks of 1.
    """
    return 1 - accuracy if minimizes(objectives) else accuracy


def limits(written: Mapping[str, Any]) -> list[Limit]:
    """Read ``{flash_kb: 32, accuracy: ">= 0.9"}``; a bare number is the highest value, of an accuracy the lowest.

    Raises:
        KwsError: no run reports the measure, or the bound is no number.
    """
    found = []
    for name, value in written.items():
        if value is None:
            continue
        measure = _known("sweeper.constraints", name)
        read = re.fullmatch(r"\s*(<=|>=|)\s*([-+.0-9e]+)\s*", str(value))
        try:
            bound = float(read[2]) if read else None
        except ValueError:
            bound = None
        if read is None or bound is None:
            raise KwsError(
                f"sweeper.constraints.{name} must be a number, '<= NUMBER' or '>= NUMBER', but is '{value}': "
                f"write sweeper.constraints.{name}={_example(name)}"
            )
        _check_bound(name, bound)
        found.append(Limit(name, read[1] == ">=" or (not read[1] and measure.direction == MAXIMIZE), bound))
    return found


def _check_bound(name: str, bound: float) -> None:
    """Refuse a bound that no value, or every value, of the measure keeps."""
    if name in SHARES and not 0 <= bound <= 1:
        near = bound / 100 if 1 < bound <= 100 else _example(name)
        raise KwsError(
            f"sweeper.constraints.{name} is a share from 0 to 1, but is {bound:g}: write "
            f"sweeper.constraints.{name}={near:g}"
        )
    if MEASURES[name].known_by == FOOTPRINT and not 0 <= bound < inf:
        raise KwsError(
            f"sweeper.constraints.{name} must be a number of 0 or more, but is {bound:g}: write "
            f"sweeper.constraints.{name}={_example(name)}"
        )


def _example(name: str) -> float:
    return EXAMPLES.get(name, 0.9 if name in SHARES else 32)


def shown(written: Sequence[str]) -> tuple[str, ...]:
    """Read measures that are shown without being aimed at.

    Raises:
        KwsError: no run reports one of them.
    """
    for name in written:
        _known("sweeper.report", name)
    return tuple(written)


def needed(named: Sequence[str]) -> set[str]:
    """Return the stages that the named measures are known by."""
    return {MEASURES[name].known_by for name in named}


def _known(setting: str, name: str) -> Measure:
    if name not in MEASURES:
        raise KwsError(f"{setting}: no run reports '{name}'{nearest(name, MEASURES)}: there are {', '.join(MEASURES)}")
    return MEASURES[name]
