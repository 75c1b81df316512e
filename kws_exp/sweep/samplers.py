"""Optuna's samplers and pruners by name, made with Optuna's own defaults unless ``*_options`` say otherwise.

``grid`` and ``brute_force`` are no samplers here: every point of the space becomes a waiting trial. The surprising
fact: a sampler must not be seeded alike in two parents of one study, or both would begin with the same trials.
"""

from __future__ import annotations

import importlib.util
import inspect
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kws_exp.errors import KwsError, nearest
from kws_exp.sweep.space import Choices, Space

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

SAMPLERS = {
    "auto": None,  # what Optuna takes by itself
    "tpe": "TPESampler",
    "random": "RandomSampler",
    "cmaes": "CmaEsSampler",
    "nsgaii": "NSGAIISampler",
    "nsgaiii": "NSGAIIISampler",
    "qmc": "QMCSampler",
    "gp": "GPSampler",
    "grid": None,
    "brute_force": None,
}
GRIDS = ("grid", "brute_force")
PRUNERS = {
    "none": "NopPruner",
    "hyperband": "HyperbandPruner",
    "successive_halving": "SuccessiveHalvingPruner",
    "median": "MedianPruner",
    "percentile": "PercentilePruner",
    "patient": "PatientPruner",
    "threshold": "ThresholdPruner",
}
# what a sampler relates to each other, where that is not all
RELATED = {"cmaes": "numbers that every trial has", "gp": "what every trial has", "qmc": "what the first trial has"}
NEEDS = {"cmaes": ("cmaes", "cmaes"), "gp": ("torch", "gp")}  # sampler -> module, extra of ours that brings it


def check_names(sampler: str, pruner: str) -> None:
    """Refuse a name that is none, before Optuna is imported."""
    for setting, name, known in (("sampler", sampler, SAMPLERS), ("pruner", pruner, PRUNERS)):
        if name not in known:
            raise KwsError(
                f"sweeper.{setting}={name} is not known{nearest(name, known)}: it is one of {', '.join(known)}"
            )


def sampler(name: str, options: Mapping[str, Any], seed: int) -> BaseSampler:
    """Return a sampler.

    Raises:
        KwsError: a package is missing, or an option is none of the sampler's.
    """
    import optuna

    class_name = SAMPLERS[name] or ("RandomSampler" if name in GRIDS else "TPESampler")
    module, extra = NEEDS.get(name, ("optuna", ""))
    if importlib.util.find_spec(module) is None:
        raise KwsError(f"sweeper.sampler={name} needs the package {module}: pip install 'kws-exp[{extra}]'")
    given = {"seed": seed} | ({"warn_independent_sampling": False} if name in RELATED else {}) | dict(options)
    return _made("sampler", name, getattr(optuna.samplers, class_name), given)


def limits(name: str, space: Space) -> str | None:
    """Return a sentence on what a sampler does not learn of a space; Optuna would warn of it at every trial."""
    if name not in RELATED:
        return None
    drawn = [p.name for p in space.parameters if p.condition or (name == "cmaes" and isinstance(p.domain, Choices))]
    related = f"sweeper.sampler={name} relates only {RELATED[name]}"
    return f"{related}; it may draw at random: {', '.join(drawn)}" if drawn else None


def pruner(name: str, options: Mapping[str, Any], eval_interval: int, steps: int) -> BasePruner:
    """Return a pruner for runs of so many steps.

    Raises:
        KwsError: an option is none of the pruner's, or one is missing.
    """
    import optuna

    # Optuna counts from resource 1, which for 3,000 steps makes eight brackets of which seven prune before a report
    defaults: dict[str, dict[str, Any]] = {
        "hyperband": {"min_resource": eval_interval, "max_resource": steps},
        "successive_halving": {"min_resource": eval_interval},
        "percentile": {"percentile": 25.0},
        "patient": {"patience": 1},  # evaluation without a better one
    }
    if name == "threshold" and not {"lower", "upper"} & set(options):
        raise KwsError(
            "sweeper.pruner=threshold needs a bound, but has none: write +sweeper.pruner_options.lower=0.5, the lowest "
            "validation accuracy"
        )
    given = defaults.get(name, {}) | dict(options)
    if name == "patient":  # wraps another, median unless said otherwise
        inner = given.pop("wrapped", "median")
        check_names("auto", inner)
        wrapped_options = given.pop("wrapped_options", {})
        if not isinstance(wrapped_options, Mapping):
            raise KwsError(
                "sweeper.pruner_options.wrapped_options must hold options, as in {n_warmup_steps: 400}, but is "
                f"{wrapped_options}"
            )
        given["wrapped_pruner"] = pruner(inner, wrapped_options, eval_interval, steps)
    return _made("pruner", name, getattr(optuna.pruners, PRUNERS[name]), given)


def _made(kind: str, name: str, maker: Any, options: Mapping[str, Any]) -> Any:
    known = list(inspect.signature(maker).parameters)
    for option in options:
        if option not in known:
            raise KwsError(
                f"sweeper.{kind}_options: {name} has no '{option}'{nearest(option, known)}: it has {', '.join(known)}"
            )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # experimental, says Optuna of its own parts
            return maker(**options)
    except (TypeError, ValueError) as error:
        raise KwsError(
            f"sweeper.{kind}_options: {name} cannot be made ({error}): mend or leave out the option"
        ) from error
