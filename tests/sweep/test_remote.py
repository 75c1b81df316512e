"""A job of a launcher: the trial it is for, that it says it lives, and that it ends when its trial has."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from kws_exp.errors import KwsError
from kws_exp.sweep import remote, storage
from kws_exp.sweep.outcome import COMPLETE, Outcome
from tests.sweep.parents import open_for


def test_a_job_finds_only_a_trial_under_way(tmp_path: Path) -> None:
    resolved = str(tmp_path / "optuna.journal")
    with pytest.raises(KwsError, match=r"no trial 0 of the study 'study' is under way in .*optuna.journal: leave both"):
        remote.found(resolved, "study", 0)
    study = open_for(resolved, tmp_path)
    study.top_up([{}], 0)
    trial = study.claim()
    assert trial is not None
    assert remote.found(resolved, study.name, trial.number)[1:] == (study.id, trial._trial_id)
    study.tell(trial, Outcome(COMPLETE, (0.5,)))
    for name, number in ((study.name, trial.number), (study.name, 7), ("other", 0)):
        with pytest.raises(KwsError, match=f"no trial {number} of the study '{name}' is under way in .*optuna.journal"):
            remote.found(resolved, name, number)
    study.close()


def endless(resolved: str, number: int) -> None:
    """Have a trial for ever."""
    remote.BEAT_SECONDS = 0.1
    with remote.alive(storage.open_storage(resolved), number):
        time.sleep(600)


def test_a_job_lives_as_long_as_its_trial(tmp_path: Path) -> None:
    resolved = str(tmp_path / "optuna.journal")
    study = open_for(resolved, tmp_path)
    study.top_up([{}], 0)
    trial = study.claim()
    assert trial is not None

    def beat() -> float:
        return float(study.frozen(0).system_attrs.get(remote.BEAT, 0.0))

    job = multiprocessing.get_context("spawn").Process(target=endless, args=(resolved, trial._trial_id))
    job.start()
    try:
        while not (first := beat()):
            assert job.is_alive()
            time.sleep(0.05)
        while beat() == first:
            assert job.is_alive()
            time.sleep(0.05)
        study.give_back(study.frozen(0))  # by a sweep that was stopped, say
        job.join(30)
        assert job.exitcode == -15
    finally:
        job.kill()
        job.join()
        study.close()


def test_an_outcome_survives_json(tmp_path: Path) -> None:
    outcome = Outcome(COMPLETE, (0.5, 20.0), (0.1, 0.0), (0.4, 0.6), {"flash_kb": 20.0}, {"flash_kb": -12.0}, ("a=1",))
    study = open_for(str(tmp_path / "optuna.journal"), tmp_path)
    study.top_up([{}], 0)
    trial = study.claim()
    assert trial is not None
    study.storage.set_trial_system_attr(trial._trial_id, remote.OUTCOME, asdict(outcome))
    assert Outcome.of(study.frozen(0).system_attrs[remote.OUTCOME]) == outcome
    study.close()
