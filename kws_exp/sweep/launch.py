"""Trials as jobs of Hydra's launchers: ``hydra/launcher=ray``, ``submitit_slurm`` or ``joblib``.

A launcher takes a batch of jobs and returns when the last has ended, so workers wait for each other here as they do
not with ``sweeper.workers``; what it gives is machines that Hydra's users already have. A job (``remote``) finds its
trial by ``sweeper.trial`` and reports to the study's storage, which all machines must reach.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, Trial, TrialState

from kws_exp.errors import KwsError
from kws_exp.sweep import remote
from kws_exp.sweep.background import repeated
from kws_exp.sweep.outcome import FAILED, STOPPED, Outcome, told
from kws_exp.sweep.plan import Plan
from kws_exp.sweep.study import BEAT, BEAT_SECONDS, Study, left
from kws_exp.sweep.teller import Teller

LOOK_SECONDS = 1.0  # between looks at jobs whose launcher has failed
SILENT_SECONDS = 30.0  # of such a job, six beats; then it is lost
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
        KwsError: too many trials failed, or the launcher before any had begun.
        KeyboardInterrupt: after Ctrl-C; the same command goes on.
    """
    os.environ[remote.SWEEP] = remote.process()
    with repeated(study.beat, BEAT_SECONDS / 3):  # the other parents must know that this one lives, while it waits
        _run(launcher, plan, study, teller)


def _run(launcher: Any, plan: Plan, study: Study, teller: Teller) -> None:
    done = 0
    while study.open_trials():
        claimed = _claimed(plan.workers, study, teller)
        if not claimed and not teller.take_over():
            time.sleep(LOOK_SECONDS)  # for trials of other parents
            continue
        batch = [
            [*plan.overrides(trial.params), f"sweeper.study={study.name}", f"sweeper.trial={trial.number}"]
            for trial in claimed
        ]
        try:
            outcomes = _launched(launcher, batch, done, study, claimed) if batch else []
            for trial, outcome in zip(claimed, outcomes, strict=True):
                _end(trial, outcome, study, teller)
        except (KeyboardInterrupt, KwsError):
            for trial in claimed:  # once more for those that were told, which changes nothing
                teller.end(trial, left(study.frozen(trial.number)) or Outcome(STOPPED))
            raise
        done += len(batch)
        teller.give_up()


def _claimed(most: int, study: Study, teller: Teller) -> list[Trial]:
    """Claim the trials of a batch."""
    claimed: list[Trial] = []
    while len(claimed) < most and (trial := study.claim()) is not None:
        if not teller.known(trial):
            claimed.append(trial)
    return claimed


def _end(trial: Trial, outcome: Outcome | None, study: Study, teller: Teller) -> None:
    """Tell how a job ended; one that was stopped goes on in another, but if it came no further it counts as failed."""
    if outcome is None:
        teller.give_back(trial)
        return
    frozen = study.frozen(trial.number)
    if outcome.state == STOPPED and frozen.state == TrialState.RUNNING and not _progressed(frozen, study):
        teller.failures.append(f"trial {trial.number}: its job was stopped, as by scancel, before it came any further")
    teller.show(teller.end(trial, outcome))


def _progressed(trial: FrozenTrial, study: Study) -> bool:
    """Whether a trial has come further than the attempt before it, or all would be stopped again and again."""

    def reached(attempt: FrozenTrial) -> tuple[int, int]:
        """Return how many of its seeds have begun, and how far the first one, which alone reports, has come."""
        return len(attempt.user_attrs.get("runs", ())), max(attempt.intermediate_values, default=0)

    before = trial.user_attrs.get("retry_of")
    return reached(trial) > (reached(study.frozen(before)) if before is not None else (0, 0))


def _launched(
    launcher: Any, batch: Sequence[Sequence[str]], first: int, study: Study, claimed: Sequence[Trial]
) -> Sequence[Outcome | None]:
    """Return the outcomes of a batch; None for a job that is not to begin."""
    try:
        return [_outcome(returned) for returned in launcher.launch(batch, initial_job_idx=first)]
    except Exception as error:
        # a remote error's text is a whole traceback, whose last line says what it was
        return _survivors(study, claimed, f"the launcher failed: {told(error, line=-1)}")


def _survivors(study: Study, claimed: Sequence[Trial], reason: str) -> list[Outcome | None]:
    """Wait for jobs whose launcher has failed, as Slurm's and Ray's do for all when they have lost one.

    One that has not begun by the time that none lives will find its trial ended, if it ever begins.

    Raises:
        KwsError: none had begun, so the fault is not a job's.
    """
    jobs = [_Survivor(trial.number, Outcome(FAILED, reason=reason)) for trial in claimed]
    while True:
        trials = study.trials()
        for job in jobs:
            job.look(trials[job.number])
        if not any(job.lives for job in jobs):
            break
        time.sleep(LOOK_SECONDS)
    if not any(job.outcome for job in jobs):
        raise KwsError(f"{reason}, before any of its {len(jobs)} jobs began: mend it and give the same command again")
    return [job.outcome for job in jobs]


@dataclass
class _Survivor:
    """What is known of a job whose launcher has failed."""

    number: int  # of its trial
    lost: Outcome  # once it has been silent for ``SILENT_SECONDS``
    outcome: Outcome | None = None
    beat: float | None = None  # its last sign of life, by its own clock
    heard: float = 0.0  # when that was first seen here

    @property
    def lives(self) -> bool:
        """Whether it has begun and not ended."""
        return self.beat is not None and self.outcome is None

    def look(self, trial: FrozenTrial) -> None:
        """See how it stands."""
        now, beat = time.monotonic(), trial.system_attrs.get(BEAT)
        if beat != self.beat:
            self.beat, self.heard = beat, now
        self.outcome = self.outcome or left(trial)
        if self.lives and now - self.heard > SILENT_SECONDS:
            self.outcome = self.lost


def _outcome(returned: Any) -> Outcome:
    try:
        value = returned.return_value  # raises what the job raised
    except Exception as error:
        return Outcome(FAILED, reason=told(error))
    return value if isinstance(value, Outcome) else Outcome(FAILED, reason="the job returned nothing")
