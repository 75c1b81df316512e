"""Every sampler and pruner by its name, at work in Optuna."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from typing import Any

import optuna
import pytest

from kws_exp.errors import KwsError
from kws_exp.sweep import measures, samplers
from kws_exp.sweep.space import Choices, Numbers, Parameter, Space
from kws_exp.sweep.study import suggest

optuna.logging.set_verbosity(optuna.logging.ERROR)
PRUNER_OPTIONS: dict[str, dict[str, Any]] = {"patient": {"patience": 0}, "threshold": {"lower": 0.5}}


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("name", samplers.SAMPLERS)
def test_every_sampler_samples(name: str, several: bool) -> None:
    module, extra = samplers.NEEDS.get(name, ("optuna", ""))
    if importlib.util.find_spec(module) is None:
        with pytest.raises(KwsError, match=rf"sweeper.sampler={name} needs the package {module}: .*\[{extra}\]"):
            samplers.sampler(name, {}, 1)
        return
    if several and name == "cmaes":
        return  # for one objective, says Optuna
    sampler = samplers.sampler(name, {}, 1)
    study = optuna.create_study(directions=["maximize", "minimize"] if several else ["maximize"], sampler=sampler)
    for _ in range(12):
        trial = study.ask()
        rate, filters = trial.suggest_float("rate", 1e-4, 1e-1, log=True), trial.suggest_int("filters", 8, 64, step=8)
        study.tell(trial, [rate, filters] if several else rate * filters)
    assert len({tuple(trial.params.values()) for trial in study.trials}) > 6


@pytest.mark.parametrize("name", [name for name in samplers.SAMPLERS if name not in ("gp", "qmc")])  # qmc: a sequence
def test_the_seed_decides(name: str) -> None:
    def first(seed: int) -> float:
        study = optuna.create_study(sampler=samplers.sampler(name, {}, seed))
        return [study.ask({"x": optuna.distributions.FloatDistribution(0, 1)}).params["x"] for _ in range(2)][1]

    assert first(1) == first(1) != first(2)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("tpe", None),
        ("gp", "sweeper.sampler=gp relates only what every trial has; it may draw at random: filters"),
        ("qmc", "sweeper.sampler=qmc relates only what the first trial has; it may draw at random: filters"),
        (
            "cmaes",
            "sweeper.sampler=cmaes relates only numbers that every trial has; it may draw at random: model, filters",
        ),
    ],
)
def test_what_a_sampler_draws_at_random_is_said_once(
    name: str, sentence: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    models, filters = Choices(("tiny_conv", "single_fc")), Numbers(4, 16, whole=True)
    rate, epsilon = Numbers(1e-4, 1e-1, log=True), Numbers(1e-8, 1e-2, log=True)
    space = Space(
        (
            Parameter("model", "model", models),
            Parameter("filters", "model.filters", filters, {"model": ("tiny_conv",)}),
            Parameter("rate", "optimizer.learning_rate", rate),
            Parameter("epsilon", "optimizer.epsilon", epsilon),
        )
    )
    assert samplers.limits(name, space) == sentence
    assert samplers.limits(name, Space(space.parameters[2:])) is None
    if importlib.util.find_spec(samplers.NEEDS.get(name, ("optuna", ""))[0]) is None:
        return
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    optuna.logging.enable_propagation()
    study = optuna.create_study(sampler=samplers.sampler(name, {}, 1))
    for _ in range(12):
        trial = suggest(study.ask(), space)
        study.tell(trial, trial.params["rate"])
    optuna.logging.disable_propagation()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    assert "independent" not in caplog.text
    if sentence:
        related = study.sampler.infer_relative_search_space(study, study.trials[-1])
        drawn = sentence.partition("random: ")[2].split(", ")
        assert {p.name for p in space.parameters} - set(drawn) <= set(related)
        assert name == "qmc" or not set(drawn) & set(related)


def test_options_reach_the_sampler() -> None:
    sampler = samplers.sampler("tpe", {"n_startup_trials": 3, "seed": 5}, 1)
    assert sampler is not None
    assert sampler._n_startup_trials == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("objective", ["accuracy", "misses"])
@pytest.mark.parametrize("name", samplers.PRUNERS)
def test_every_pruner_ends_the_worst_trial_and_keeps_the_best(name: str, objective: str) -> None:
    objectives = measures.objectives([objective])
    if name == "threshold" and objective == "misses":
        return  # refused: tests/sweep/test_plan.py
    pruner = samplers.pruner(name, PRUNER_OPTIONS.get(name, {}), 10, 40)
    sampler = optuna.samplers.RandomSampler(seed=0)
    direction = optuna.study.StudyDirection[objectives[objective].upper()]
    study = optuna.create_study(direction=direction, sampler=sampler, pruner=pruner)
    pruned = []
    for number in range(24):
        trial = study.ask()
        slope = 0.9 if number % 6 == 0 else 0.1 - number / 1000  # rises, or falls from a low start
        for step in range(10, 41, 10):
            accuracy = 0.5 + slope * step / 100 if slope > 0.5 else slope - step / 1000
            trial.report(measures.reported(accuracy, objectives), step)
            if trial.should_prune():
                pruned.append(number)
                break
        value, pruned_state = measures.reported(slope, objectives), optuna.trial.TrialState.PRUNED
        study.tell(trial, None, state=pruned_state) if number in pruned else study.tell(trial, value)
    assert bool(pruned) == (name != "none")
    assert 0 not in pruned


@pytest.mark.parametrize("name", ["hyperband", "successive_halving"])
def test_no_rung_lies_before_the_first_report(name: str) -> None:
    assert samplers.pruner(name, {}, 400, 3000)._min_resource == 400  # type: ignore[attr-defined]
    assert samplers.pruner(name, {"min_resource": 100}, 400, 3000)._min_resource == 100  # type: ignore[attr-defined]


def test_patience_wraps_another_pruner() -> None:
    options = {"patience": 2, "wrapped": "percentile", "wrapped_options": {"percentile": 50.0}}
    pruner: Any = samplers.pruner("patient", options, 10, 40)
    assert (type(pruner).__name__, pruner._patience) == ("PatientPruner", 2)
    assert type(pruner._wrapped_pruner).__name__ == "PercentilePruner"
    default: Any = samplers.pruner("patient", {}, 10, 40)
    assert default._patience == 1
    assert type(samplers.pruner("patient", {"patience": 2}, 10, 40)._wrapped_pruner).__name__ == "MedianPruner"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kind", "name", "options", "sentence"),
    [
        ("sampler", "tpe", {"n_startup_trial": 3}, "tpe has no 'n_startup_trial' .did you mean 'n_startup_trials'"),
        ("sampler", "nsgaii", {"population_size": 1}, "nsgaii cannot be made .*: mend or leave out the option"),
        ("sampler", "random", {"x": 1}, "random has no 'x': it has seed"),
        ("pruner", "median", {"n_warmup_step": 3}, "median has no 'n_warmup_step' .did you mean 'n_warmup_steps'"),
        ("pruner", "threshold", {}, r"threshold needs a bound.*: write \+sweeper.pruner_options.lower=0.5"),
        ("pruner", "threshold", {"lowr": 1}, "threshold needs a bound"),
        ("pruner", "patient", {"wrapped": "threshold"}, "threshold needs a bound"),
        ("pruner", "percentile", {"percentile": 101}, "percentile cannot be made"),
        (
            "pruner",
            "patient",
            {"patience": 1, "wrapped": "medain"},
            "pruner=medain is not known .did you mean 'median'",
        ),
        ("pruner", "patient", {"patience": 1, "wrapped_options": {"x": 1}}, "median has no 'x'"),
        ("pruner", "patient", {"patience": 1, "wrapped_options": 3}, "wrapped_options must hold options, .*but is 3"),
    ],
)
def test_wrong_options(kind: str, name: str, options: Mapping[str, Any], sentence: str) -> None:
    with pytest.raises(KwsError) as caught:
        samplers.sampler(name, options, 1) if kind == "sampler" else samplers.pruner(name, options, 10, 40)
    assert re.search(sentence, str(caught.value)), caught.value
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("sampler", "pruner", "sentence"),
    [
        ("tp", "none", "sweeper.sampler=tp is not known .did you mean 'tpe'.*: it is one of auto, tpe"),
        ("tpe", "hyperbnd", "sweeper.pruner=hyperbnd is not known .did you mean 'hyperband'"),
    ],
)
def test_wrong_names(sampler: str, pruner: str, sentence: str) -> None:
    with pytest.raises(KwsError, match=sentence):
        samplers.check_names(sampler, pruner)
