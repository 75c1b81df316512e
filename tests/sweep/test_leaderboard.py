from __future__ import annotations

import csv
import io
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from kws_exp.sweep import leaderboard
from kws_exp.sweep.leaderboard import Counts, Row
from kws_exp.sweep.ranking import losses
from kws_exp.sweep.wording import duration, setting, settings, short_names, shown
from tests.sweep.studies import ACCURACY, PARETO, Told, many, study

THREE = {**PARETO, "latency_ms": "minimize"}
NUMBERS = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(-1e6, 1e6), st.just(float("inf")))
STATES = st.sampled_from([TrialState.COMPLETE] * 4 + [TrialState.PRUNED, TrialState.FAIL, None])


def trials_of(objectives: Mapping[str, str]) -> st.SearchStrategy[list[Told]]:
    values = st.lists(NUMBERS, min_size=len(objectives), max_size=len(objectives))
    over = st.dictionaries(st.sampled_from(["flash_kb", "ram_kb"]), st.sampled_from([-1.0, 0.0, 2.0]))
    return st.lists(st.builds(Told, values=values, state=STATES, over=over), max_size=12)


def rows(told: list[Told], objectives: Mapping[str, str] = ACCURACY) -> list[Row]:
    return leaderboard.rows(study(told, objectives).trials, objectives)


def report(told: list[Told], objectives: Mapping[str, str] = ACCURACY) -> str:
    trials = study(told, objectives).trials
    ranked, counts = leaderboard.rows(trials, objectives), leaderboard.counts(trials)
    return leaderboard.markdown("tune", "python -m kws_exp sweeps=tune", ranked, counts, objectives, 3725.0)


@pytest.mark.parametrize("objectives", [ACCURACY, {"loss": "minimize"}, PARETO, THREE])
@given(data=st.data())
def test_the_winner_is_no_worse_than_any_feasible_trial_and_the_front_is_optunas(
    objectives: Mapping[str, str], data: st.DataObject
) -> None:
    made = study(data.draw(trials_of(objectives)), objectives)
    ranked = leaderboard.rows(made.trials, objectives)
    candidates = [row for row in ranked if row.state == "COMPLETE" and row.feasible]
    best, front = leaderboard.winner(ranked), {row.number for row in ranked if row.front}
    optunas = {trial.number for trial in made.best_trials}
    assert (best is None) == (not candidates)
    if len(objectives) > 1:
        assert front == optunas
    else:
        assert front <= optunas and len(front) == bool(candidates)
    if best and best.values:
        first = losses(best.values, objectives)[0]
        assert all(first <= losses(row.values, objectives)[0] for row in candidates if row.values)
        assert ranked.index(best) == 0 and best.front


@given(trials_of(PARETO))
def test_the_groups_of_the_table_follow_each_other(told: list[Told]) -> None:
    ranked = rows(told, PARETO)
    groups = [(row.state, not row.feasible if row.state == "COMPLETE" else False, not row.front) for row in ranked]
    order = ["COMPLETE", "PRUNED", "REJECTED", "FAIL", "INTERRUPTED"]
    assert groups == sorted(groups, key=lambda group: (order.index(group[0]), group[1], group[2]))
    assert len({row.number for row in ranked}) == len(ranked) == sum(one.state is not None for one in told)


def test_states_are_told_apart_and_counted() -> None:
    told = [
        Told([0.9]),
        Told((), TrialState.PRUNED, curve={100: 0.4, 200: 0.5}),
        Told((), TrialState.PRUNED, attributes={"rejected": "flash_kb = 51.2, above 32"}),
        Told((), TrialState.FAIL, attributes={"reason": "killed by signal 9"}),
        Told((), TrialState.FAIL, attributes={"interrupted": True}),
        Told((), None),
        Told([0.95], over={"flash_kb": 3.0}),
    ]
    made = study(told)
    made.enqueue_trial({"model": "ds_cnn"})
    counts, ranked = leaderboard.counts(made.trials), leaderboard.rows(made.trials, ACCURACY)
    assert counts == Counts(complete=2, pruned=1, rejected=1, failed=1, interrupted=1, running=1, waiting=1)
    assert counts.finished == 5
    assert [(row.number, row.note) for row in ranked] == [
        (0, ""),
        (6, "over budget: flash_kb"),
        (1, "stopped at step 200"),
        (2, "flash_kb = 51.2, above 32"),
        (3, "killed by signal 9"),
        (4, "tried again"),
    ]


def test_what_the_sweep_noted_is_in_the_row() -> None:
    noted = {
        "deviation": [0.01, 0.2],
        "interval": [0.8, 0.95],
        "figures": {"flash_kb": 30.0, "test/accuracy": 0.87},
        "seconds": 12.5,
        "baseline": True,
    }
    [row] = rows([Told([0.9, 30.0], attributes=noted)], PARETO)
    assert (row.deviation, row.interval, row.seconds, row.note) == ((0.01, 0.2), (0.8, 0.95), 12.5, "baseline")
    assert row.figures == {"test/accuracy": 0.87}  # flash_kb is an objective already


def test_equal_trials_share_a_front_but_there_is_one_best() -> None:
    assert [row.front for row in rows([Told([0.9, 10.0])] * 2, PARETO)] == [True, True]
    assert [(row.number, row.front) for row in rows([Told([0.9])] * 2)] == [(0, True), (1, False)]


