"""The search space as it is written: as Hydra writes sweeps.

    model: tiny_conv,ds_cnn                                  choices
    model: glob(*conv)                                       all of a group whose names fit
    train.batch_size: range(50,201,50)                       from, to (left out), step
    augment.gain_db: interval(0,15)                          real numbers; int(interval(1,8)) whole ones
    optimizer.weight_decay: tag(log, interval(1e-5,1e-2))    on a logarithmic scale
    optimizer.learning_rate: ["interval(1e-3,1e-1)", 0.001]  a list, of which the first element varies
    model=ds_cnn:                                            settings that exist for one choice alone
      model.filters: range(16,97,16)

On the command line the same without the colon: ``model=tiny_conv,ds_cnn``. The surprising fact: a setting that the
command line fixes is not varied, and blocks of what it rules out are left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from math import ceil, isfinite
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from kws_exp.errors import KwsError, nearest
from kws_exp.sweep.space import (
    Choices,
    Condition,
    List,
    Numbers,
    Parameter,
    Space,
    describe,
    parse,
    rounded,
    text,
    typed,
)

OF_THE_SWEEP = ("sweeper", "sweeps", "output_dir", "name", "verbosity", "resume", "tracking", "tags", "hydra")


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
    reader = _Reader(pinned, frozenset(given))
    parameters, lists = reader.block(given, {}, ())
    inner = reader.block({key: value for key, value in written.items() if key not in given}, {}, parameters)
    _check_own([*parameters, *inner[0]])
    parameters, lists = _named(_checked([*parameters, *inner[0]]), [*lists, *inner[1]])
    if not parameters:
        raise KwsError(
            "a sweep varies at least one setting, but the command line fixes all: leave one out, or give "
            "sweeper.space, as in model=tiny_conv,ds_cnn"
        )
    elements = {name for _, names in lists for name in names}
    bare = [p for p in parameters if p.name not in elements and is_list(p.setting) and not _brackets(p)]
    return Space(tuple(parameters), (*lists, *((p.setting, (p.name,)) for p in bare)))


@dataclass(frozen=True)
class _Reader:
    """Reads the space block by block; a parameter is named with its conditions until all are known."""

    pinned: Mapping[str, str]
    given: frozenset[str]  # varied by the command line, which replaces what is written

    def block(
        self, written: Mapping[str, Any], condition: Condition, outer: Sequence[Parameter]
    ) -> tuple[list[Parameter], list[List]]:
        parameters: list[Parameter] = []
        lists: list[List] = []
        blocks = {key: value for key, value in written.items() if isinstance(value, Mapping)}
        for setting, value in written.items():
            if setting in blocks or setting in self.pinned or (outer and setting in self.given):
                continue
            if not setting or "=" in setting:
                raise KwsError(
                    f"sweeper.space: '{setting}' must hold settings with their values, but holds {value!r}: write them "
                    "below it, as in model=ds_cnn: {model.filters: range(16,97,16)}"
                )
            elements = _elements(setting, value) if isinstance(value, list) else ()
            varied = [p for p in elements if isinstance(p, Parameter)]
            if not varied:
                varied = [Parameter(setting, setting, _domain(setting, _written(value)))]
            parameters += [replace(p, name=p.name + _when(condition), condition=condition) for p in varied]
            if any(isinstance(p, Parameter) for p in elements):
                lists.append((setting, tuple(_element_name(p, condition) for p in elements)))
        for key, inner in blocks.items():
            when = self._condition(key, condition, [*outer, *parameters])
            if when is not None:
                found = self.block(inner, when, [*outer, *parameters])
                parameters, lists = parameters + found[0], lists + found[1]
        return parameters, lists

    def _condition(self, key: str, condition: Condition, known: Sequence[Parameter]) -> Condition | None:
        """Return when a block holds; None if the command line rules that out."""
        name, _, chosen = key.partition("=")
        wanted = tuple(typed(value) for value in chosen.split(","))
        if name in self.pinned:
            return condition if typed(self.pinned[name]) in wanted else None
        parameter = _depended(key, name, condition, known)
        possible = tuple(value for value in wanted if value in parameter.domain)
        if name in self.given:
            return {**condition, parameter.name: possible} if possible else None
        if possible != wanted:
            raise KwsError(f"sweeper.space: '{key}' can never be, for {describe(parameter)}")
        return {**condition, parameter.name: wanted}


def _depended(key: str, name: str, condition: Condition, known: Sequence[Parameter]) -> Parameter:
    """Return the parameter that a block depends on."""
    found = [
        p for p in known if p.name.removesuffix(_when(p.condition)) == name and _compatible(p.condition, condition)
    ]
    if not found:
        names = list(dict.fromkeys(p.setting for p in known))
        raise KwsError(
            f"sweeper.space: '{key}' depends on {name or key}, which is not varied{nearest(name, names)}: "
            + (f"write it as SETTING=VALUE of one of {', '.join(names)}" if names else "vary that too")
        )
    if len(found) > 1:
        raise KwsError(f"sweeper.space: '{key}' depends on {name}, which is varied in two ways: write it below each")
    return found[0]


def _compatible(one: Condition, other: Condition) -> bool:
    """Whether both conditions can hold at once."""
    return all(set(one[name]) & set(other[name]) for name in one.keys() & other.keys())


def _check_own(parameters: Sequence[Parameter]) -> None:
    """Refuse what all trials have in common."""
    for setting in (parameter.setting for parameter in parameters):
        if re.split(r"[./@:]", setting.lstrip("+~"))[0] in OF_THE_SWEEP:
            raise KwsError(
                f"{setting} belongs to the sweep, not to a trial, and cannot be varied: give it one value on the "
                "command line, or leave it out"
            )


def _checked(parameters: Sequence[Parameter]) -> Sequence[Parameter]:
    """Refuse a setting that would be given twice in one trial."""
    for i, parameter in enumerate(parameters):
        for other in parameters[:i]:
            same_list = parameter.condition == other.condition and parameter.name != other.name
            if (
                parameter.setting == other.setting
                and not same_list
                and _compatible(parameter.condition, other.condition)
            ):
                raise KwsError(
                    f"sweeper.space: {parameter.setting} is varied twice in one trial: write it below conditions that "
                    "exclude each other, or once"
                )
    return parameters


def _when(condition: Condition) -> str:
    values = ", ".join(text(value) for wanted in condition.values() for value in wanted)
    return f" ({values})" if values else ""


def _elements(setting: str, written: Sequence[Any]) -> list[Parameter | str]:
    return [_element(setting, index, item) for index, item in enumerate(written)]


def _written(value: Any) -> str:
    """Return YAML's value as on the command line."""
    return value if isinstance(value, str) else text(typed(value))


