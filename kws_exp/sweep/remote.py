"""A trial as the job of a launcher, in the job's own process: how it is found, how it lives, what it leaves.

A launcher that has lost one job tells nothing of the others, so each job says itself that it lives, and how it ended,
among the trial's system attributes. The surprising fact: nobody can be asked to end a job whose sweep was stopped, so
the job looks whether its trial is still under way, and otherwise stops its training, with a checkpoint.
"""

from __future__ import annotations

import os
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from kws_exp import config as configuration
from kws_exp import signals
from kws_exp.errors import KwsError
from kws_exp.run_folder import RunFolder
from kws_exp.schema import Config, Sweeper
from kws_exp.sweep import storage
from kws_exp.sweep.background import repeated
from kws_exp.sweep.outcome import STOPPED, Outcome
from kws_exp.sweep.study import BEAT, OUTCOME, TRACKING

SWEEP = "KWS_EXP_SWEEP"  # environment variable: the process of the sweep
BEAT_SECONDS = 5.0  # between signs of life
TRIES = 3  # to leave the outcome, should the storage be away for a moment


def job(config: Config, settings: Sweeper) -> Outcome:
    """Run the trial that a launcher's job is for.

    Raises:
        KwsError: there is no such trial under way.
    """
    from kws_exp.sweep import trial

    overrides = [item for item in HydraConfig.get().overrides.task if not item.startswith("sweeper.trial=")]
    configuration.initialize()
    resolved = storage.resolve(settings.storage, config.output_dir)
    assert settings.study is not None and settings.trial is not None
    opened, study_id, number = found(resolved, settings.study, settings.trial)
    runs = opened.get_trial_user_attrs(number).get("runs", ())
    group = opened.get_study_user_attrs(study_id).get(TRACKING)
    with alive(opened, number):
        outcome = trial.run(trial.job(resolved, settings.study, settings.trial, overrides, settings, group, runs))
    if outcome.state == STOPPED and os.environ.get(SWEEP) == process() and _is_under_way(opened, number):
        raise KeyboardInterrupt  # a launcher that has no processes of its own: it was the sweep that was stopped
    leave(opened, number, outcome)
    if config.tracking.enabled:
        _send(opened, number, settings.study, config)
    return outcome


def process() -> str:
    """Return what tells this process from all others."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _is_under_way(opened: BaseStorage, number: int) -> bool:
    return opened.get_trial(number).state == TrialState.RUNNING


def found(resolved: str, study: str, trial: int) -> tuple[BaseStorage, int, int]:
    """Return the storage, and there the ids of the study and the trial that a job is for.

    Raises:
        KwsError: there is no such trial under way, as when the settings are given by hand.
    """
    if storage.exists(resolved):
        opened = storage.shared(resolved)
        with suppress(KeyError):
            study_id = opened.get_study_id_from_name(study)
            number = opened.get_trial_id_from_study_id_trial_number(study_id, trial)
            if _is_under_way(opened, number):
                return opened, study_id, number
    raise KwsError(
        f"sweeper.trial={trial} is set by a sweep, for its jobs, and no trial {trial} of the study '{study}' is under "
        f"way in {storage.shown(resolved)}: leave both settings out"
    )


@contextmanager
def alive(opened: BaseStorage, number: int) -> Iterator[None]:
    """Say again and again that this process has a trial; once the trial is no longer under way, stop what runs."""

    def beat() -> None:
        if _is_under_way(opened, number):
            opened.set_trial_system_attr(number, BEAT, time.time())
        else:
            stopping.set()

    with signals.stoppable() as stopping, repeated(beat, BEAT_SECONDS):
        yield


def leave(opened: BaseStorage, number: int, outcome: Outcome) -> None:
    """Leave the outcome where the sweep finds it even if the launcher does not tell it."""
    for _ in range(TRIES):
        try:
            opened.set_trial_system_attr(number, OUTCOME, asdict(outcome))
            return
        except UpdateFinishedTrialError:  # the sweep has given it up
            return
        except Exception:
            traceback.print_exc()
            time.sleep(1.0)


def _send(opened: BaseStorage, number: int, study: str, config: Config) -> None:
    """Send the trial's runs to the tracking server from here, if the sweep has no view of this machine's disk."""
    from kws_exp.track import follow, store
    from kws_exp.track.process import unsent

    output_dir = Path(config.output_dir)
    if (output_dir / "sweeps" / study / "run.json").exists():
        return
    try:
        destination = store.resolve(config.tracking.uri, output_dir)
        for name in opened.get_trial(number).user_attrs.get("runs", ()):
            folder = RunFolder(output_dir / "runs" / name)
            trouble = follow.send(folder, destination) if (folder.path / "run.json").exists() else None
            if trouble:
                print(unsent(folder.path, trouble), file=sys.stderr)
    except Exception:  # a trial is not lost for the news of it
        traceback.print_exc()
