"""A job of a launcher: the trial it is for, that it says it lives, and that it ends when its trial has."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from kws_exp import signals
from kws_exp.errors import KwsError
from kws_exp.sweep import remote
from kws_exp.sweep.outcome import COMPLETE, Outcome
from kws_exp.sweep.study import BEAT, left
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


def test_a_job_lives_as_long_as_its_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "BEAT_SECONDS", 0.1)
    study = open_for(str(tmp_path / "optuna.journal"), tmp_path)
    study.top_up([{}], 0)
    trial = study.claim()
    assert trial is not None

    def later_than(beat: float) -> float:
        while (found := float(study.frozen(0).system_attrs.get(BEAT, 0.0))) <= beat:
            time.sleep(0.02)
        return found

    with remote.alive(study.storage, trial._trial_id), signals.StopRequest() as stop:
        later_than(later_than(0.0))
        assert not stop.requested
        study.give_back(study.frozen(0))  # by a sweep that was stopped, say
        while not stop.requested:
            time.sleep(0.02)
    assert not stop.requested, "the next trial of this process may run"
    study.close()


def test_an_outcome_is_left_though_the_storage_was_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = open_for(str(tmp_path / "optuna.journal"), tmp_path)
    study.top_up([{}], 0)
    trial = study.claim()
    assert trial is not None
    journal, away = tmp_path / "optuna.journal", tmp_path / "away"
    journal.rename(away)
    journal.mkdir()  # cannot be written

    def bring_back() -> None:
        journal.rmdir()
        away.rename(journal)

    threading.Timer(0.5, bring_back).start()
    remote.leave(study.storage, trial._trial_id, Outcome(COMPLETE, (0.5,)))
    assert "IsADirectoryError" in capsys.readouterr().err
    assert left(study.frozen(0)) == Outcome(COMPLETE, (0.5,))
    study.tell(trial, Outcome(COMPLETE, (0.7,)))
    remote.leave(study.storage, trial._trial_id, Outcome(COMPLETE, (0.9,)))  # the sweep has given it up: no error
    study.close()


def test_an_outcome_survives_json(tmp_path: Path) -> None:
    outcome = Outcome(COMPLETE, (0.5, 20.0), (0.1, 0.0), (0.4, 0.6), {"flash_kb": 20.0}, {"flash_kb": -12.0}, ("a=1",))
    study = open_for(str(tmp_path / "optuna.journal"), tmp_path)
    study.top_up([{}], 0)
    trial = study.claim()
    assert trial is not None
    remote.leave(study.storage, trial._trial_id, outcome)
    assert left(study.frozen(0)) == outcome
    study.close()
