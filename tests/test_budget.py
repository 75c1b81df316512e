"""The budget of time: it adds up, and every form of it says the same."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws_exp import budget

SECONDS = {"proof": 4.04, "training": 38.2, "imports": 5.1, "data": 0.2}


def test_line_has_the_parts_in_the_order_of_the_run() -> None:
    assert budget.line(SECONDS) == "47.5 s: training 38.2, all else 9.3 (imports 5.1, data 0.2, proof 4.0)"


def test_line_of_a_run_that_only_trained_and_of_one_that_never_did() -> None:
    assert budget.line({"training": 2.0}) == "2.0 s: training 2.0, all else 0.0"
    assert budget.line({"data": 1.0, "moving house": 3.0}) == (
        "4.0 s: training 0.0, all else 4.0 (data 1.0, moving house 3.0)"
    )


@given(st.dictionaries(st.sampled_from((*budget.PARTS, "other")), st.floats(0, 1e6)))
def test_metrics_add_up(seconds: dict[str, float]) -> None:
    found = budget.metrics(seconds)
    assert set(found) == ({f"seconds/{name}" for name in (*seconds, "total", "not_training")} if seconds else set())
    if seconds:
        parts = [value for name, value in found.items() if name not in ("seconds/total", "seconds/not_training")]
        assert found["seconds/total"] == pytest.approx(sum(parts))
        rest = found["seconds/total"] - found.get("seconds/training", 0.0)
        assert found["seconds/not_training"] == pytest.approx(rest)


def test_a_stage_adds_to_what_an_earlier_life_took_even_when_it_fails() -> None:
    seconds = {"data": 100.0}
    with pytest.raises(KeyError), budget.stage(seconds, "data"):
        time.sleep(0.01)
        raise KeyError
    assert seconds["data"] >= 100.01
    with budget.stage(seconds, "proof"):
        pass
    assert list(seconds) == ["data", "proof"]


def test_the_process_began_when_it_was_started() -> None:
    code = "import hydra; from kws_exp import budget; print(budget.PROCESS_START)"
    before = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert before <= float(done.stdout) <= time.monotonic()
