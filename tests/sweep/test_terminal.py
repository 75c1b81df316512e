from __future__ import annotations

import io
from collections.abc import Mapping

import pytest
from optuna.trial import TrialState
from rich.console import Console, RenderableType

from kws_exp.sweep import leaderboard, terminal
from kws_exp.sweep.terminal import Running
from tests.sweep.studies import ACCURACY, PARETO, Told, many, study

RUNNING = [
    Running(41, {"model": "ds_cnn", "optimizer.learning_rate": 0.0123456}, 300, 1200, 0.6125, 2),
    Running(42, {"model": "tiny_conv"}, 0, 0, None, 1),
]


def printed(content: RenderableType, width: int = 100) -> list[str]:
    console = Console(file=io.StringIO(), width=width, highlight=False, soft_wrap=True)
    console.print(content)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def live(told: list[Told], elapsed: float = 754.0) -> list[str]:
    trials = study(told).trials
    ranked, counts = leaderboard.rows(trials, ACCURACY), leaderboard.counts(trials)
    return printed(terminal.live(ranked, counts, ACCURACY, 60, elapsed, RUNNING))


@pytest.mark.parametrize("objectives", [ACCURACY, PARETO, {**PARETO, "ram_kb": "minimize"}])
@pytest.mark.parametrize("width", [80, 100])
def test_all_numbers_stand_within_the_width_and_a_trial_has_one_line(objectives: Mapping[str, str], width: int) -> None:
    trials = many(40, objectives).trials
    ranked, counts = leaderboard.rows(trials, objectives), leaderboard.counts(trials)
    for content, shown in [
        (terminal.live(ranked, counts, objectives, 60, 754.0, RUNNING), 8),
        (terminal.final(ranked, counts, objectives, 60, 754.0), 20),
    ]:
        lines = printed(content, width)
        table = "\n".join(line for line in lines if line.lstrip()[:1].isdigit())
        assert max(len(line) for line in lines if "trials in" not in line and " failed: " not in line) <= width
        for row in ranked[:shown]:
            accuracy = f"{row.values[0]:.1%}" if row.values else "-"
            assert any(line.split()[:2] == [str(row.number), accuracy] for line in table.splitlines()), row


def test_progress_and_trials_under_way_are_shown() -> None:
    lines = live([Told([0.9], attributes={"seconds": 60.0}), Told((), TrialState.FAIL), Told((), TrialState.PRUNED)])
    assert lines[0].startswith("3/60 ") and "1 pruned, 1 failed, 12 min 34 s, about 28 min 30 s left" in lines[0]
    first, second = (next(line for line in lines if line.split()[:1] == [number]) for number in ("41", "42"))
    assert first.split()[1:4] == ["300/1,200", "61.3%", "2"] and "learning_rate=0.0123" in first
    assert second.split()[1:4] == ["starting", "-", "1"]
    assert lines.index(second) < lines.index(first)  # in the order of the workers


def test_an_interrupted_trial_is_no_progress_and_no_failure() -> None:
    assert live([Told((), TrialState.FAIL, attributes={"interrupted": True})])[0].startswith("0/60 ")


def test_a_sweep_that_has_just_begun() -> None:
    assert live([], 0.0)[0].split() == ["0/60", "0", "s"]


def test_the_end_says_what_failed_and_why() -> None:
    failed = Told((), TrialState.FAIL, attributes={"reason": "killed by signal 9\nsee log.txt"})
    trials = study([Told([0.9]), *[failed] * 7]).trials
    ranked, counts = leaderboard.rows(trials, ACCURACY), leaderboard.counts(trials)
    lines = printed(terminal.final(ranked, counts, ACCURACY, 8, 61.0))
    assert "8/8 trials in 1 min 01 s: 1 complete, 7 failed" in lines
    assert "trial 1 failed: killed by signal 9 see log.txt" in lines
    assert lines[-1] == "and 2 more"
