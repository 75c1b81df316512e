"""What a parent of a study does in a process of its own: it says which trials it had."""

from __future__ import annotations

import time
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from optuna.trial import TrialState

from kws_exp.errors import KwsError
from kws_exp.sweep import samplers, storage
from kws_exp.sweep.measures import Objectives
from kws_exp.sweep.outcome import COMPLETE, Outcome
from kws_exp.sweep.space import Choices, Numbers, Parameter, Space
from kws_exp.sweep.study import Study, open_study

Said = SimpleQueue[list[int]]
OBJECTIVES: Objectives = {"accuracy": "maximize"}
SPACE = Space(
    (
        Parameter("model", "model", Choices(("tiny_conv", "ds_cnn"))),
        Parameter("filters (tiny_conv)", "filters", Numbers(4, 12, 4, whole=True), {"model": ("tiny_conv",)}),
        Parameter("filters (ds_cnn)", "filters", Numbers(16, 64, whole=True, log=True), {"model": ("ds_cnn",)}),
        Parameter("rate", "rate", Numbers(1e-4, 1e-2, log=True)),
        Parameter("mask", "mask", Numbers(0.0, 0.3, 0.1), {"model": ("ds_cnn",)}),
    )
)


def open_for(
    resolved: str, folder: Path, space: Space = SPACE, objectives: Objectives = OBJECTIVES, name: str = "study"
) -> Study:
    """Open the study of the tests as a sweep does."""
    identity = {"space": space.to_json(), "objectives": dict(objectives)}
    sampler, pruner = samplers.sampler("random", {}, 1), samplers.pruner("none", {}, 10, 40)
    opened = storage.open_storage(resolved)
    try:
        return open_study(opened, name, identity, objectives, space, sampler, pruner, folder)
    except KwsError:
        storage.close(opened)
        raise


def drain(resolved: str, folder: Path, barrier: Barrier, said: Said) -> None:
    """Claim trials until none waits, and complete them."""
    study, numbers = open_for(resolved, folder), []
    barrier.wait()
    while (trial := study.claim()) is not None:
        numbers.append(trial.number)
        study.tell(trial, Outcome(COMPLETE, (0.5,)))
    study.close()
    said.put(numbers)


def give_back(resolved: str, folder: Path, barrier: Barrier, said: Said) -> None:
    """Give back all that run."""
    study = open_for(resolved, folder)
    running = study.trials(TrialState.RUNNING)
    barrier.wait()
    for trial in running:
        study.give_back(trial)
    study.close()
    said.put([trial.number for trial in running])


def hold(resolved: str, folder: Path, barrier: Barrier, said: Said) -> None:
    """Claim a trial and wait to be killed."""
    study = open_for(resolved, folder)
    trial = study.claim()
    assert trial is not None
    trial.set_user_attr("runs", ["trial-0000"])
    said.put([trial.number])
    time.sleep(600)
