"""A study between parents: on a journal and a database, with real processes, of which some are killed."""

from __future__ import annotations

import itertools
import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from kws_exp.errors import KwsError
from kws_exp.sweep import locks, remote, storage
from kws_exp.sweep import study as studies
from kws_exp.sweep.outcome import COMPLETE, FAILED, PRUNED, Outcome
from kws_exp.sweep.space import Choices, Numbers, Parameter, Space, Value, Values
from kws_exp.sweep.study import Study, is_interrupted
from tests.sweep import parents, servers
from tests.sweep.parents import SPACE, open_for

Target = Callable[[str, Path, Any, Any], None]
PROCESSES = multiprocessing.get_context("forkserver")  # which imports Optuna once
PROCESSES.set_forkserver_preload(["tests.sweep.parents"])
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Databases]:
    with servers.postgres(tmp_path_factory.mktemp("postgres")) as databases:
        yield databases


@pytest.fixture(scope="module")
def mysql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Databases]:
    servers.require(servers.MARIADB)
    with servers.mariadb(tmp_path_factory.mktemp("mariadb")) as databases:
        yield databases


@pytest.fixture(scope="module")
def grpc(postgres: servers.Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    database = storage.resolve(postgres("behind_a_proxy"), "")
    with servers.proxy(tmp_path_factory.mktemp("proxy"), database) as address:
        yield address


@pytest.fixture(params=["journal", "sqlite", "postgres", "mysql", "grpc"])
def resolved(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty storage."""
    files = {"journal": str(tmp_path / "optuna.journal"), "sqlite": f"sqlite:///{tmp_path}/optuna.db"}
    if request.param in files:
        return files[request.param]
    if request.param == "grpc":
        address: str = request.getfixturevalue("grpc")
        opened = storage.open_storage(address)
        for study in opened.get_all_studies():
            opened.delete_study(study._study_id)
        return address
    databases: servers.Databases = request.getfixturevalue(request.param)
    return storage.resolve(databases(f"test_{next(NUMBERS)}"), tmp_path)


@pytest.fixture
def study(resolved: str, tmp_path: Path) -> Iterator[Study]:
    opened = open_for(resolved, tmp_path)
    yield opened
    opened.close()


def counted(study: Study) -> list[FrozenTrial]:
    """The trials that count."""
    return [trial for trial in study.trials() if not is_interrupted(trial)]


def at_once(count: int, target: Target, resolved: str, folder: Path) -> list[list[int]]:
    """Have several parents do the same at the same time; return what each says."""
    barrier, said = PROCESSES.Barrier(count), PROCESSES.SimpleQueue()
    parents = [PROCESSES.Process(target=target, args=(resolved, folder, barrier, said)) for _ in range(count)]
    for parent in parents:
        parent.start()
    for parent in parents:
        parent.join()
    assert [parent.exitcode for parent in parents] == [0] * count
    return [said.get() for _ in parents]


@contextmanager
def holding(resolved: str, folder: Path) -> Iterator[tuple[BaseProcess, int]]:
    """Another parent that has a trial."""
    barrier, said = PROCESSES.Barrier(1), PROCESSES.SimpleQueue()
    parent = PROCESSES.Process(target=parents.hold, args=(resolved, folder, barrier, said))
    parent.start()
    try:
        yield parent, said.get()[0]
    finally:
        parent.kill()
        parent.join()


def test_parents_at_once_claim_every_trial_once(study: Study, resolved: str, tmp_path: Path) -> None:
    study.top_up([{}] * 18, 0)
    claimed = at_once(3, parents.drain, resolved, tmp_path)
    assert sorted(number for numbers in claimed for number in numbers) == list(range(18))
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials())


def test_trials_are_made_up_to_a_number(study: Study, tmp_path: Path, resolved: str) -> None:
    baselines: list[dict[str, Value]] = [{"model": "ds_cnn", "rate": 0.001}, {"model": "tiny_conv"}]
    assert study.top_up([*baselines, {}], 2) == 3
    assert study.top_up([*baselines, {}], 2) == 3
    assert len(study.trials()) == 3
    assert study.top_up([*baselines, {}, {}, {}], 2) == 5
    assert study.top_up([*baselines], 2) == 5, "a lower number takes none away"
    marks = [(trial.system_attrs["fixed_params"], trial.user_attrs) for trial in study.trials()]
    assert marks[:2] == [(values, {"baseline": True}) for values in baselines]
    assert marks[2:] == [({}, {})] * 3
    first, second = study.claim(), study.claim()
    assert first is not None and second is not None
    assert first.params.items() >= baselines[0].items()
    assert second.params["model"] == "tiny_conv"
    assert len(study.load().get_trials()) == 5
    assert optuna.get_all_study_names(study.storage) == ["study"], "no lock is left"


def test_values_follow_their_conditions(study: Study) -> None:
    study.top_up([{}] * 8, 0)
    seen = set()
    while (trial := study.claim()) is not None:
        assert list(trial.params) == [p.name for p in SPACE.parameters if p.exists(trial.params)]
        assert all(trial.params[p.name] in p.domain for p in SPACE.parameters if p.name in trial.params)
        seen.add(trial.params["model"])
        if trial.params["model"] == "ds_cnn":
            assert {"filters (ds_cnn)", "mask"} <= set(trial.params)
    assert seen == {"tiny_conv", "ds_cnn"}
    assert study.claim() is None


def test_how_trials_end(study: Study) -> None:
    study.top_up([{}] * 4, 0)
    trials = [study.claim() for _ in range(4)]
    outcomes = [
        Outcome(COMPLETE, (0.9,), figures={"flash_kb": 20.0}, constraints={"flash_kb": -12.0}, seconds=1.23456),
        Outcome(PRUNED, figures={"flash_kb": 40.0}, constraints={"flash_kb": 8.0}, rejected="flash_kb = 40, above 32"),
        Outcome(FAILED, reason="the run diverged"),
        Outcome(COMPLETE, (0.95,), constraints={"flash_kb": 0.5}),
    ]
    for trial, outcome in zip(trials, outcomes, strict=True):
        assert trial is not None
        study.tell(trial, outcome)
        study.tell(trial, Outcome(FAILED, reason="told again"))
    found = study.trials()
    assert [trial.state.name for trial in found] == ["COMPLETE", "PRUNED", "FAIL", "COMPLETE"]
    assert [dict(trial.constraints) for trial in found] == [
        {"flash_kb": -12.0}, {"flash_kb": 8.0}, {}, {"flash_kb": 0.5}
    ]  # fmt: skip
    assert found[0].user_attrs["figures"] == {"flash_kb": 20.0}
    assert found[0].user_attrs["seconds"] == 1.235
    assert found[1].user_attrs["rejected"] == "flash_kb = 40, above 32"
    assert found[2].user_attrs["reason"] == "the run diverged"
    assert study.load().best_trial.number == 0, "the better one breaks its limit"
    assert study.open_trials() == 0


def test_a_pruned_trial_among_several_objectives(resolved: str, tmp_path: Path) -> None:
    study = open_for(resolved, tmp_path, objectives={"accuracy": "maximize", "flash_kb": "minimize"})
    study.top_up([{}] * 2, 0)
    for outcome in (Outcome(COMPLETE, (0.9, 20.0)), Outcome(PRUNED, constraints={"ram_kb": 1.0})):
        trial = study.claim()
        assert trial is not None
        study.tell(trial, outcome)
    assert [trial.state for trial in study.trials()] == [TrialState.COMPLETE, TrialState.PRUNED]
    assert [trial.number for trial in study.load().best_trials] == [0]
    study.close()


def test_what_is_given_back_is_made_again_and_counted_once(study: Study) -> None:
    study.top_up([{"model": "ds_cnn"}, {}], 1)
    trial = study.claim()
    assert trial is not None
    trial.set_user_attr("runs", ["trial-0000"])
    study.give_back(study.frozen(trial.number))
    study.give_back(study.frozen(trial.number))
    assert [is_interrupted(each) for each in study.trials()] == [True, False, False]
    made = study.trials()[-1]
    assert made.state == TrialState.WAITING
    assert made.system_attrs["fixed_params"] == trial.params
    assert made.user_attrs == {"baseline": True, "runs": ["trial-0000"], "retry_of": 0}
    assert study.top_up([{"model": "ds_cnn"}, {}], 1) == 2
    assert len(study.trials()) == 3
    again = study.claim()  # before what has not begun yet
    assert again is not None and again.params == trial.params
    study.tell(trial, Outcome(COMPLETE, (0.9,)))
    assert study.frozen(0).state == TrialState.FAIL, "news of a trial that was made again come too late"


def test_what_is_known_need_not_be_run_again(study: Study) -> None:
    point: dict[str, Value] = {"model": "tiny_conv", "filters (tiny_conv)": 8, "rate": 0.001}
    study.top_up([point, point, {**point, "rate": 0.01}], 0)
    first, second, other = (study.claim() for _ in range(3))
    assert first and second and other and study.twin(second) is None
    study.tell(first, Outcome(COMPLETE, (0.9,), (0.01,), (0.8, 0.95), {"ram_kb": 3.0}, {"ram_kb": -1.0}))
    twin = study.twin(second)
    assert twin is not None and twin.number == first.number
    study.tell(second, Outcome.again(twin))
    told = study.frozen(second.number)
    assert (told.values, told.constraints) == ([0.9], {"ram_kb": -1.0})
    assert told.user_attrs["same_as"] == first.number and told.user_attrs["figures"] == {"ram_kb": 3.0}
    assert study.twin(other) is None


def test_a_trial_lost_between_two_writes_is_made_again(study: Study) -> None:
    wanted: list[Values] = [{"model": "ds_cnn", "rate": rate} for rate in (0.001, 0.002, 0.003)]
    study.top_up(wanted, 0)
    trial = study.claim()
    assert trial is not None
    study.storage.set_trial_user_attr(trial._trial_id, "interrupted", True)
    study.storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)  # and then the power went
    assert study.top_up(wanted, 0) == 3
    waiting = [each.system_attrs["fixed_params"]["rate"] for each in study.trials(TrialState.WAITING)]
    assert sorted(waiting) == [0.001, 0.002, 0.003]
    assert study.open_trials() == 3


def test_failed_trials_are_made_again_on_request_alone(study: Study) -> None:
    study.top_up([{}], 0)
    trial = study.claim()
    assert trial is not None
    study.tell(trial, Outcome(FAILED, reason="no memory"))
    assert study.top_up([{}], 0) == 1 and study.open_trials() == 0
    assert study.top_up([{}], 0, retry_failed=True) == 1 and study.open_trials() == 1
    again = study.claim()
    assert again is not None and again.params == trial.params


def test_a_smaller_number_of_trials_leaves_some_waiting(study: Study) -> None:
    study.top_up([{}] * 4, 0)
    assert study.claim() is not None
    study.top_up([{}] * 2, 0)
    assert study.open_trials() == 2
    assert study.claim() is not None and study.claim() is None


def test_a_baseline_that_was_not_suggested_yet_stays_one(study: Study) -> None:
    study.top_up([{"model": "ds_cnn", "rate": 0.001}], 1)
    study.storage.set_trial_state_values(study.trials()[0]._trial_id, TrialState.RUNNING)  # and then the power went
    study.give_back(study.frozen(0))
    again = study.claim()
    assert again is not None
    assert (again.params["model"], again.params["rate"]) == ("ds_cnn", 0.001)


def test_two_parents_that_give_back_at_once_make_one(study: Study, resolved: str, tmp_path: Path) -> None:
    study.top_up([{}] * 6, 0)
    running = [study.claim() for _ in range(4)]
    assert None not in running
    at_once(2, parents.give_back, resolved, tmp_path)
    assert len(study.trials()) == 10
    assert len(counted(study)) == 6
    assert sorted(trial.user_attrs.get("retry_of", -1) for trial in counted(study)) == [-1, -1, 0, 1, 2, 3]


def test_the_dead_are_succeeded_and_the_living_are_not(study: Study, resolved: str, tmp_path: Path) -> None:
    study.top_up([{}] * 2, 0)
    mine = study.claim()
    assert mine is not None
    with holding(resolved, tmp_path) as (process, number):
        assert study.take_over() == []
        process.kill()
        process.join()
        assert study.take_over() == [number]
        assert study.take_over() == []
    states = [trial.state for trial in study.trials()]
    assert states == [TrialState.RUNNING, TrialState.FAIL, TrialState.WAITING]
    again = study.claim()
    assert again is not None
    assert again.params == study.frozen(number).params
    assert again.user_attrs["runs"] == ["trial-0000"]


def test_what_a_dead_parent_s_job_has_left_is_told(study: Study, resolved: str, tmp_path: Path) -> None:
    study.top_up([{}] * 2, 0)
    with holding(resolved, tmp_path) as (parent, number):
        remote.leave(study.storage, study.frozen(number)._trial_id, Outcome(COMPLETE, (0.5,)))
        assert study.take_over() == []
        parent.kill()
        parent.join()
        assert study.take_over() == [number]
    assert study.frozen(number).state == TrialState.COMPLETE
    assert len(study.trials()) == 2


def test_a_parent_on_another_machine_is_dead_when_silent(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    study.top_up([{}] * 2, 0)
    trial = study.claim()
    assert trial is not None
    trial.set_user_attr("parent", "other")
    key = studies.PARENT + "other"
    study.storage.set_study_user_attr(study.id, key, {"host": "elsewhere", "lock": "/x", "beat": 1.0})
    assert study.take_over() == []
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + studies.SILENT_SECONDS - 5)
    assert study.take_over() == []
    study.storage.set_study_user_attr(study.id, key, {"host": "elsewhere", "lock": "/x", "beat": 2.0})
    assert study.take_over() == []
    monkeypatch.setattr(time, "monotonic", lambda: now + studies.SILENT_SECONDS + 10)
    assert study.take_over() == [], "it was heard of fifteen seconds ago"
    monkeypatch.setattr(time, "monotonic", lambda: now + 2 * studies.SILENT_SECONDS)
    assert study.take_over() == [0]


def test_a_trial_without_a_parent_is_given_time_to_name_one(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    study.top_up([{}] * 2, 0)
    for trial in study.trials():
        study.storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
    now = time.monotonic()
    study._lives(study.frozen(0), {})
    monkeypatch.setattr(time, "monotonic", lambda: now + 2 * studies.SILENT_SECONDS)
    assert study.take_over() == [0], "the other was first seen now"


def test_parents_are_counted(study: Study, resolved: str, tmp_path: Path) -> None:
    second = open_for(resolved, tmp_path)
    assert (study.before, second.before) == (0, 1)
    assert study.shared_id() == second.shared_id()
    second.close()
    third = open_for(resolved, tmp_path)
    assert third.before == 2
    third.close()
    assert sorted(path.name for path in tmp_path.glob(".parent-*")) == [Path(study.lock.lock_file).name]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"space": Space((Parameter("model", "model", Choices(("conv",))),))}, "differs in space: parameters .*; now "),
        ({"space": Space((Parameter("rate", "rate", Numbers(0, 1)),))}, "sweeper.study=NAME, or the same command line"),
        ({"objectives": {"loss": "minimize"}}, r'differs in objectives: accuracy \("maximize"; now null\)'),
        (
            {"objectives": {"accuracy": "maximize", "flash_kb": "minimize"}},
            r'differs in objectives: flash_kb \(null; now "minimize"\)',
        ),
    ],
)
def test_a_study_of_something_else(
    changes: dict[str, Any], sentence: str, study: Study, resolved: str, tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    with pytest.raises(KwsError, match=sentence) as caught:
        open_for(resolved, tmp_path, **changes)
    assert len(str(caught.value).splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_study_that_is_not_ours(study: Study, resolved: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    optuna.create_study(storage=study.storage, study_name="theirs", direction="maximize")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with pytest.raises(KwsError, match="'theirs' was not made by kws_exp: give another name"):
        open_for(resolved, tmp_path, name="theirs")


def test_a_lock_whose_holder_died_is_broken(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    study.storage.create_new_study([optuna.study.StudyDirection.MINIMIZE], "study.trials")
    monkeypatch.setattr(locks, "STALE_SECONDS", 0.2)
    assert study.top_up([{}] * 2, 0) == 2
