"""From the command line to a plan: everything a sweep will do, checked before anything is started.

Every choice of the space and both ends of every number are composed and validated once, so that a sweep does not find
out at its thirtieth trial that a setting is misspelt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from kws_exp import config as configuration
from kws_exp import start
from kws_exp.cpu import cores
from kws_exp.errors import KwsError
from kws_exp.schema import Config, Sweeper, Tracking
from kws_exp.sweep import measures, samplers, storage, syntax
from kws_exp.sweep import space as spaces
from kws_exp.sweep.measures import DEVICE, FOOTPRINT, Limit, Objectives
from kws_exp.sweep.space import Space, Values

TRIALS = 20  # where n_trials is not given
MOST_WORKERS = 4  # by default; each takes about 1 GB
AT_LEAST = {"n_trials": 1, "seeds": 1, "workers": 1, "trial_timeout": 1, "max_failures": 1}


@dataclass(frozen=True)
class Plan:
    """A sweep that may begin."""

    arguments: tuple[str, ...]  # the command line
    fixed: tuple[str, ...]  # its part that all trials share
    config: Config  # that the fixed part composes to
    settings: Sweeper
    space: Space
    objectives: Objectives
    limits: tuple[Limit, ...]
    wanted: tuple[Values, ...]  # fixed values of each trial; empty where the sampler chooses
    baselines: int  # how many of them are baselines
    sweep: str  # name of the file in sweeps/, or "sweep"
    storage: str  # as kws_exp.sweep.storage.resolve gives it

    @property
    def workers(self) -> int:
        """Processes to run."""
        return self.settings.workers or min(cores(), MOST_WORKERS)

    @property
    def steps(self) -> int:
        """Training steps of a trial."""
        return sum(self.config.train.steps)

    @property
    def identity(self) -> dict[str, Any]:
        """What makes two sweeps the same study; how many trials, workers and samplers may change between commands."""
        data = replace(self.config.data, cache_dir=None)
        alike = replace(
            self.config, data=data, output_dir="", verbosity="", name=None, tags={}, tracking=Tracking(), resume=None
        )
        return {
            "space": self.space.to_json(),
            "objectives": dict(self.objectives),
            "constraints": [asdict(limit) for limit in self.limits],
            "seeds": self.settings.seeds,
            "settings": hashlib.sha256(configuration.to_yaml(alike).encode()).hexdigest()[:16],
        }

    def overrides(self, values: Values) -> tuple[str, ...]:
        """Return the command line of a trial."""
        return (*self.fixed, *self.space.overrides(values))


def read(arguments: Sequence[str]) -> Plan:
    """Read and check a command line.

    Raises:
        KwsError: the first rule that it breaks.
    """
    parsed = OverridesParser.create().parse_overrides(list(arguments))
    swept = [str(item.input_line) for item in parsed if item.is_sweep_override()]
    fixed = [text for text, item in zip(arguments, parsed, strict=True) if not item.is_sweep_override()]
    composed = configuration.compose(fixed)
    config, settings = configuration.both(composed)
    if config.resume:
        raise KwsError("a sweep goes on by its own command line, and 'resume' is for a single run: leave it out")
    _check(settings)
    space = syntax.read(settings.space, swept, fixed, lambda setting: configuration.holds_list(composed, setting))
    objectives = measures.objectives(settings.objectives)
    limits = {name: value for name, value in asdict(settings.constraints).items() if value is not None}
    wanted, baselines = _wanted(settings, space, fixed)
    sweep = next((item.partition("=")[2] for item in fixed if item.startswith("sweeps=")), "sweep")
    resolved = storage.resolve(settings.storage, config.output_dir)
    start.check(config)
    plan = Plan(
        tuple(arguments),
        tuple(fixed),
        config,
        settings,
        space,
        objectives,
        tuple(measures.limits(limits)),
        wanted,
        baselines,
        sweep,
        resolved,
    )
    _check_together(plan)
    _check_points(plan)
    return plan


def _check(settings: Sweeper) -> None:
    for name, least in AT_LEAST.items():
        value = getattr(settings, name)
        if value is not None and not value >= least:  # nan is neither
            raise KwsError(f"sweeper.{name} must be at least {least}, but is {value}: write sweeper.{name}={least}")
    samplers.check_names(settings.sampler, settings.pruner)


def _wanted(settings: Sweeper, space: Space, fixed: Sequence[str]) -> tuple[tuple[Values, ...], int]:
    """Return the fixed values of each trial, and how many of them are baselines."""
    pinned = dict(item.lstrip("+").partition("=")[::2] for item in fixed)
    written = [_unpinned(_mapping(item), pinned) for item in settings.baselines]
    baselines: list[Values] = [space.point(item) for item in written if item is not None]
    if settings.sampler in samplers.GRIDS:
        points = [*baselines, *(point for point in space.every() if point not in baselines)]
        return tuple(points[: settings.n_trials]), len(baselines)
    count = settings.n_trials or max(TRIALS, len(baselines))
    return tuple([*baselines, *([{}] * count)][:count]), len(baselines)


def _unpinned(baseline: Mapping[str, Any], pinned: Mapping[str, str]) -> Mapping[str, Any] | None:
    """Leave out what the command line fixes; None for a baseline that it rules out."""
    if any(spaces.text(spaces.typed(baseline[key])) != pinned[key] for key in baseline.keys() & pinned.keys()):
        return None
    return {key: value for key, value in baseline.items() if key not in pinned}


def _mapping(item: Any) -> Mapping[str, Any]:
    if not isinstance(item, Mapping):
        raise KwsError(
            f"sweeper.baselines must hold settings with their values, but holds '{item}': "
            "write sweeper.baselines=[{model: tiny_conv}]"
        )
    return item


def _check_together(plan: Plan) -> None:
    settings, several = plan.settings, len(plan.objectives) > 1
    if several and settings.pruner != "none":
        raise KwsError(
            f"sweeper.pruner={settings.pruner} needs one objective, but there are {len(plan.objectives)} "
            f"({', '.join(plan.objectives)}): take sweeper.pruner=none, or limit the others by sweeper.constraints"
        )
    if several and settings.sampler == "cmaes":
        raise KwsError(
            f"sweeper.sampler=cmaes needs one objective, but there are {len(plan.objectives)} "
            f"({', '.join(plan.objectives)}): take sweeper.sampler=tpe, or limit the others by sweeper.constraints"
        )
    named = [*plan.objectives, *(limit.measure for limit in plan.limits), *measures.shown(settings.report)]
    if FOOTPRINT in measures.needed(named):
        from kws_exp import footprint

        footprint.check()
    if DEVICE in measures.needed(named) and not plan.config.export.enabled:
        raise KwsError("device_accuracy is measured on the exported model, but export is off: leave out export=none")
    samplers.sampler(settings.sampler, settings.sampler_options, 0)
    samplers.pruner(settings.pruner, settings.pruner_options, plan.config.train.eval_interval, plan.steps)


def _check_points(plan: Plan) -> None:
    for point in plan.space.samples():
        varied = plan.space.overrides(point)
        try:
            start.check(configuration.from_hydra(configuration.compose(plan.overrides(point))))
        except KwsError as error:
            raise KwsError(f"no trial could have {' '.join(varied)}: {error}") from error
