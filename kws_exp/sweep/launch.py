"""Trials as jobs of Hydra's launchers: ``hydra/launcher=ray``, ``submitit_slurm`` or ``joblib``.

A launcher takes a batch of jobs and returns when the last has ended, so workers wait for each other here as they do
not with ``sweeper.workers``; what it gives is machines that Hydra's users already have. A job (``remote``) finds its
trial by ``sweeper.trial`` and reports to the study's storage, which all machines must reach.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from optuna.trial import Trial

from kws_exp.sweep import remote
from kws_exp.sweep.outcome import FAILED, STOPPED, Outcome, told
from kws_exp.sweep.plan import Plan
from kws_exp.sweep.study import BEAT_SECONDS, Study
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
        try:
            outcomes = _launched(launcher, batch, done, study, claimed) if batch else []
        except KeyboardInterrupt:
            for trial in claimed:
                teller.end(trial, kept(study, trial) or Outcome(STOPPED))
            raise
        done += len(batch)
        for trial, outcome in zip(claimed, outcomes, strict=True):
            _end(trial, outcome, teller)
        teller.give_up()


def _claimed(most: int, study: Study, teller: Teller) -> list[Trial]:
    """Claim the trials of a batch."""
    claimed: list[Trial] = []
    while len(claimed) < most and (trial := study.claim()) is not None:
        if not teller.known(trial):
            claimed.append(trial)
    return claimed


def _end(trial: Trial, outcome: Outcome | None, teller: Teller) -> None:
    """Tell how a job ended; one that was stopped is made again, but counts as failed, or that might never end."""
    if outcome is None:
        teller.give_back(trial)
        return
    if outcome.state == STOPPED:
        teller.failures.append(f"trial {trial.number}: its job was stopped, as by a limit of time, and is made again")
    teller.show(teller.end(trial, outcome))


def _launched(
    launcher: Any, batch: Sequence[Sequence[str]], first: int, study: Study, claimed: Sequence[Trial]
) -> Sequence[Outcome | None]:
    """Return the outcomes of a batch; None for a job that is not to begin."""
    with _beating(study):
        try:
            return [_outcome(returned) for returned in launcher.launch(batch, initial_job_idx=first)]
        except Exception as error:
            # a remote error's text is a whole traceback, whose last line says what it was
            return left(study, claimed, f"the launcher failed: {told(error, line=-1)}")


def left(study: Study, claimed: Sequence[Trial], reason: str) -> list[Outcome | None]:
    """Return the outcomes of jobs whose launcher has failed, as Ray and Slurm's do for all when they have lost one.

    Jobs that still live are waited for; one that has been silent for ``SILENT_SECONDS`` has failed. One that has not
    begun will find its trial ended if it ever does; where none has begun, the fault is the launcher's and all failed.
    """
    lost, beats = Outcome(FAILED, reason=reason), {trial.number: _beat(study, trial) for trial in claimed}
    if not any(beats.values()):
        return [kept(study, trial) or lost for trial in claimed]
    begun = [trial for trial in claimed if beats[trial.number]]
    since = {trial.number: time.monotonic() for trial in begun}
    outcomes: dict[int, Outcome] = {}
    while len(outcomes) < len(begun):
        for trial in begun:
            number, beat = trial.number, _beat(study, trial)
            if beats[number] != beat:
                beats[number], since[number] = beat, time.monotonic()
            found = kept(study, trial) or (lost if time.monotonic() - since[number] > SILENT_SECONDS else None)
            if found is not None:
                outcomes[number] = found
        time.sleep(LOOK_SECONDS)
    return [outcomes.get(trial.number) for trial in claimed]


def kept(study: Study, trial: Trial) -> Outcome | None:
    """Return how a job ended by its own account."""
    found = study.frozen(trial.number).system_attrs.get(remote.OUTCOME)
    return found and Outcome.of(found)


def _beat(study: Study, trial: Trial) -> float | None:
    """Return when a job last said that it lives, by the clock of its machine."""
    return study.frozen(trial.number).system_attrs.get(remote.BEAT)


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


def _outcome(returned: Any) -> Outcome:
    try:
        value = returned.return_value  # raises what the job raised
    except Exception as error:
        return Outcome(FAILED, reason=told(error))
    return value if isinstance(value, Outcome) else Outcome(FAILED, reason="the job returned nothing")
