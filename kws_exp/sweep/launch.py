"""Trials as jobs of Hydra's launchers: ``hydra/launcher=ray``, ``submitit_slurm`` or ``joblib``.

A launcher takes a batch of jobs and returns when the last has ended, so workers wait for each other here as they do
not with ``sweeper.workers``; what it gives is machines that Hydra's users already have. A job finds its trial by
``sweeper.trial`` and reports to the study's storage, which all machines must reach.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from optuna.storages import BaseStorage
from optuna.trial import Trial, TrialState

from kws_exp import config as configuration
from kws_exp.errors import KwsError
from kws_exp.run_folder import RunFolder
from kws_exp.schema import Config, Sweeper
from kws_exp.sweep import storage
from kws_exp.sweep.outcome import FAILED, STOPPED, Outcome, told
from kws_exp.sweep.plan import Plan
from kws_exp.sweep.study import BEAT_SECONDS, TRACKING, Study
from kws_exp.sweep.teller import Teller

BASIC = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"


def other_than_basic(hydra_context: Any, task_function: Any, hydra_config: Any) -> Any:
    """Return the launcher that the command line chose; None for Hydra's own, whose place our workers take."""
    if hydra_config.hydra.launcher._target_ == BASIC:
        return None
    from hydra.core.plugins import Plugins

    return Plugins.instance().instantiate_launcher(
        hydra_context=hydra_context, task_function=task_function, config=hydra_config
    )


def run(launcher: Any, plan: Plan, study: Study, teller: Teller) -> None:
    """Run all waiting trials in batches of ``sweeper.workers``, each of which lasts as long as its longest trial.

    Raises:
        KwsError: too many trials failed.
        KeyboardInterrupt: after Ctrl-C; the same command goes on.
    """
    done = 0
    while True:
        claimed = _claimed(plan.workers, study, teller)
        if not claimed and not study.take_over():
            return
        batch = [
            [*plan.overrides(trial.params), f"sweeper.study={study.name}", f"sweeper.trial={trial.number}"]
            for trial in claimed
        ]
        outcomes = _launched(launcher, batch, done, study) if batch else []
        done += len(batch)
        for trial, outcome in zip(claimed, outcomes, strict=True):
            teller.show(teller.end(trial, outcome))
        if any(outcome.state == STOPPED for outcome in outcomes):
            raise KeyboardInterrupt
        teller.give_up()


def _claimed(most: int, study: Study, teller: Teller) -> list[Trial]:
    """Claim the trials of a batch."""
    claimed: list[Trial] = []
    while len(claimed) < most and (trial := study.claim()) is not None:
        if not teller.known(trial):
            claimed.append(trial)
    return claimed


def _launched(launcher: Any, batch: Sequence[Sequence[str]], first: int, study: Study) -> list[Outcome]:
    """Return the outcomes of a batch; where the launcher itself fails, as Ray does for a lost machine, all failed."""
    try:
        with _beating(study):
            return [_outcome(returned) for returned in launcher.launch(batch, initial_job_idx=first)]
    except KeyboardInterrupt:
        return [Outcome(STOPPED)] * len(batch)
    except Exception as error:
        # a remote error's text is a whole traceback, whose last line says what it was
        return [Outcome(FAILED, reason=f"the launcher failed: {told(error, line=-1)}")] * len(batch)


@contextmanager
def _beating(study: Study) -> Iterator[None]:
    """Let the other parents know that this one lives, while it waits."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT_SECONDS / 3):
            with suppress(Exception):  # the storage is away for a moment
                study.beat()

    beating = threading.Thread(target=beat, daemon=True)
    beating.start()
    try:
        yield
    finally:
        ended.set()
        beating.join()


def job(config: Config, settings: Sweeper) -> Outcome:
    """Run the trial that a launcher's job is for, in the job's own process."""
    from kws_exp.sweep import trial

    overrides = [item for item in HydraConfig.get().overrides.task if not item.startswith("sweeper.trial=")]
    configuration.initialize()
    resolved = storage.resolve(settings.storage, config.output_dir)
    assert settings.study is not None and settings.trial is not None
    opened, study_id, number = _found(resolved, settings.study, settings.trial)
    runs = opened.get_trial_user_attrs(number).get("runs", ())
    group = opened.get_study_user_attrs(study_id).get(TRACKING)
    outcome = trial.run(trial.job(resolved, settings.study, settings.trial, overrides, settings, group, runs))
    output_dir = Path(config.output_dir)
    if config.tracking.enabled and not (output_dir / "sweeps" / settings.study / "run.json").exists():
        _send([output_dir / "runs" / name for name in opened.get_trial(number).user_attrs.get("runs", ())], config)
    return outcome


def _found(resolved: str, study: str, trial: int) -> tuple[BaseStorage, int, int]:
    """Return the storage, and there the ids of the study and the trial that a job is for.

    Raises:
        KwsError: there is no such trial under way, as when the settings are given by hand.
    """
    if storage.exists(resolved):
        opened = storage.open_storage(resolved)
        with suppress(KeyError):
            study_id = opened.get_study_id_from_name(study)
            number = opened.get_trial_id_from_study_id_trial_number(study_id, trial)
            if opened.get_trial(number).state == TrialState.RUNNING:
                return opened, study_id, number
    raise KwsError(
        f"sweeper.trial={trial} is set by a sweep, for its jobs, and no trial {trial} of the study '{study}' is under "
        f"way in {storage.shown(resolved)}: leave both settings out"
    )


def _send(runs: Sequence[Path], config: Config) -> None:
    """Send runs to the tracking server from here, as the sweep has no view of this machine's disk."""
    from kws_exp.track import follow, store

    destination = store.resolve(config.tracking.uri, config.output_dir)
    for path in runs:
        if (path / "run.json").exists():
            follow.send(RunFolder(path), destination)


def _outcome(returned: Any) -> Outcome:
    try:
        value = returned.return_value  # raises what the job raised
    except Exception as error:
        return Outcome(FAILED, reason=told(error))
    return value if isinstance(value, Outcome) else Outcome(FAILED, reason="the job returned nothing")
