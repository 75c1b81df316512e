"""Hydra's sweep syntax: literal text in, domains, names and conditions out, or one sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from kws_exp.errors import KwsError
from kws_exp.sweep.space import Choices, Numbers, Space
from kws_exp.sweep.syntax import read

LISTS = ("train.steps", "optimizer.learning_rate", "words")


def space(written: Mapping[str, Any], swept: Sequence[str] = (), fixed: Sequence[str] = ()) -> Space:
    return read(written, swept, fixed, LISTS.__contains__)


def refused(written: Mapping[str, Any], swept: Sequence[str] = (), fixed: Sequence[str] = ()) -> str:
    with pytest.raises(KwsError) as caught:
        space(written, swept, fixed)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize(
    ("written", "domain"),
    [
        ("tiny_conv,ds_cnn", Choices(("tiny_conv", "ds_cnn"))),
        ("choice(tiny_conv,ds_cnn)", Choices(("tiny_conv", "ds_cnn"))),
        ("sort(c,a,b)", Choices(("a", "b", "c"))),
        ("2,2.5,true,null", Choices((2, 2.5, True, "null"))),
        ("'a b',\"c d\"", Choices(("'a b'", '"c d"'))),
        ("[yes,no],[yes,left]", Choices(("[yes,no]", "[yes,left]"))),
        ("3", Choices((3,))),
        (3, Choices((3,))),
        (0.25, Choices((0.25,))),
        (True, Choices((True,))),
        (None, Choices(("null",))),
        ([1, 2], Choices(("[1,2]",))),
        ([], Choices(("[]",))),
        ("range(50,201,50)", Numbers(50, 200, 50, whole=True)),
        ("range(4)", Numbers(0, 3, 1, whole=True)),
        ("range(0,1000000000)", Numbers(0, 999_999_999, 1, whole=True)),
        ("range(0,1e6,0.001)", Numbers(0, 999_999.999, 0.001)),
        ("range(0.5,0.1,-0.1)", Numbers(0.2, 0.5, 0.1)),
        ("range(5,1,-2)", Numbers(3, 5, 2, whole=True)),
        ("range(0.1,0.5,0.1)", Numbers(0.1, 0.4, 0.1)),
        ("float(range(1,5))", Numbers(1, 4, 1)),
        ("tag(log, range(1,65))", Numbers(1, 64, 1, log=True, whole=True)),
        ("interval(0,15)", Numbers(0, 15)),
        ("interval(0.5,1)", Numbers(0.5, 1)),
        ("int(interval(1,8))", Numbers(1, 8, whole=True)),
        ("tag(log, interval(1e-5,1e-2))", Numbers(1e-5, 1e-2, log=True)),
        ("tag(log, int(interval(1,64)))", Numbers(1, 64, log=True, whole=True)),
    ],
)
def test_domains(written: Any, domain: Choices | Numbers) -> None:
    (parameter,) = space({"x": written}).parameters
    assert parameter.domain == domain
    assert (parameter.name, parameter.setting, dict(parameter.condition)) == ("x", "x", {})


def test_the_order_of_a_shuffle_is_not_another_space() -> None:
    assert {space({"x": "shuffle(a,b,c,d,e)"}).parameters[0].domain for _ in range(20)} == {Choices(tuple("abcde"))}


@pytest.mark.parametrize("command_line", [True, False])
def test_glob_is_all_choices_of_a_group_that_fit(hydra_ready: None, command_line: bool) -> None:
    found = space({}, ["model=glob(*conv)"]) if command_line else space({"model": "glob(*conv)"})
    assert found.parameters[0].domain == Choices(("conv", "low_latency_conv", "tiny_conv", "tiny_embedding_conv"))
    assert "fits none" in refused({"model": "glob(resnet*)"})


@pytest.mark.parametrize(
    ("written", "overrides"),
    [
        ("interval(0.5,1)", "optimizer.learning_rate=[0.5]"),
        ("0.5,1", "optimizer.learning_rate=[0.5]"),
        ("[0.5,0.05],[1]", "optimizer.learning_rate=[0.5,0.05]"),
        (["interval(0.5,1)", 0.001], "optimizer.learning_rate=[0.5,0.001]"),
        ([0.1, "0.5,1", "0.25,0.3"], "optimizer.learning_rate=[0.1,0.5,0.25]"),
        ([0.1, 0.01], "optimizer.learning_rate=[0.1,0.01]"),
    ],
)
def test_settings_that_hold_lists(written: Any, overrides: str) -> None:
    found = space({"optimizer.learning_rate": written})
    assert found.overrides(next(found.samples())) == [overrides]


CONDITIONAL = {
    "model=tiny_conv": {"model.filters": "4,8"},  # before what it depends on
    "model": "tiny_conv,ds_cnn,conv,single_fc",
    "depth": "1,2",
    "model=ds_cnn,conv": {
        "model.filters": "16,32",
        "optimizer.learning_rate": "interval(0,1)",
        "model.filters=32": {"model.dropout": "interval(0,0.5)", "depth=2": {"train.batch_size": "50,100"}},
    },
    "model=single_fc": {"optimizer.learning_rate": ["interval(0,1)", 0.5], "seed": "a"},
}


def test_conditions() -> None:
    found = {p.name: dict(p.condition) for p in space(CONDITIONAL).parameters}
    wide = {"model": ("ds_cnn", "conv"), "model.filters (ds_cnn, conv)": (32,)}
    assert found == {
        "model": {},
        "depth": {},
        "model.filters (tiny_conv)": {"model": ("tiny_conv",)},
        "model.filters (ds_cnn, conv)": {"model": ("ds_cnn", "conv")},
        "optimizer.learning_rate": {"model": ("ds_cnn", "conv")},
        "model.dropout": wide,
        "train.batch_size": {**wide, "depth": (2,)},
        "optimizer.learning_rate[0]": {"model": ("single_fc",)},
        "seed": {"model": ("single_fc",)},
    }


def test_a_block_may_depend_on_what_another_block_varies() -> None:
    found = space({"m": "a,b", "m=a": {"f": "1,2"}, "f=1": {"g": "3,4"}})
    assert [sorted(point) for point in found.every()] == [["f", "g", "m"]] * 2 + [["f", "m"], ["m"]]


@pytest.mark.parametrize("written", ["1,2", "[1],[2]", ["1,2", 5]])
def test_a_list_under_two_conditions(written: Any) -> None:
    blocks = {"m=a": {"words": written}, "m=b": {"words": ["3,4", 6]}}
    found = space({"m": "a,b", **blocks})
    lists = [found.overrides(point)[1:] for point in found.every()]
    first = ["words=[1,5]", "words=[2,5]"] if isinstance(written, list) else ["words=[1]", "words=[2]"]
    assert lists == [[item] for item in [*first, "words=[3,6]", "words=[4,6]"]]


@pytest.mark.parametrize(
    ("fixed", "names"),
    [
        (["model=tiny_conv"], ["depth", "model.filters"]),
        (["model=single_fc", "depth=1"], ["optimizer.learning_rate[0]", "seed"]),
        (["model=low_latency_conv"], ["depth"]),
        (["model=conv", "model.filters=32", "+depth=2", "words=[yes]"], [
            "optimizer.learning_rate", "model.dropout", "train.batch_size"]),
        (["model=conv", "model.filters=32", "depth=1"], ["optimizer.learning_rate", "model.dropout"]),
    ],
)  # fmt: skip
def test_the_command_line_fixes(fixed: list[str], names: list[str]) -> None:
    assert [p.name for p in space(CONDITIONAL, (), fixed).parameters] == names


@pytest.mark.parametrize(
    ("swept", "domains"),
    [
        ("model.filters=5,6", {"model.filters": (5, 6), "seed": ("a",)}),  # what hangs on it goes
        ("model=tiny_conv,single_fc", {"model.filters": (4, 8), "seed": ("a",)}),
        ("+train.x=1,2", {"+train.x": (1, 2), "seed": ("a",)}),
    ],
)
def test_the_command_line_replaces(swept: str, domains: Mapping[str, Any]) -> None:
    found = {p.name: tuple(p.domain) for p in space(CONDITIONAL, [swept]).parameters}
    assert found.items() >= domains.items()
    assert "model.dropout" not in found or swept.startswith("+")


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ({"x": "interval(5,1)"}, r"x=interval\(5,1\) is empty: give the lower end first"),
        ({"x": "interval(1,1)"}, "is empty"),
        ({"x": "interval(0,inf)"}, "is empty"),
        ({"x": "interval(nan,1)"}, "is empty"),
        ({"x": "range(5,1)"}, "is empty"),
        ({"x": "range(1,5,0)"}, "is empty"),
        ({"x": "range(1.5,1)"}, "is empty"),
        ({"x": "range(0,inf)"}, "is empty"),
        ({"x": "tag(log, interval(0,1))"}, r"above 0 only, tag\(log, interval"),
        ({"x": "tag(log, range(0,5))"}, "above 0 only"),
        ({"x": "tag(log, range(1,64,3))"}, r"has steps, .* write tag\(log, int\(interval\(1,61\)\)\)"),
        ({"x": "tag(log, range(0.1,0.5,0.1))"}, r"has steps, .* write tag\(log, interval\(0.1,0.4\)\)"),
        ({"x": "interval("}, r"cannot read x=interval\(: write choices as a,b"),
        ({"x": ["interval(", 1]}, r"cannot read x=interval\("),
        ({"x": "a,b,a"}, "x must not name a twice"),
        ({"x": "1,1.0"}, "x must not name 1.0 twice"),
        ({"m": "a,b", "m=z": {"f": "1,2"}}, "'m=z' can never be, for m is one of a, b"),
        ({"m": "a,b", "m=a,z": {"f": "1,2"}}, "'m=a,z' can never be"),
        ({"m": "interval(0,1)", "m=2": {"f": "1,2"}}, "'m=2' can never be, for m lies between 0 and 1"),
        ({"model": "a,b", "modle=a": {"f": "1,2"}}, "modle, which is not varied .did you mean 'model'"),
        ({"model": "a,b", "model": {"f": "1,2"}}, "'model' depends on model, which is not varied: vary that too"),  # noqa: F601
        ({"m": "a,b", "m=a": "1,2"}, "'m=a' must hold settings with their values, but holds '1,2'"),
        ({"m": "a,b", "m=a": None}, "'m=a' must hold settings"),
        ({"m": "a,b", "f": "1,2", "m=a": {"f": "3,4"}}, "f is varied twice in one trial"),
        ({"m": "a,b", "m=a": {"f": "1,2"}, "m=a,b": {"f": "3,4"}}, "f is varied twice in one trial"),
        ({"m": "a,b", "k": "1,2", "m=a": {"f": "1,2"}, "k=1": {"f": "3,4"}}, "f is varied twice in one trial"),
        (
            {"m": "a,b", "m=a": {"f": "1,2"}, "m=b": {"f": "1,3"}, "f=1": {"g": "3,4"}},
            "f, which is varied in two ways: write it below each",
        ),
        ({}, "varies at least one setting"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_one_sentence(written: Mapping[str, Any], sentence: str) -> None:
    message = refused(written)
    assert re.search(sentence, message), message


def test_nothing_is_left_to_vary() -> None:
    assert "the command line fixes all" in refused({"m": "a,b"}, (), ["m=a"])


@pytest.mark.parametrize(
    "setting",
    [
        *("sweeper.n_trials", "output_dir", "name", "verbosity", "resume", "tracking", "tracking.uri", "tags.x"),
        *("hydra/launcher", "hydra.launcher.n_jobs", "+tags.x", "sweeps", "tracking@tracking"),
    ],
)
@pytest.mark.parametrize("where", ["file", "block", "list", "command line"])
def test_what_belongs_to_the_sweep_is_not_varied(setting: str, where: str) -> None:
    written: dict[str, dict[str, Any]] = {
        "file": {setting: "a,b"},
        "block": {"m": "a,b", "m=a": {setting: "1"}},
        "list": {setting: ["1,2", 3]},
    }
    message = refused(written[where]) if where in written else refused({}, [f"{setting}=a,b"])
    assert message.startswith(
        f"{setting} belongs to the sweep, not to a trial, and cannot be varied: give it one value"
    )


def test_names_that_only_begin_alike_are_varied() -> None:
    assert len(space({"names": "a,b", "model.name": "1,2", "experiment": "c,d"}).parameters) == 3
