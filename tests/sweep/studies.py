"""Studies in memory, told as the sweep tells them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import TrialState

ACCURACY = {"val/accuracy": "maximize"}
PARETO = {"val/accuracy": "maximize", "flash_kb": "minimize"}
SPACE: dict[str, BaseDistribution] = {
    "model": CategoricalDistribution(["ds_cnn", "tiny_conv", "single_fc"]),
    "optimizer.learning_rate": FloatDistribution(1e-5, 1.0, log=True),
    "model.filters": IntDistribution(4, 512),
    "augment.noise": FloatDistribution(0.0, 1.0),
}


@dataclass(frozen=True)
class Told:
    """What one trial is and was told; ``None`` for ``state`` leaves it running."""

    values: Sequence[float] = ()
    state: TrialState | None = TrialState.COMPLETE
    params: Mapping[str, object] = field(default_factory=dict)
    over: Mapping[str, float] = field(default_factory=dict)  # constraints: above 0 is broken
    curve: Mapping[int, float] = field(default_factory=dict)
    attributes: Mapping[str, object] = field(default_factory=dict)


def study(told: Sequence[Told], objectives: Mapping[str, str] = ACCURACY) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    directions = [StudyDirection[way.upper()] for way in objectives.values()]
    made = optuna.create_study(directions=directions, sampler=optuna.samplers.RandomSampler(seed=0))
    for one in told:
        made.enqueue_trial(dict(one.params))
        trial = made.ask({name: SPACE[name] for name in one.params})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # set_constraint may be experimental
            for name, excess in one.over.items():
                trial.set_constraint(name, excess)
        for name, value in one.attributes.items():
            trial.set_user_attr(name, value)
        for step, value in one.curve.items():
            trial.report(value, step)
        if one.state is not None:
            made.tell(trial, list(one.values) if one.state == TrialState.COMPLETE else None, state=one.state)
    return made


def many(count: int, objectives: Mapping[str, str] = ACCURACY) -> optuna.Study:
    """A study with everything that occurs in one: models, conditions, budgets, pruning, failures, seeds."""
    models = ("ds_cnn", "tiny_conv", "single_fc")
    told = []
    for number in range(count):
        model, share = models[number % 3], (number * 37 % 101) / 101
        params: dict[str, object] = {"model": model, "optimizer.learning_rate": 10 ** (-4 + 3 * share)}
        if model == "ds_cnn":
            params["model.filters"] = 16 + 8 * (number % 7)
        accuracy, flash = 0.95 - 0.1 * (share - 0.5) ** 2 - 0.1 * (number % 3), 10.0 + number % 23
        curve = {step: accuracy * step / 400 for step in range(100, 401, 100)} if len(objectives) == 1 else {}
        attributes: dict[str, object] = {"figures": {"test/accuracy": accuracy - 0.01, "ram_kb": flash / 3}}
        attributes |= {"seconds": 20.0 + number, "interval": [accuracy - 0.01, accuracy + 0.01]}
        attributes |= {"deviation": [0.004, 0.1, 0.05][: len(objectives)]} if number % 2 else {}
        over = {"flash_kb <= 30": flash - 30}
        values = [accuracy, flash, flash / 3][: len(objectives)]
        if number % 11 == 5:
            told.append(Told((), TrialState.FAIL, params, {}, {}, {"reason": "the worker ran | out of <memory>"}))
        elif number % 11 == 7:
            told.append(Told((), TrialState.PRUNED, params, over, {100: 0.1} if curve else {}))
        else:
            told.append(Told(values, TrialState.COMPLETE, params, over, curve, attributes))
    told.append(Told((), None, {"model": "ds_cnn"}, {}, {100: 0.3, 200: 0.4} if len(objectives) == 1 else {}))
    return study(told, objectives)
