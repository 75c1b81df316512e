"""The sweep itself, in the parent: claim a trial, give it to a free worker, tell the study how it ended.

Nothing waits for anything else: as soon as a worker is free it gets the next trial, and with one journal, database or
proxy any number of parents share a study. Ctrl-C gives running trials back with their checkpoints; the same command
goes on with them.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from optuna.trial import FrozenTrial, Trial

from kws_exp import data
from kws_exp.cpu import cores
from kws_exp.errors import KwsError
from kws_exp.signals import StopRequest
from kws_exp.sweep import identity, samplers, show, storage
from kws_exp.sweep import plan as plans
from kws_exp.sweep import study as studies
from kws_exp.sweep.group import Group
from kws_exp.sweep.outcome import FAILED, STOPPED
from kws_exp.sweep.plan import Plan
from kws_exp.sweep.study import Study
from kws_exp.sweep.teller import Teller
from kws_exp.sweep.trial import job
from kws_exp.sweep.workers import STOP_SECONDS, Slot

TICK_SECONDS = 0.05  # between looks at all else, while no trial ends
IDLE_SECONDS = 1.0  # until the storage is asked again for a trial, once it had none
FOLLOW_SECONDS = 1.0  # between looks for runs that have begun
FULL = (errno.ENOSPC, errno.EDQUOT)
WATCH_SECONDS = 5.0  # between looks at the other parents


def sweep(arguments: list[str], hydra_context: Any, task_function: Any, hydra_config: Any) -> None:
    """Run, or go on with, the sweep that a command line means.

    Raises:
        KwsError: a mistake of the user, before any trial; too many trials failed; the disk is full; or the storage is
            gone.
        KeyboardInterrupt: after Ctrl-C; the same command goes on.
    """
    plan = plans.read(arguments)
    try:
        _run(plan, hydra_context, task_function, hydra_config)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise KwsError(
            f"the disk of {plan.config.output_dir} is full, which ended the sweep: free some space and give the same "
            "command again, all that was told is kept"
        ) from error
    except Exception as error:
        if not storage.is_lost(error):
            raise
        raise KwsError(
            f"sweeper.storage={storage.shown(plan.storage)} was lost, which ended the sweep: bring it back and give "
            "the same command again"
        ) from error


def _run(plan: Plan, hydra_context: Any, task_function: Any, hydra_config: Any) -> None:
    with opened(plan) as (study, group):
        group.say(f"study {study.name} in {storage.shown(plan.storage)}: {len(plan.wanted)} trials")
        unrelated = samplers.limits(plan.settings.sampler, plan.space)
        if unrelated:
            group.say(unrelated)
        from kws_exp.sweep import launch

        launcher = launch.other_than_basic(hydra_context, task_function, hydra_config)
        if launcher is not None:
            launch.run(launcher, plan, study, Teller(study, group, plan.settings.max_failures))
        else:
            sources = hydra_config.hydra.runtime.config_sources
            own = tuple(source.path for source in sources if source.provider == "command-line")
            Loop(plan, study, group, Teller(study, group, plan.settings.max_failures), own).run()


@contextmanager
def opened(plan: Plan) -> Iterator[tuple[Study, Group]]:
    """Open the study and the folder of a sweep; close both, whatever happens."""
    settings = plan.settings
    opened_storage = storage.open_storage(plan.storage)
    name = settings.study or identity.default_name(plan.sweep, plan.identity)
    group = Group(plan, name)
    sampler = None  # made once the study tells how many parents it has had
    pruner = samplers.pruner(settings.pruner, settings.pruner_options, plan.config.train.eval_interval, plan.steps)
    study = studies.open_study(
        opened_storage, name, plan.identity, plan.objectives, plan.space, sampler, pruner, group.folder.path
    )
    study.sampler = samplers.sampler(settings.sampler, settings.sampler_options, plan.config.seed + study.before)
    try:
        study.top_up(plan.wanted, plan.baselines, settings.retry_failed)
        study.take_over()
        group.open(study)
        yield study, group
    finally:
        group.close(study)
        study.close()


@dataclass
class Loop:
    """A sweep on local workers."""

    plan: Plan
    study: Study
    group: Group
    teller: Teller
    config_dirs: tuple[str, ...] = ()  # of the user, beside conf/
    slots: list[Slot] = field(default_factory=list)
    trials: dict[int, Trial] = field(default_factory=dict)  # by number of the slot
    watched: float = 0.0
    followed: float = 0.0
    idle_until: float = 0.0

    def run(self) -> None:
        """Run until no trial waits and none runs, here or elsewhere."""
        workers = max(1, min(self.plan.workers, self.study.open_trials()))
        share = max(1, cores() // workers)
        logs = self.group.folder.path / "workers"
        logs.mkdir(exist_ok=True)
        self.slots = [
            Slot(number, share, logs / f"{self.study.parent}-{number}.log", self.config_dirs)
            for number in range(workers)
        ]
        try:
            with StopRequest() as stop:
                if self.study.open_trials():
                    for slot in self.slots:
                        slot.start()
                    self._read_data()
                with show.live(self.group.watch) as screen:
                    while not stop.requested and self._turn():
                        screen.update(self._view)
                        self._pause()
                if stop.requested:
                    self._stop()
                    raise KeyboardInterrupt
        finally:
            for slot in self.slots:
                slot.kill()
            for trial in self.trials.values():  # only after trouble: what ends well is told
                self.teller.give_back(trial)

    def _pause(self) -> None:
        """Wait until a trial ends, but no longer than a tick."""
        futures = [slot.future for slot in self.slots if slot.future]
        if futures:
            wait(futures, TICK_SECONDS, FIRST_COMPLETED)
        else:
            time.sleep(TICK_SECONDS)

    def _turn(self) -> bool:
        """Do what can be done now; tell whether there is more to come."""
        asking = time.monotonic() > self.idle_until
        self.study.beat()
        for slot in self.slots:
            ended = self._collect(slot) if slot.busy else None
            if not slot.busy and asking:
                self._supply(slot)
            self.teller.show(ended)
        self._follow()
        self.teller.give_up()
        if self.trials or not asking:
            return True
        if time.monotonic() - self.watched > WATCH_SECONDS:
            self.watched = time.monotonic()
            self.teller.take_over()
        return bool(self.study.open_trials())

    def _supply(self, slot: Slot) -> None:
        trial = self.study.claim()
        if trial is None:
            self.idle_until = time.monotonic() + IDLE_SECONDS
            return
        if self.teller.known(trial):
            return
        overrides = self.plan.overrides(trial.params)
        self.trials[slot.number] = trial
        settings, runs = self.plan.settings, trial.user_attrs.get("runs", ())
        group = self.group.tracking_run_id
        slot.submit(job(self.plan.storage, self.study.name, trial.number, overrides, settings, group, runs))

    def _collect(self, slot: Slot) -> FrozenTrial | None:
        """Tell of a worker's outcome, if there is one; return the trial that has ended."""
        outcome = slot.done(self.plan.settings.trial_timeout)
        return None if outcome is None else self.teller.end(self.trials.pop(slot.number), outcome)

    def _follow(self) -> None:
        """Have the tracking process follow runs that have begun."""
        if time.monotonic() - self.followed > FOLLOW_SECONDS:
            self.followed = time.monotonic()
            for trial in self.trials.values():
                self.group.track(self.study.frozen(trial.number))

    def _stop(self) -> None:
        """Let the workers end their step and write a checkpoint, then give their trials back."""
        self.group.say("stopping: each worker writes a checkpoint")
        for slot in self.slots:
            if slot.busy:
                slot.stop()
        deadline = time.monotonic() + STOP_SECONDS
        while any(slot.busy for slot in self.slots) and time.monotonic() < deadline:
            for slot in self.slots:
                outcome = slot.done(None) if slot.busy else None
                if outcome is not None:
                    trial = self.trials.pop(slot.number)
                    if outcome.state in (STOPPED, FAILED):  # some fail of being stopped
                        self.teller.give_back(trial)
                    else:
                        self.teller.end(trial, outcome)
            self._pause()

    def _read_data(self) -> None:
        """Decode or make the clips once, while the workers import TensorFlow."""
        with self.group.watch.progress() as line:
            data.load(self.plan.config, line.update)

    def _view(self) -> show.View:
        running = {trial.number: slot for slot, trial in self.trials.items()}
        return show.View(self.study.trials(), self.plan.objectives, len(self.plan.wanted), self.plan.steps, running)
