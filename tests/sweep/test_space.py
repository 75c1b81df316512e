"""Points of a space: the command lines that they stand for, read back by Hydra; baselines."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

import optuna
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import assume, given
from hypothesis import strategies as st

from kws_exp.errors import KwsError
from kws_exp.sweep.space import Choices, Numbers, Parameter, Space, describe, text, typed
from kws_exp.sweep.study import suggest
from kws_exp.sweep.syntax import read

optuna.logging.set_verbosity(optuna.logging.ERROR)
WORDS = st.sampled_from(["tiny_conv", "ds_cnn", "[yes,no]", "'a b'", "null", "true", "'é'", "a/b.c", "1e", "-x"])
NUMBERS = st.integers(-1000, 1000) | st.floats(-1e6, 1e6).map(lambda x: x + 0.0)
CHOICES = st.lists(WORDS | NUMBERS.map(str), min_size=1, max_size=4, unique_by=typed).map(",".join)
RANGES = st.builds(
    lambda low, count, step: f"range({low},{low + count * step},{step})",
    st.integers(-50, 50),
    st.integers(1, 5),
    st.integers(1, 20),
) | st.builds(
    lambda low, count, step: f"range({low / 10},{(low + count * step) / 10 - 0.01:.2f},{step / 10})",
    st.integers(-50, 50),
    st.integers(1, 5),
    st.integers(1, 20),
)
INTERVALS = st.builds(
    lambda shape, low, width: shape.format(low, low + width),
    st.sampled_from(["interval({},{})", "int(interval({},{}))", "tag(log, interval({},{}))"]),
    st.integers(1, 50),
    st.integers(1, 1000),
)


@st.composite
def written(draw: st.DrawFn, depth: int = 0, below: str = "") -> dict[str, Any]:
    """A space in Hydra's syntax, with lists and blocks below the choices."""
    names = draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=3, unique=True))
    found: dict[str, Any] = {}
    for name in names:
        key = name + below  # of blocks that can hold at once each has its own
        values = CHOICES | RANGES | INTERVALS
        found[key] = draw(values | st.lists(values | st.just("7"), min_size=1, max_size=3))
        if depth < 2 and isinstance(found[key], str) and found[key].startswith("range") and draw(st.booleans()):
            first, last = _ends(found[key])
            found[f"{key}={first}"] = draw(written(depth + 1, key))
            if first != last:
                found[f"{key}={last}"] = draw(written(depth + 1, key))
    return found


def _ends(written_range: str) -> tuple[str, str]:
    values = [*read({"x": written_range}, (), (), lambda setting: False).parameters[0].domain]
    return text(values[0]), text(values[-1])


def parsed_back(space: Space, point: Mapping[str, Any]) -> dict[str, Any]:
    """Settings and values as Hydra reads the command line of a point; a setting given twice is a mistake."""
    lines = space.overrides(point)
    found = {item.key_or_group: item.value() for item in OverridesParser.create().parse_overrides(lines)}
    assert len(found) == len(lines), lines
    return found


def assert_same(space: Space, point: Mapping[str, Any]) -> None:
    back = parsed_back(space, point)
    elements = {name: (setting, i) for setting, names in space.lists for i, name in enumerate(names)}
    for parameter in space.parameters:
        if parameter.exists(point):
            value = point[parameter.name]
            assert value in parameter.domain, (parameter, value)
            setting, index = elements.get(parameter.name, (parameter.setting, None))
            read_back = back[setting] if index is None else back[setting][index]
            expected = OverridesParser.create().parse_override(f"x={text(value)}").value()
            assert read_back == expected and type(read_back) is type(expected)
            if not isinstance(value, str):
                assert read_back == value
        else:
            assert parameter.name not in point
    assert set(back) == {p.setting for p in space.parameters if p.name in point}


@given(written())
def test_overrides_are_what_hydra_reads_back(space_text: dict[str, Any]) -> None:
    try:
        space = read(space_text, (), (), lambda setting: setting.startswith("f"))
    except KwsError as error:  # two blocks that may both hold
        assume("varied twice" not in str(error))
        raise
    assert json.loads(json.dumps(space.to_json())) == space.to_json()
    for point in space.samples():
        assert_same(space, point)
    sampled = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(3):
        assert_same(space, suggest(sampled.ask(), space).params)
    if all(p.domain.count is not None for p in space.parameters) and space.size() < 200:
        assert space.size() == sum(1 for _ in space.every())
        points = [*islice(space.every(), 5)]
        assert len({json.dumps(point) for point in points}) == len(points)
        for point in points:
            assert_same(space, point)


