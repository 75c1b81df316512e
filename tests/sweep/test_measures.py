"""What a sweep aims at and what it limits, from literal text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pytest

from kws_exp.errors import KwsError
from kws_exp.schema import Limits
from kws_exp.sweep.measures import MEASURES, Limit, limits, needed, objectives


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (["accuracy"], {"accuracy": "maximize"}),
        (["device_accuracy", "flash_kb"], {"device_accuracy": "maximize", "flash_kb": "minimize"}),
        (["minimize  loss", " maximize accuracy "], {"loss": "minimize", "accuracy": "maximize"}),
    ],
)
def test_objectives(written: list[str], found: Mapping[str, str]) -> None:
    assert objectives(written) == found
    assert list(objectives(written)) == list(found), "the order of a trial's values"


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (["acuracy"], "no run reports 'acuracy' .did you mean 'accuracy'.*: there are accuracy, loss"),
        (["maximize flash"], "no run reports 'flash' .did you mean 'flash_kb'"),
        (["minimize accuracy"], "'minimize accuracy' contradicts what is better .* write 'maximize accuracy'"),
        (["maximise accuracy"], "write 'maximize accuracy', or 'accuracy' alone"),
        (["maximize minimize accuracy"], "contradicts"),
        (["accuracy", "maximize accuracy"], "must not name accuracy twice"),
        ([], "must name at least one measure"),
        ([""], "no run reports ''"),
    ],
)
def test_wrong_objectives(written: list[str], sentence: str) -> None:
    with pytest.raises(KwsError) as caught:
        objectives(written)
    assert re.search(sentence, str(caught.value)), caught.value


@pytest.mark.parametrize(
    ("written", "limit"),
    [
        ({"flash_kb": 32}, Limit("flash_kb", False, 32)),
        ({"flash_kb": "32"}, Limit("flash_kb", False, 32)),
        ({"flash_kb": "<= 32"}, Limit("flash_kb", False, 32)),
        ({"macs": "<=1e6"}, Limit("macs", False, 1e6)),
        ({"accuracy": 0.9}, Limit("accuracy", True, 0.9)),
        ({"loss": ">= -1"}, Limit("loss", True, -1)),
        ({"device_accuracy": 1}, Limit("device_accuracy", True, 1)),
        ({"test_accuracy": "<= 0"}, Limit("test_accuracy", False, 0)),
        ({"ram_kb": 0}, Limit("ram_kb", False, 0)),
        ({"accuracy": "<=0.99"}, Limit("accuracy", False, 0.99)),
    ],
)
def test_limits(written: Mapping[str, Any], limit: Limit) -> None:
    assert limits(written) == [limit]


@pytest.mark.parametrize("value", ["< 32", "32 kB", "nan", "--1", ".", "e", "", True, [32], "<= >= 3", "1e"])
def test_a_limit_that_is_no_number(value: Any) -> None:
    with pytest.raises(KwsError, match=r"sweeper.constraints.flash_kb must be a number, .*flash_kb=32"):
        limits({"flash_kb": value})


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("accuracy", "nan", "accuracy must be a number, .*: write sweeper.constraints.accuracy=0.9"),
        ("parameters", "few", "write sweeper.constraints.parameters=20000"),
        ("loss", "low", "write sweeper.constraints.loss=0.5"),
        ("accuracy", 90, "accuracy is a share from 0 to 1, but is 90: write sweeper.constraints.accuracy=0.9"),
        ("device_accuracy", ">= 93.5", "but is 93.5: write sweeper.constraints.device_accuracy=0.935"),
        ("test_accuracy", -0.1, "but is -0.1: write sweeper.constraints.test_accuracy=0.9"),
        ("accuracy", 1e999, "must be a number"),
        ("accuracy", "1e999", "but is inf: write sweeper.constraints.accuracy=0.9"),
        ("flash_kb", -1, "flash_kb must be a number of 0 or more, but is -1: write sweeper.constraints.flash_kb=32"),
        ("latency_ms", "<= -5", "latency_ms must be a number of 0 or more, but is -5"),
        ("macs", "1e999", "macs must be a number of 0 or more, but is inf: write sweeper.constraints.macs=1000000"),
    ],
)
def test_a_limit_that_the_measure_never_reaches(name: str, value: Any, sentence: str) -> None:
    with pytest.raises(KwsError) as caught:
        limits({name: value})
    assert re.search(sentence, str(caught.value)), caught.value


def test_how_far_a_value_is_over() -> None:
    flash, accuracy = Limit("flash_kb", False, 32), Limit("accuracy", True, 0.9)
    assert (flash.excess(40), flash.excess(30), flash.excess(32)) == (8, -2, 0)
    assert accuracy.excess(0.8) == pytest.approx(0.1)
    assert accuracy.excess(0.95) < 0
    assert flash.broken(40.25) == "flash_kb = 40.25, above 32"
    assert accuracy.broken(0.8) == "accuracy = 0.8, below 0.9"


def test_every_measure_can_be_limited() -> None:
    assert [item.name for item in fields(Limits)] == list(MEASURES)


def test_needed_stages() -> None:
    assert needed(["accuracy", "flash_kb", "ram_kb"]) == {"training", "footprint"}
    assert needed(["device_accuracy"]) == {"device"}