def test_the_report_names_winner_settings_counts_and_failures() -> None:
    told = [
        Told([0.912], params={"model": "ds_cnn", "model.filters": 64}, attributes={"interval": [0.9, 0.92]}),
        Told([0.85], params={"model": "tiny_conv"}, attributes={"deviation": [0.006], "baseline": True}),
        Told((), TrialState.FAIL, {"model": "single_fc"}, attributes={"reason": "no | room\nleft on <disk>"}),
        Told((), TrialState.PRUNED, {"model": "single_fc"}, attributes={"rejected": "flash_kb = 51.2, above 32"}),
    ]
    text = report(told)
    assert "**`val/accuracy` 91.2%** is the best, from trial 0 (`model=ds_cnn`, `filters=64`)" in text
    assert "95 % interval 90.0% to 92.0%" in text
    assert "| 1 | 85.0% ± 0.6% | - | `model=tiny_conv` | baseline |" in text
    assert "- trial 2 (`model=single_fc`): no \\| room left on \\<disk\\>" in text
    assert "| 3 | - | flash_kb = 51.2, above 32 |" not in text  # the one setting that varies is the model
    assert "flash_kb = 51.2, above 32" in text
    assert "2 complete, 1 over budget and not trained, 1 failed; 1 h 02 min of trials in all." in text
    assert "python -m kws_exp sweeps=tune" in text


def test_every_row_of_a_table_has_as_many_cells_as_its_head() -> None:
    for objectives in (ACCURACY, PARETO):
        trials = many(40, objectives).trials
        counts, ranked = leaderboard.counts(trials), leaderboard.rows(trials, objectives)
        text = leaderboard.markdown("a", "b", ranked, counts, objectives, 1.0, ["figures/a.png", "figures/sweep.html"])
        tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("| ")]
        assert len(tables) == 2
        for table in tables:
            assert len({line.replace("\\|", "").count("|") for line in table}) == 1
        assert "![a](figures/a.png)" in text and "[sweep, interactive](figures/sweep.html)" in text


def test_a_front_is_told_as_a_front() -> None:
    text = report([Told([0.9, 30.0]), Told([0.8, 10.0]), Told([0.7, 20.0])], PARETO)
    assert text.count("| **") == 2 and "2 of 3 trials are on the Pareto front" in text
    assert "First on it by `val/accuracy` is trial 0 with **`val/accuracy` 90.0%, `flash_kb` 30**" in text


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ([], "No trial is complete."),
        ([Told((), TrialState.FAIL)] * 3, "No trial is complete."),
        ([Told((), TrialState.PRUNED)] * 3, "No trial is complete."),
        ([Told([0.9], over={"flash_kb": 1.0})], "None of the complete trials keeps within the budget."),
    ],
)
def test_a_sweep_without_a_winner_says_so(told: list[Told], sentence: str) -> None:
    assert sentence in report(told)
    assert leaderboard.winner(rows(told)) is None


def test_the_csv_has_every_trial_with_full_names_and_digits() -> None:
    made = many(30, PARETO)
    text = leaderboard.csv(leaderboard.rows(made.trials, PARETO), PARETO)
    read = list(csv.DictReader(io.StringIO(text)))
    assert {int(line["trial"]) for line in read} == set(range(30))
    line = next(line for line in read if line["trial"] == "3")
    trial = made.trials[3]
    assert float(line["val/accuracy"]) == trial.values[0] and float(line["flash_kb"]) == trial.values[1]
    assert float(line["optimizer.learning_rate"]) == trial.params["optimizer.learning_rate"]
    assert float(line["val/accuracy/deviation"]) == 0.004 and float(line["val/accuracy/low"]) < trial.values[0]
    assert next(line for line in read if line["model"] == "tiny_conv")["model.filters"] == ""


def test_the_csv_of_a_sweep_that_has_not_begun_is_its_head() -> None:
    assert leaderboard.csv([], ACCURACY).startswith("trial,state,feasible,front,val/accuracy,")


def test_names_are_short_where_that_is_clear() -> None:
    names = ["model", "optimizer.learning_rate", "data.noise", "augment.noise"]
    assert list(short_names(names).values()) == ["model", "learning_rate", "data.noise", "augment.noise"]
    assert settings({"a.b": 0.0123456, "c": True}, ["a.b", "c", "d"]) == ["b=0.0123", "c=true"]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("test/accuracy", 0.9123, "91.2%"),
        ("flash_kb", 51.234, "51.23"),
        ("flash_kb", 17.0001, "17.00"),
        ("macs", 1081321.0, "1,081,321"),
        ("ram_kb", 1234.5, "1,234"),
        ("latency_ms", 0.0031, "0.003100"),
        ("latency_ms", 999.96, "1000"),
        ("loss", float("inf"), "inf"),
        ("loss", None, "-"),
    ],
)
def test_figures_are_written_for_people(name: str, value: float | None, text: str) -> None:
    assert shown(name, value) == text


def test_settings_and_times_are_written_for_people() -> None:
    assert [setting(value) for value in (16000, 16000.0, 1e-5, "ds_cnn", False)] == [
        "16000",
        "16000",
        "1e-05",
        "ds_cnn",
        "false",
    ]
    assert [duration(seconds) for seconds in (0.4, 59.6, 61, 3725)] == ["0 s", "1 min 00 s", "1 min 01 s", "1 h 02 min"]