SPACE = Space(
    (
        Parameter("model", "model", Choices(("tiny_conv", "ds_cnn"))),
        Parameter("filters (tiny_conv)", "filters", Numbers(4, 12, 4, whole=True), {"model": ("tiny_conv",)}),
        Parameter("filters (ds_cnn)", "filters", Numbers(16, 64, whole=True), {"model": ("ds_cnn",)}),
        Parameter("rate", "rate", Numbers(1e-4, 1e-2, log=True)),
        Parameter("mask", "mask", Choices(("null", 0.5, True))),
    ),
    (("rate", ("rate",)),),
)


def test_samples_have_every_choice_and_both_ends() -> None:
    points = list(SPACE.samples())
    seen = {name: {text(point[name]) for point in points if name in point} for name in points[0] | points[1]}
    assert seen["model"] == {"tiny_conv", "ds_cnn"}
    assert seen["rate"] == {"0.0001", "0.01"}
    assert seen["mask"] == {"null", "0.5", "true"}
    assert {p.name: len(seen[p.name]) for p in SPACE.parameters if "filters" in p.name} == {
        "filters (tiny_conv)": 2,
        "filters (ds_cnn)": 2,
    }


def test_every_point_of_a_grid_of_tenths_is_written_in_tenths() -> None:
    space = read({"x": "range(0.1,1,0.1)"}, (), (), lambda setting: False)
    assert [space.overrides(point)[0] for point in space.every()] == [f"x=0.{i}" for i in range(1, 10)]


def test_an_interval_has_no_grid() -> None:
    with pytest.raises(KwsError, match=r"rate is an interval: write rate=range\(FROM,TO,STEP\)"):
        list(SPACE.every())
    with pytest.raises(KwsError, match="a grid needs values that can be counted"):
        SPACE.size()


def test_a_space_of_trillions_is_counted_and_begun() -> None:
    written = {"x": "range(0,1000000000)", "y": "range(0,1,0.001)", "x=5": {"z": "range(1,11)"}}
    space = read(written, (), (), lambda setting: False)
    assert space.size() == (10**9 - 1) * 1000 + 1000 * 10
    assert next(space.every()) == {"x": 0, "y": 0.0}


@pytest.mark.parametrize(
    ("baseline", "point"),
    [
        ({}, {}),
        ({"model": "ds_cnn"}, {"model": "ds_cnn"}),
        ({"filters": 8, "model": "tiny_conv"}, {"model": "tiny_conv", "filters (tiny_conv)": 8}),
        ({"model": "ds_cnn", "filters (ds_cnn)": 17}, {"model": "ds_cnn", "filters (ds_cnn)": 17}),
        ({"rate": "1e-3", "mask": None}, {"rate": 0.001, "mask": "null"}),
        ({"mask": True}, {"mask": True}),
    ],
)
def test_baselines(baseline: Mapping[str, Any], point: Mapping[str, Any]) -> None:
    assert SPACE.point(baseline) == point


@pytest.mark.parametrize(
    ("baseline", "sentence"),
    [
        ({"modle": "ds_cnn"}, "'modle' is not varied .did you mean 'model'.*: the space has model"),
        ({"model": "conv"}, "model=conv is not in the space: model is one of tiny_conv, ds_cnn"),
        ({"rate": 1}, "rate=1 is not in the space: rate lies between 0.0001 and 0.01"),
        ({"rate": True}, "rate=true is not in the space"),
        ({"model": "ds_cnn", "filters": 16.5}, "filters=16.5 is not in the space: filters lies between 16 and 64"),
        ({"model": "tiny_conv", "filters": 6}, "filters=6 is not in the space: .* between 4 and 12, in steps of 4"),
        ({"model": "tiny_conv", "filters": 32}, "filters=32 is not in the space"),
        ({"model": "tiny_conv", "filters (ds_cnn)": 32}, r"filters \(ds_cnn\) is not varied with model=tiny_conv"),
        ({"filters": 32}, "filters is not varied with what it leaves open: leave it out"),
    ],
)
def test_a_baseline_outside_the_space(baseline: Mapping[str, Any], sentence: str) -> None:
    with pytest.raises(KwsError) as caught:
        SPACE.point(baseline)
    assert re.search(sentence, str(caught.value)), caught.value


@pytest.mark.parametrize(
    ("domain", "inside", "outside"),
    [
        (Numbers(4, 12, 4, whole=True), (4, 8, 12, 8.0), (6, 16, 0, "8", True)),
        (Numbers(0.1, 0.4, 0.1), (0.1, 0.2, 0.1 + 2 * 0.1, 0.3), (0.15, 0.5)),
        (Numbers(1, 8, whole=True), (1, 8), (1.5, 9)),
        (Numbers(1, 8), (1, 1.5), (0.99,)),
    ],
)
def test_a_number_is_in_its_range(domain: Numbers, inside: tuple[Any, ...], outside: tuple[Any, ...]) -> None:
    assert all(value in domain for value in inside)
    assert not any(value in domain for value in outside)


def test_descriptions() -> None:
    assert describe(Parameter("x", "x", Choices(("a", True, 0.1)))) == "x is one of a, true, 0.1"
