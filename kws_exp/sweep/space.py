"""The search space: which settings a sweep varies, written as Hydra writes sweeps.

    model: tiny_conv,ds_cnn                                  choices
    train.batch_size: range(50,201,50)                       from, to (left out), step
    augment.gain_db: interval(0,15)                          real numbers; int(interval(1,8)) whole ones
    optimizer.weight_decay: tag(log, interval(1e-5,1e-2))    on a logarithmic scale
    optimizer.learning_rate: ["interval(1e-3,1e-1)", 0.001]  a list, of which the first element varies
    model=ds_cnn:                                            settings that exist for one choice alone
      model.filters: range(16,97,16)

On the command line the same without the colon: ``model=tiny_conv,ds_cnn``. A setting that the command line fixes
is not varied. The surprising fact: a parameter of the study has the setting's name, except where a setting is
varied in two ways (``model.filters (ds_cnn)``) or in parts (``optimizer.learning_rate[0]``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException

from kws_exp.errors import KwsError, nearest

Value = str | int | float | bool  # a string is text in Hydra's syntax: ds_cnn, [0.1,0.01]
Values = Mapping[str, Value]  # parameter -> value


@dataclass(frozen=True)
class Choices:
    """One of several values."""

    values: tuple[Value, ...]

    def __contains__(self, value: object) -> bool:
        return value in self.values


@dataclass(frozen=True)
class Numbers:
    """A number between two, both included."""

    low: float
    high: float
    step: float | None = None  # None: any number
    log: bool = False
    whole: bool = False

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high

    @property
    def values(self) -> tuple[Value, ...] | None:
        """All values; None where they cannot be counted."""
        if self.step is None:
            return None
        count = round((self.high - self.low) / self.step) + 1
        return tuple(int(self.low + i * self.step) if self.whole else self.low + i * self.step for i in range(count))


@dataclass(frozen=True)
class Parameter:
    """One dimension of the space."""

    name: str  # in the study
    setting: str
    domain: Choices | Numbers
    condition: Mapping[str, tuple[Value, ...]] = field(
        default_factory=dict
    )  # parameter -> values under which it exists

    def exists(self, values: Values) -> bool:
        """Whether the values chosen so far call for this parameter."""
        return all(values.get(name) in wanted for name, wanted in self.condition.items())


@dataclass(frozen=True)
class Space:
    """What a sweep varies; parameters come after those that they depend on."""

    parameters: tuple[Parameter, ...]
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # setting -> its elements: parameters or texts

    def overrides(self, values: Values) -> list[str]:
        """Return the command line that a trial stands for."""
        elements = {name for names in self.lists.values() for name in names}
        found = [
            f"{p.setting}={text(values[p.name])}"
            for p in self.parameters
            if p.name in values and p.name not in elements
        ]
        for setting, names in self.lists.items():
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

    def _from(self, chosen: dict[str, Value], rest: Sequence[Parameter]) -> Iterator[dict[str, Value]]:
        if not rest:
            yield dict(chosen)
            return
        parameter, *others = rest
        if not parameter.exists(chosen):
            yield from self._from(chosen, others)
            return
        if parameter.domain.values is None:
            raise KwsError(
                f"a grid needs values that can be counted, but {parameter.setting} is an interval: write "
                f"{parameter.setting}=range(FROM,TO,STEP) or choices, or take another sweeper.sampler"
            )
        for value in parameter.domain.values:
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
            known = [parameter.setting for parameter in self.parameters]
            raise KwsError(
                f"sweeper.baselines: '{name}' is not varied{nearest(name, known)}: the space has {', '.join(known)}"
            )
        return chosen

    def to_json(self) -> Any:
        """Return the space as plain values, to be compared with another."""
        return {
            "parameters": [_plain(p) for p in self.parameters],
            "lists": {k: list(v) for k, v in self.lists.items()},
        }


def read(
    written: Mapping[str, Any], swept: Sequence[str], fixed: Sequence[str], is_list: Callable[[str], bool]
) -> Space:
    """Read the space of a sweep.

    Args:
        written: ``sweeper.space``.
        swept: The overrides of the command line that vary a setting; they replace what is written of it.
        fixed: The other overrides; what they set is not varied.
        is_list: Whether a setting holds a list; a plain number is then its only element.

    Raises:
        KwsError: Something is not Hydra's syntax, an interval is empty, or nothing is varied.
    """
    pinned = dict(item.lstrip("+").partition("=")[::2] for item in fixed)
    given = dict(item.partition("=")[::2] for item in swept)
    parameters, lists = _block({**written, **given}, pinned, {})
    if not parameters:
        raise KwsError(
            "a sweep varies at least one setting, but the command line fixes all: leave one out, or give "
            "sweeper.space, as in model=tiny_conv,ds_cnn"
        )
    named = tuple(_distinct(parameters))
    bare = {p.name: p.setting for p in named if p.setting not in lists and is_list(p.setting) and not _brackets(p)}
    return Space(named, {**lists, **{setting: (name,) for name, setting in bare.items()}})


def text(value: Value) -> str:
    """Write a value as on Hydra's command line."""
    return str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, float) else str(value)


def describe(parameter: Parameter) -> str:
    """Return the values of a parameter in words."""
    domain = parameter.domain
    if isinstance(domain, Choices):
        return f"{parameter.setting} is one of {', '.join(map(text, domain.values))}"
    return f"{parameter.setting} lies between {domain.low:g} and {domain.high:g}"


