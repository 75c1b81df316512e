"""The search space: which settings a sweep varies, and which command line each of its points stands for.

The surprising fact: a parameter of the study has the setting's name, except where a setting is varied in two ways
(``model.filters (ds_cnn)``) or in parts (``optimizer.learning_rate[0]``); :mod:`kws_exp.sweep.syntax` names them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from kws_exp.errors import KwsError, nearest

Value = str | int | float | bool  # a string is text in Hydra's syntax: ds_cnn, [0.1,0.01]
Values = Mapping[str, Value]  # parameter -> value
Condition = Mapping[str, tuple[Value, ...]]  # parameter -> values under which another exists
List = tuple[str, tuple[str, ...]]  # setting -> its elements: parameters or texts


@dataclass(frozen=True)
class Choices:
    """One of several values."""

    values: tuple[Value, ...]

    def __contains__(self, value: object) -> bool:
        return value in self.values

    def __iter__(self) -> Iterator[Value]:
        return iter(self.values)

    @property
    def count(self) -> int:
        """How many they are."""
        return len(self.values)


@dataclass(frozen=True)
class Numbers:
    """A number between two, both included."""

    low: float
    high: float
    step: float | None = None  # None: any number
    log: bool = False
    whole: bool = False

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, int | float) or isinstance(value, bool) or not self.low <= value <= self.high:
            return False
        steps = (value - self.low) / (self.step or 1)
        return (self.step is None and not self.whole) or abs(steps - round(steps)) < 1e-8  # as Optuna tells

    def __iter__(self) -> Iterator[Value]:
        for index in range(self.count or 0):
            value = self.low + index * (self.step or 1)
            yield int(value) if self.whole else rounded(value)

    @property
    def count(self) -> int | None:
        """How many values there are; None where they cannot be counted."""
        return None if self.step is None else round((self.high - self.low) / self.step) + 1


@dataclass(frozen=True)
class Parameter:
    """One dimension of the space."""

    name: str  # in the study
    setting: str
    domain: Choices | Numbers
    condition: Condition = field(default_factory=dict)

    def exists(self, values: Values) -> bool:
        """Whether the values chosen so far call for this parameter."""
        return all(values.get(name) in wanted for name, wanted in self.condition.items())


@dataclass(frozen=True)
class Space:
    """What a sweep varies; parameters come after those that they depend on."""

    parameters: tuple[Parameter, ...]
    lists: tuple[List, ...] = ()  # a setting comes several times where its conditions differ

    def overrides(self, values: Values) -> list[str]:
        """Return the command line that a trial stands for."""
        elements = {name for _, names in self.lists for name in names}
        found = [
            f"{p.setting}={text(values[p.name])}"
            for p in self.parameters
            if p.name in values and p.name not in elements
        ]
        for setting, names in self.lists:
            if any(name in values for name in names):
                inner = ",".join(text(values[name]) if name in values else name for name in names)
                found.append(f"{setting}=[{inner}]")
        return found

    def every(self) -> Iterator[dict[str, Value]]:
        """Yield every point of the space.

        Raises:
            KwsError: a parameter has no countable values.
        """
        yield from self._from({}, self.parameters)

    def size(self) -> int:
        """Return how many points there are, without making them.

        Raises:
            KwsError: a parameter has no countable values.
        """
        return self._size({}, self.parameters)

    def _size(self, chosen: dict[str, Value], rest: Sequence[Parameter]) -> int:
        if not rest:
            return 1
        parameter, *others = rest
        if not parameter.exists(chosen):
            return self._size(chosen, others)
        decisive = {value for other in others for value in other.condition.get(parameter.name, ())}
        found = sum(self._size({**chosen, parameter.name: value}, others) for value in decisive)
        alike = _count(parameter) - len(decisive)
        return found + alike * self._size(chosen, others) if alike else found

    def _from(self, chosen: dict[str, Value], rest: Sequence[Parameter]) -> Iterator[dict[str, Value]]:
        if not rest:
            yield dict(chosen)
            return
        parameter, *others = rest
        if not parameter.exists(chosen):
            yield from self._from(chosen, others)
            return
        _count(parameter)
        for value in parameter.domain:
            yield from self._from({**chosen, parameter.name: value}, others)

    def samples(self) -> Iterator[dict[str, Value]]:
        """Yield points that together have every choice and both ends of every number: for checking the space."""
        seen: list[dict[str, Value]] = []
        for parameter in self.parameters:
            for value in _ends(parameter.domain):
                point = self._completed({**_first(parameter.condition), parameter.name: value})
                if point not in seen:
                    seen.append(point)
                    yield point

    def _completed(self, given: dict[str, Value]) -> dict[str, Value]:
        chosen: dict[str, Value] = {}
        for parameter in self.parameters:
            if parameter.exists(chosen):
                chosen[parameter.name] = given.get(parameter.name, _ends(parameter.domain)[0])
        return chosen

    def point(self, settings: Mapping[str, Any]) -> dict[str, Value]:
        """Return the parameters of a baseline, given by settings.

        Raises:
            KwsError: it names a setting that is not varied, or a value outside its range.
        """
        chosen: dict[str, Value] = {}
        left = {name: typed(value) for name, value in settings.items()}
        for parameter in self.parameters:
            name = parameter.name if parameter.name in left else parameter.setting
            if not parameter.exists(chosen) or name not in left:
                continue
            chosen[parameter.name] = value = left.pop(name)
            if value not in parameter.domain:
                raise KwsError(f"sweeper.baselines: {name}={text(value)} is not in the space: {describe(parameter)}")
        if left:
            name = next(iter(left))
            known = list(dict.fromkeys(parameter.setting for parameter in self.parameters))
            if any(name in (parameter.name, parameter.setting) for parameter in self.parameters):
                others = " ".join(self.overrides(chosen)) or "what it leaves open"
                raise KwsError(f"sweeper.baselines: {name} is not varied with {others}: leave it out of this baseline")
            raise KwsError(
                f"sweeper.baselines: '{name}' is not varied{nearest(name, known)}: the space has {', '.join(known)}"
            )
        return chosen

    def to_json(self) -> Any:
        """Return the space as plain values, to be compared with another."""
        return {
            "parameters": [_plain(p) for p in self.parameters],
            "lists": [[setting, list(names)] for setting, names in self.lists],
        }


def rounded(number: float) -> float:
    """Return 0.3 for the 0.30000000000000004 that steps of 0.1 add up to, which Optuna would not take."""
    return float(f"{number:.12g}")


def text(value: Value) -> str:
    """Write a value as on Hydra's command line."""
    return str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, float) else str(value)


