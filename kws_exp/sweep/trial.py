"""One trial within a worker: its budget, its runs, its reports to the pruner.

:func:`run` takes a :class:`Job` and returns an :class:`~kws_exp.sweep.outcome.Outcome`; it raises nothing but what ends
the process. The pruner is asked here, from what all trials have reported to the storage, so that no message to the
parent is needed; with several seeds it sees the first one's curve.
"""

from __future__ import annotations

import contextlib
import copy
import os
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from optuna.exceptions import UpdateFinishedTrialError

from kws_exp import config as configuration
from kws_exp import data, run_folder, start, summary
from kws_exp.data import Dataset
from kws_exp.errors import KwsError
from kws_exp.multirun import PARENT
from kws_exp.run_folder import FINISHED, RunFolder
from kws_exp.run_folder import PRUNED as PRUNED_RUN
from kws_exp.schema import Config, Sweeper
from kws_exp.signals import Pruned
from kws_exp.sweep import judge, measures, samplers, storage
from kws_exp.sweep.measures import DEVICE, Limit, Objectives
from kws_exp.sweep.outcome import FAILED, PRUNED, STOPPED, Outcome, told

if TYPE_CHECKING:
    pass

PATIENCE_SECONDS = 300.0  # with the process that had the trial before, which may be exporting


@dataclass(frozen=True)
class Job:
    """What a worker must know of a trial."""

    storage: str
    study: str
    number: int
    overrides: tuple[str, ...]
    objectives: Objectives
    limits: tuple[Limit, ...]
    report: tuple[str, ...]
    seeds: int
    pruner: str
    pruner_options: Mapping[str, Any]
    group: str | None  # the sweep's run on the tracking server
    runs: tuple[str, ...] = ()  # folders that an interrupted attempt has left

    @property
    def measured(self) -> tuple[str, ...]:
        """All measures that it is to have."""
        return (*self.objectives, *(limit.measure for limit in self.limits), *self.report)


def job(
    resolved: str,
    study: str,
    number: int,
    overrides: Sequence[str],
    settings: Sweeper,
    group: str | None,
    runs: Sequence[str],
) -> Job:
    """Return what a worker must know of a trial."""
    return Job(
        resolved,
        study,
        number,
        tuple(overrides),
        measures.objectives(settings.objectives),
        tuple(measures.limits(asdict(settings.constraints))),
        measures.shown(settings.report),
        settings.seeds,
        settings.pruner,
        settings.pruner_options,
        group,
        tuple(runs),
    )


def run(job: Job) -> Outcome:
    """Run a trial to its end."""
    began = time.monotonic()
    try:
        outcome = _Trial(job).run()
    except KeyboardInterrupt:
        outcome = Outcome(STOPPED)
    except Exception as error:  # costs the trial, not the worker
        if not isinstance(error, KwsError):
            with contextlib.suppress(OSError):  # the disk of the log is full
                traceback.print_exc()
        outcome = Outcome(FAILED, reason=told(error))
    return replace(outcome, seconds=time.monotonic() - began, overrides=job.overrides)


class _Trial:
    def __init__(self, job: Job) -> None:
        self.job = job
        self.storage = storage.shared(job.storage)
        study_id = self.storage.get_study_id_from_name(job.study)
        self.id = self.storage.get_trial_id_from_study_id_trial_number(study_id, job.number)
        self.runs = list(job.runs)

    def run(self) -> Outcome:
        job = self.job
        config = configuration.from_hydra(configuration.compose(job.overrides))
        figures = judge.before_training(config, job.measured)
        constraints = judge.excesses(job.limits, figures)
        broken = [limit for limit in job.limits if constraints.get(limit.measure, 0) > 0]
        if broken:
            why = "; ".join(limit.broken(figures[limit.measure]) for limit in broken)
            return Outcome(PRUNED, figures=figures, constraints=constraints, rejected=why)
        found = []
        for index in range(job.seeds):
            try:
                found.append(self._one(copy.deepcopy(config), index))
            except Pruned:
                return Outcome(PRUNED, figures=figures, constraints=constraints)
        return judge.after_training(job.objectives, job.limits, figures, found)

    def _one(self, config: Config, index: int) -> dict[str, float]:
        """Do the run of one seed, or finish it; return its scores."""
        from kws_exp import run, stages  # imports NumPy and SciPy, and with the first run TensorFlow

        config.seed += index
        left = self._left(config, index)
        if left and index == 0:
            self._replay(left)
        if left and left.record().status == PRUNED_RUN:
            raise Pruned
        if left and left.record().status == FINISHED:  # only the news of it was lost
            return summary.scores(left, config.train.select)
        started = self._again(config, left) or self._new(config, index)
        report = self._reporter(started) if index == 0 else lambda step, accuracy: None
        return run.run(started, stages.InSweep(report, DEVICE in measures.needed(self.job.measured), _load))

    def _new(self, config: Config, index: int) -> start.Started:
        os.environ[PARENT] = self.job.group or ""
        config.name = f"trial-{self.job.number:04d}" + (f"-seed-{config.seed}" if self.job.seeds > 1 else "")
        started = start.new(config, [storage.shown(item) for item in self.job.overrides])
        self.runs = [*self.runs[:index], started.folder.path.name]
        self.storage.set_trial_user_attr(self.id, "runs", self.runs)
        return started

    def _left(self, config: Config, index: int) -> RunFolder | None:
        """Return the folder that an interrupted attempt has left, if it is on this machine."""
        if index >= len(self.runs):
            return None
        folder = RunFolder(start.runs(config) / self.runs[index])
        deadline = time.monotonic() + PATIENCE_SECONDS
        while folder.lives() and time.monotonic() < deadline:
            time.sleep(0.5)
        return folder if (folder.path / "run.json").exists() else None

    def _replay(self, left: RunFolder) -> None:
        """Report again what an interrupted attempt had reported: the study knows it of the other trial alone."""
        for row in run_folder.read_lines(left.curves):
            if "val/accuracy" in row:
                self._tell(row["step"], row["val/accuracy"])

    def _tell(self, step: int, accuracy: float) -> None:
        value = measures.reported(accuracy, self.job.objectives)
        try:
            self.storage.set_trial_intermediate_value(self.id, step, value)
        except UpdateFinishedTrialError as error:  # its sweep was stopped, or taken for dead by another
            raise KeyboardInterrupt from error

    def _again(self, config: Config, left: RunFolder | None) -> start.Started | None:
        """Open an interrupted run again, if it has a checkpoint to go on from."""
        if left is None or not any(left.checkpoints.glob("step-*.npz")):
            return None
        return start.again(replace(config, resume=left.path.name), [])

    def _reporter(self, started: start.Started) -> Callable[[int, float], None]:
        """Return what tells the pruner of each validation pass."""
        import optuna

        config = started.config
        steps = sum(config.train.steps)
        pruner = samplers.pruner(self.job.pruner, self.job.pruner_options, config.train.eval_interval, steps)
        study = optuna.load_study(study_name=self.job.study, storage=self.storage, pruner=pruner)

        def report(step: int, accuracy: float) -> None:
            self._tell(step, accuracy)
            if step < steps and len(self.job.objectives) == 1 and pruner.prune(study, self.storage.get_trial(self.id)):
                raise Pruned

        return report


_datasets: dict[str, Dataset] = {}  # the last one of this process, mapped from the cache on disk


def _load(config: Config, progress: Callable[..., None]) -> Dataset:
    key = repr((config.words, config.data, config.seed))
    if key not in _datasets:
        loaded = data.load(config, progress)
        _datasets.clear()
        _datasets[key] = loaded
    return _datasets[key]