def _block(
    written: Mapping[str, Any], pinned: Mapping[str, str], condition: Mapping[str, tuple[Value, ...]]
) -> tuple[list[Parameter], dict[str, tuple[str, ...]]]:
    parameters: list[Parameter] = []
    lists: dict[str, tuple[str, ...]] = {}
    blocks = {key: value for key, value in written.items() if isinstance(value, Mapping)}
    for setting, value in written.items():
        if setting in blocks or setting in pinned:
            continue
        if isinstance(value, list):
            elements = [_element(setting, i, item) for i, item in enumerate(value)]
            parameters += [replace(p, condition=condition) for p in elements if isinstance(p, Parameter)]
            lists[setting] = tuple(p.name if isinstance(p, Parameter) else p for p in elements)
        else:
            parameters.append(Parameter(setting, setting, _domain(setting, str(value)), condition))
    for key, block in blocks.items():
        name, _, chosen = key.partition("=")
        wanted = tuple(typed(value) for value in chosen.split(","))
        if name in pinned:
            if typed(pinned[name]) in wanted:
                inner = _block(block, pinned, condition)
                parameters, lists = parameters + inner[0], lists | inner[1]
            continue
        _check_condition(key, name, wanted, parameters)
        inner = _block(block, pinned, {**condition, name: wanted})
        parameters, lists = parameters + inner[0], lists | inner[1]
    return parameters, lists


def _check_condition(key: str, name: str, wanted: tuple[Value, ...], known: Sequence[Parameter]) -> None:
    parameter = next((p for p in known if p.name == name), None)
    if parameter is None:
        names = [p.name for p in known]
        raise KwsError(
            f"sweeper.space: '{key}' depends on {name or key}, which is not varied{nearest(name, names)}: "
            f"write it as SETTING=VALUE of one of {', '.join(names)}"
        )
    wrong = [value for value in wanted if value not in parameter.domain]
    if wrong:
        raise KwsError(f"sweeper.space: '{key}' can never be, for {describe(parameter)}")


def _element(setting: str, index: int, written: Any) -> Parameter | str:
    """Return the parameter of a list's element, or its text if it does not vary."""
    parsed = _parse(setting, str(written))
    if not parsed.is_sweep_override():
        return str(written)
    name = f"{setting}[{index}]"
    return Parameter(name, setting, _domain(name, str(written)))


def _domain(setting: str, written: str) -> Choices | Numbers:
    parsed = _parse(setting, written)
    value = parsed.value()
    if isinstance(value, RangeSweep):
        found = [*parsed.sweep_iterator()]
        if not found:
            raise _empty(setting, written)
        whole = all(isinstance(item, int) for item in found)
        log = "log" in value.tags
        low, high = float(found[0]), float(found[-1])
        return Numbers(min(low, high), max(low, high), None if log and not whole else abs(value.step), log, whole)
    if isinstance(value, IntervalSweep):
        low, high = value.start, value.end
        if low is None or high is None or not low < high or ("log" in value.tags and low <= 0):
            raise _empty(setting, written)
        return Numbers(
            float(low), float(high), None, "log" in value.tags, isinstance(low, int) and isinstance(high, int)
        )
    if parsed.is_sweep_override():
        texts = list(parsed.sweep_string_iterator())
    else:
        texts = [Override._get_value_element_as_str(parsed._value)]
    values = tuple(typed(item) for item in texts)
    repeated = [item for item, count in Counter(map(text, values)).items() if count > 1]
    if repeated:
        raise KwsError(f"sweeper.space: {setting} must not name {repeated[0]} twice: remove one")
    return Choices(values)


def _brackets(parameter: Parameter) -> bool:
    """Whether the values are lists themselves."""
    domain = parameter.domain
    return isinstance(domain, Choices) and str(domain.values[0]).startswith("[")


def _empty(setting: str, written: str) -> KwsError:
    return KwsError(
        f"sweeper.space: {setting}={written} is empty: give the lower end first, as in interval(0.001,0.1), "
        "range(1,9,2) or, above 0 only, tag(log, interval(0.001,0.1))"
    )


def _parse(setting: str, written: str) -> Override:
    try:
        return OverridesParser.create().parse_override(f"x={written}")
    except HydraException as error:
        raise KwsError(
            f"sweeper.space: cannot read {setting}={written}: write choices as a,b, numbers as range(1,9,2) or "
            "interval(0.001,0.1)"
        ) from error


def typed(value: Any) -> Value:
    """Return a number or truth value as itself, anything else as Hydra's text."""
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, list):
        return f"[{','.join(text(typed(item)) for item in value)}]"
    found = _parse("value", str(value)).value()
    return found if isinstance(found, bool | int | float) else str(value)


def _ends(domain: Choices | Numbers) -> tuple[Value, ...]:
    """Return every choice, or both ends."""
    if isinstance(domain, Choices):
        return domain.values
    return (int(domain.low), int(domain.high)) if domain.whole else (domain.low, domain.high)


def _first(condition: Mapping[str, tuple[Value, ...]]) -> dict[str, Value]:
    return {name: wanted[0] for name, wanted in condition.items()}


def _distinct(parameters: Sequence[Parameter]) -> Iterator[Parameter]:
    """Name parameters apart that vary one setting under several conditions."""
    counts = Counter(parameter.name for parameter in parameters)
    for parameter in parameters:
        if counts[parameter.name] == 1:
            yield parameter
        else:
            when = ", ".join(text(value) for wanted in parameter.condition.values() for value in wanted)
            yield replace(parameter, name=f"{parameter.name} ({when})")


def _plain(parameter: Parameter) -> dict[str, Any]:
    domain = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(parameter.domain).items()}
    condition = {name: list(values) for name, values in parameter.condition.items()}
    return {"name": parameter.name, "domain": domain, "condition": condition}