def describe(parameter: Parameter) -> str:
    """Return the values of a parameter in words."""
    domain = parameter.domain
    if isinstance(domain, Choices):
        return f"{parameter.setting} is one of {', '.join(map(text, domain.values))}"
    steps = f", in steps of {domain.step:g}" if domain.step and domain.step != 1 else ""
    return f"{parameter.setting} lies between {domain.low:g} and {domain.high:g}{steps}"


def parse(setting: str, written: str) -> Override:
    """Parse what is written of a setting as Hydra does.

    Raises:
        KwsError: it is not Hydra's syntax.
    """
    hydra = GlobalHydra.instance()
    loader = hydra.config_loader() if hydra.is_initialized() else None
    key = setting if "glob(" in written else "x"  # glob(*conv) stands for choices of a group
    try:
        return OverridesParser.create(loader).parse_overrides([f"{key}={written}"])[0]
    except HydraException as error:
        raise KwsError(
            f"sweeper.space: cannot read {setting}={written}: write choices as a,b, numbers as range(1,9,2) or "
            "interval(0.001,0.1)"
        ) from error


def typed(value: Any) -> Value:
    """Return a number or truth value as itself, anything else as Hydra's text."""
    if isinstance(value, bool | int | float):
        return value
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"[{','.join(text(typed(item)) for item in value)}]"
    found = parse("value", str(value)).value()
    return found if isinstance(found, bool | int | float) else str(value)


def _count(parameter: Parameter) -> int:
    if parameter.domain.count is None:
        raise KwsError(
            f"a grid needs values that can be counted, but {parameter.setting} is an interval: write "
            f"{parameter.setting}=range(FROM,TO,STEP) or choices, or take another sweeper.sampler"
        )
    return parameter.domain.count


def _ends(domain: Choices | Numbers) -> tuple[Value, ...]:
    """Return every choice, or both ends."""
    if isinstance(domain, Choices):
        return domain.values
    return (int(domain.low), int(domain.high)) if domain.whole else (domain.low, domain.high)


def _first(condition: Condition) -> dict[str, Value]:
    return {name: wanted[0] for name, wanted in condition.items()}


def _plain(parameter: Parameter) -> dict[str, Any]:
    domain = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(parameter.domain).items()}
    condition = {name: list(values) for name, values in parameter.condition.items()}
    return {"name": parameter.name, "domain": domain, "condition": condition}
