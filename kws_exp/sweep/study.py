"""The study: its trials are made in advance, claimed one by one, told when they end, and taken over from the dead.

Everything that must survive lies in Optuna's storage. A trial that waits has no values but those that are fixed; who
sets it to running, which one process alone can, has its values suggested and runs it. A trial whose parent died is told
FAIL, marked ``interrupted``, and made again with the same values; such a pair counts as one.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time
import uuid
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from kws_exp.errors import KwsError
from kws_exp.run_folder import PARENT_LOCK
from kws_exp.sweep import locks, storage
from kws_exp.sweep.identity import difference
from kws_exp.sweep.measures import Objectives
from kws_exp.sweep.outcome import COMPLETE, FAILED, PRUNED, STOPPED, Outcome
from kws_exp.sweep.space import Choices, Space, Values

IDENTITY, TRACKING, PARENT = "kws_exp.identity", "kws_exp.tracking_run_id", "kws_exp.parent."
BEAT, OUTCOME = "kws_exp.beat", "kws_exp.outcome"  # of a trial, by the job of a launcher (kws_exp.sweep.remote)
BEAT_SECONDS, SILENT_SECONDS = 15.0, 60.0  # of a parent on another machine; one on this holds a lock
STATES = {COMPLETE: TrialState.COMPLETE, PRUNED: TrialState.PRUNED, FAILED: TrialState.FAIL}


@dataclass
class Study:
    """A study as one parent sees it."""

    storage: BaseStorage
    name: str
    objectives: Objectives
    space: Space
    sampler: BaseSampler | None
    pruner: BasePruner
    lock: FileLock  # held while this parent lives
    parent: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    before: int = 0  # parents that the study had when this one came; makes the seeds of their samplers differ
    wanted: int = sys.maxsize  # trials in all
    beaten: float = 0.0
    seen: dict[str, tuple[float, float]] = field(default_factory=dict)  # other parents: last beat, when it changed here

    @property
    def id(self) -> int:
        """Number of the study in its storage."""
        return self.storage.get_study_id_from_name(self.name)

    def load(self) -> optuna.Study:
        """Return Optuna's view, fresh: it keeps what it has read for as long as it lives."""
        return optuna.load_study(study_name=self.name, storage=self.storage, sampler=self.sampler, pruner=self.pruner)

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Return the trials, in order."""
        return self.storage.get_all_trials(self.id, deepcopy=False, states=states or None)

    def attribute(self, key: str) -> Any:
        """Return what the parents keep in common under a name, or None."""
        return self.storage.get_study_user_attrs(self.id).get(key)

    def frozen(self, number: int) -> FrozenTrial:
        """Return a trial as it stands."""
        return self.storage.get_trial(self.storage.get_trial_id_from_study_id_trial_number(self.id, number))

    def open_trials(self) -> int:
        """Return how many trials are still to be begun, or run, here or elsewhere."""
        states = Counter(trial.state for trial in counted(self.trials()))
        begun = states.total() - states[TrialState.WAITING]
        return states[TrialState.RUNNING] + max(0, min(states[TrialState.WAITING], self.wanted - begun))

    def shared_id(self) -> str:
        """Return the id of the sweep as a run, the same for every parent."""
        return str(self.attribute(IDENTITY)["run_id"])

    def alone(self, what: str) -> contextlib.AbstractContextManager[None]:
        """Let one parent at a time do something."""
        return locks.mutex(self.storage, f"{self.name}.{what}", str(self.lock.lock_file))

    def close(self) -> None:
        """Tell the others that this parent is gone, so that none waits for what it may have left."""
        with contextlib.suppress(Exception):  # a storage that fails must not keep the lock
            self.storage.set_study_user_attr(self.id, PARENT + self.parent, {"closed": True})
        storage.close(self.storage)
        self.lock.release()
        Path(self.lock.lock_file).unlink(missing_ok=True)

    def top_up(self, wanted: Sequence[Values], baselines: int, retry_failed: bool = False) -> int:
        """Make the trials that are lacking; return how many there are in all.

        Args:
            wanted: The fixed values of each trial, of which those made earlier are the first.
            baselines: How many of them are baselines.
            retry_failed: Whether those that failed are made again.
        """
        self.wanted = len(wanted)
        with self.alone("trials"):
            self._remake(lambda trial: retry_failed or is_interrupted(trial))
            there = len(counted(self.trials()))
            study = self.load()
            for number, values in enumerate(wanted[there:], start=there):
                marks = {"baseline": True} if number < baselines else None
                study.enqueue_trial(dict(values), user_attrs=marks)
        return max(there, len(wanted))

    def _remake(self, chosen: Callable[[FrozenTrial], bool]) -> None:
        """Make chosen trials again that have ended as FAIL, but once; others must be kept from doing so meanwhile."""
        for trial in counted(self.trials()):
            if trial.state == TrialState.FAIL and chosen(trial):
                names = ("runs", "baseline") if is_interrupted(trial) else ("baseline",)
                kept = {key: trial.user_attrs[key] for key in names if key in trial.user_attrs}
                fixed = {**trial.system_attrs.get("fixed_params", {}), **trial.params}  # it may not have got far
                self.load().enqueue_trial(fixed, user_attrs=kept | {"retry_of": trial.number})

    def claim(self) -> Trial | None:
        """Take the first waiting trial and have its values suggested, one begun before first; None if none is to be."""
        begun = sum(trial.state != TrialState.WAITING for trial in counted(self.trials()))
        if begun >= self.wanted:
            return None
        for waiting in sorted(self.trials(TrialState.WAITING), key=lambda trial: "retry_of" not in trial.user_attrs):
            with contextlib.suppress(UpdateFinishedTrialError):
                if self._changed(waiting, TrialState.RUNNING):
                    self.storage.set_trial_user_attr(waiting._trial_id, "parent", self.parent)
                    return suggest(Trial(self.load(), waiting._trial_id), self.space)
        return None

    def twin(self, trial: Trial) -> FrozenTrial | None:
        """Return a complete trial with the same parameters, the first there was; samplers do come back to a point."""
        complete = self.trials(TrialState.COMPLETE)
        return next((other for other in complete if other.params == trial.params), None)

    def tell(self, trial: Trial, outcome: Outcome) -> None:
        """Record how a trial ended; one that somebody else has ended already stays as it is."""
        with contextlib.suppress(UpdateFinishedTrialError):
            for key, value in outcome.attributes().items():
                trial.set_user_attr(key, value)
            for key, excess in outcome.constraints.items():
                trial.set_constraint(key, excess)
            self.load().tell(trial.number, outcome.values, STATES[outcome.state], skip_if_finished=True)

    def give_back(self, trial: FrozenTrial) -> None:
        """End a trial that cannot go on as interrupted, and make it again; the new one takes up its runs."""
        with self.alone("trials"):
            with contextlib.suppress(UpdateFinishedTrialError):
                self.storage.set_trial_user_attr(trial._trial_id, "interrupted", True)
                self._changed(trial, TrialState.FAIL)
            self._remake(is_interrupted)

    def _changed(self, trial: FrozenTrial, state: TrialState) -> bool:
        with locks.turn(self.storage):
            return self.storage.set_trial_state_values(trial._trial_id, state)

    def take_over(self) -> list[int]:
        """Give back the trials of parents that have died, or tell how they ended; return their numbers."""
        attributes = self.storage.get_study_user_attrs(self.id)
        orphans = [
            trial
            for trial in self.trials(TrialState.RUNNING)
            if trial.user_attrs.get("parent") != self.parent and not self._lives(trial, attributes)
        ]
        for trial in orphans:
            found = left(trial)
            if found is None or found.state == STOPPED:
                self.give_back(trial)
            else:
                self.tell(Trial(self.load(), trial._trial_id), found)
        return [trial.number for trial in orphans]

    def beat(self) -> None:
        """Tell the other parents, once in a while, that this one lives."""
        if time.monotonic() - self.beaten >= BEAT_SECONDS:
            mark = {"host": socket.gethostname(), "lock": str(self.lock.lock_file), "beat": time.time()}
            self.storage.set_study_user_attr(self.id, PARENT + self.parent, mark)
            self.beaten = time.monotonic()

    def _lives(self, trial: FrozenTrial, attributes: Mapping[str, Any]) -> bool:
        owner = trial.user_attrs.get("parent", f"of trial {trial.number}")  # it writes its name next
        mark = attributes.get(PARENT + owner)
        if mark and "closed" in mark:
            return False
        here = locks.lives_here(mark)
        if here is not None:
            return here
        beat, now = (mark or {}).get("beat", 0.0), time.monotonic()
        if self.seen.get(owner, (None, 0.0))[0] != beat:
            self.seen[owner] = (beat, now)
        return now - self.seen[owner][1] < SILENT_SECONDS


def open_study(
    storage: BaseStorage,
    name: str,
    identity: Mapping[str, Any],
    objectives: Objectives,
    space: Space,
    sampler: BaseSampler | None,
    pruner: BasePruner,
    folder: Path,
) -> Study:
    """Open a study, or make it; hold the lock that tells others of this parent.

    Raises:
        KwsError: the study exists and compares something else.
    """
    directions = [StudyDirection[direction.upper()] for direction in objectives.values()]
    with contextlib.suppress(DuplicatedStudyError):
        made = storage.create_new_study(directions, name)
        storage.set_study_user_attr(made, IDENTITY, dict(identity) | {"run_id": uuid.uuid4().hex})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # experimental, says Optuna
            optuna.load_study(study_name=name, storage=storage).set_metric_names(list(objectives))
    study = Study(
        storage,
        name,
        objectives,
        space,
        sampler,
        pruner,
        FileLock(folder.resolve() / f"{PARENT_LOCK}{uuid.uuid4().hex[:8]}"),
    )
    found = difference(_identity(study), identity)
    if found:
        raise KwsError(
            f"the study '{name}' exists and differs in {found}: give yours another name with sweeper.study=NAME, or "
            "the same command line as before"
        )
    study.lock.acquire()
    with study.alone("parents"):  # two that came together would take the same seed, and the same values
        study.before = sum(key.startswith(PARENT) for key in storage.get_study_user_attrs(study.id))
        study.beat()
    return study


def suggest(trial: Trial, space: Space) -> Trial:
    """Have a trial's values suggested, as far as they call for each other."""
    for parameter in space.parameters:
        if not parameter.exists(trial.params):
            continue
        domain, name = parameter.domain, parameter.name
        if isinstance(domain, Choices):
            trial.suggest_categorical(name, domain.values)
        elif domain.whole:
            trial.suggest_int(name, int(domain.low), int(domain.high), step=int(domain.step or 1), log=domain.log)
        else:
            trial.suggest_float(name, domain.low, domain.high, step=domain.step, log=domain.log)
    return trial


def left(trial: FrozenTrial) -> Outcome | None:
    """Return how a launcher's job has ended, by its own account."""
    found = trial.system_attrs.get(OUTCOME)
    return None if found is None else Outcome.of(found)


def counted(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials less those that were made again."""
    again = {trial.user_attrs.get("retry_of") for trial in trials}
    return [trial for trial in trials if trial.number not in again]


def is_interrupted(trial: FrozenTrial) -> bool:
    """Whether a trial ended without being to blame for it."""
    return trial.state == TrialState.FAIL and bool(trial.user_attrs.get("interrupted"))


def _identity(study: Study) -> dict[str, Any]:
    """Return what the study compares; its maker may be about to write it."""
    for _ in range(50):
        found = study.attribute(IDENTITY)
        if found is not None:
            return dict(found)
        time.sleep(0.1)
    raise KwsError(f"the study '{study.name}' was not made by kws_exp: give another name with sweeper.study=NAME")