def _element_name(element: Parameter | str, condition: Condition) -> str:
    return element.name + _when(condition) if isinstance(element, Parameter) else element


def _element(setting: str, index: int, written: Any) -> Parameter | str:
    """Return the parameter of a list's element, or its text if it does not vary."""
    parsed = parse(setting, _written(written))
    if not parsed.is_sweep_override():
        return _written(written)
    name = f"{setting}[{index}]"
    return Parameter(name, setting, _domain(name, _written(written)))


def _domain(setting: str, written: str) -> Choices | Numbers:
    parsed = parse(setting, written)
    value = parsed.value()
    if isinstance(value, RangeSweep):
        ends, log = _range_ends(value), "log" in value.tags
        if ends is None or (log and ends[0] <= 0):
            raise _empty(setting, written)
        low, high = ends
        whole = isinstance(low, int)
        if log and not (whole and abs(value.step) == 1):
            raise KwsError(
                f"sweeper.space: {setting}={written} has steps, which a logarithmic scale has not: write "
                f"tag(log, {'int(' if whole else ''}interval({low},{high}){')' if whole else ''})"
            )
        return Numbers(rounded(low), rounded(high), abs(value.step), log, whole)
    if isinstance(value, IntervalSweep):
        low, high = value.start, value.end
        if (
            low is None
            or high is None
            or not low < high
            or not isfinite(high - low)
            or ("log" in value.tags and low <= 0)
        ):
            raise _empty(setting, written)
        whole = isinstance(low, int) and isinstance(high, int)
        return Numbers(float(low), float(high), None, "log" in value.tags, whole)
    if parsed.is_sweep_override():
        texts = list(parsed.sweep_string_iterator())
        if getattr(value, "shuffle", False):
            texts.sort()  # or the same command would be another study each time
    else:
        texts = [Override._get_value_element_as_str(parsed._value)]
    values = tuple(typed(item) for item in texts)
    if not values:
        raise KwsError(f"sweeper.space: {setting}={written} fits none of its choices: write them as a,b")
    repeated = [text(value) for i, value in enumerate(values) if value in values[:i]]
    if repeated:
        raise KwsError(f"sweeper.space: {setting} must not name {repeated[0]} twice: remove one")
    return Choices(values)


def _range_ends(given: RangeSweep) -> tuple[int, int] | tuple[float, float] | None:
    """Return the lowest and the highest of the values, which may be billions; None if there is none."""
    if not given.step or not all(isfinite(number) for number in (given.start, given.stop, given.step)):
        return None
    found = given.range()
    if isinstance(found, range):
        return (min(found[0], found[-1]), max(found[0], found[-1])) if found else None
    start, stop, step = (Decimal(number) for number in (found.start, found.stop, found.step))
    steps = ceil((stop - start) / step) - 1
    first, last = sorted((float(start), float(start + steps * step)))
    return (first, last) if steps >= 0 else None


def _brackets(parameter: Parameter) -> bool:
    """Whether the values are lists themselves."""
    domain = parameter.domain
    return isinstance(domain, Choices) and str(domain.values[0]).startswith("[")


def _empty(setting: str, written: str) -> KwsError:
    return KwsError(
        f"sweeper.space: {setting}={written} is empty: give the lower end first, as in interval(0.001,0.1), "
        "range(1,9,2) or, above 0 only, tag(log, interval(0.001,0.1))"
    )


def _named(
    parameters: Sequence[Parameter], lists: Sequence[tuple[str, tuple[str, ...]]]
) -> tuple[list[Parameter], list[List]]:
    """Leave the conditions out of the names of parameters that are told apart without."""
    short = {p.name: p.name.removesuffix(_when(p.condition)) for p in parameters}
    counts = Counter(short.values())
    names = {name: name if counts[plain] > 1 else plain for name, plain in short.items()}
    renamed = [
        replace(p, name=names[p.name], condition={names[name]: wanted for name, wanted in p.condition.items()})
        for p in parameters
    ]
    return renamed, [(setting, tuple(names.get(item, item) for item in items)) for setting, items in lists]
