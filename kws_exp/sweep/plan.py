"""From the command line to a plan: everything a sweep will do, checked before anything is started.

Every choice of the space and both ends of every number are composed and validated once, so that a sweep does not find
out at its thirtieth trial that a setting is misspelt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, islice
from math import ceil, floor
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from kws_exp import config as configuration
from kws_exp import start
from kws_exp.cpu import cores
from kws_exp.errors import KwsError
from kws_exp.schema import Config, Sweeper
from kws_exp.sweep import measures, needs, samplers, storage, syntax
from kws_exp.sweep import space as spaces
from kws_exp.sweep.identity import comparable
from kws_exp.sweep.measures import Limit, Objectives
from kws_exp.sweep.space import Numbers, Space, Values

TRIALS = 20  # where n_trials is not given
MOST_WORKERS = 4  # by default; each takes about 1 GB
MOST_POINTS = 10_000  # of a grid, unless n_trials says so; more are a mistake more often than a wish
STUDY_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}"  # it names a folder too
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
    known: tuple[Values, ...]  # the baselines, with which they begin
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
    def baselines(self) -> int:
        """How many trials are baselines."""
        return len(self.known)

    @property
    def identity(self) -> dict[str, Any]:
        """What makes two sweeps the same study; how many trials, workers and samplers may change between commands."""
        return {
            "space": self.space.to_json(),
            "objectives": dict(self.objectives),
            "constraints": [asdict(limit) for limit in self.limits],
            "seeds": self.settings.seeds,
            "grid": self.settings.sampler in samplers.GRIDS,
            "baselines": [dict(values) for values in self.known],
            "settings": comparable(self.config),
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
    known = _baselines(settings, space, fixed)
    wanted = _wanted(settings, space, known)
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
        tuple(measures.limits(asdict(settings.constraints))),
        wanted,
        known,
        re.sub("[^A-Za-z0-9._-]", "-", sweep),
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
    if settings.study is not None and not re.fullmatch(STUDY_NAME, settings.study):
        near = re.sub("[^A-Za-z0-9._-]+", "-", settings.study).strip(".-")[:200] or "tune"
        raise KwsError(
            f"sweeper.study='{settings.study}' must be letters, digits, '.', '_' and '-', at most 200, with a letter, "
            f"digit or '_' first: write sweeper.study={near}"
        )
    if settings.trial is not None:
        raise KwsError(f"sweeper.trial={settings.trial} is set by the sweep itself, for its jobs: leave it out")


def _baselines(settings: Sweeper, space: Space, fixed: Sequence[str]) -> tuple[Values, ...]:
    pinned = dict(item.lstrip("+").partition("=")[::2] for item in fixed)
    written = [_unpinned(_mapping(item), pinned) for item in settings.baselines]
    return tuple(space.point(item) for item in written if item is not None)


def _wanted(settings: Sweeper, space: Space, known: Sequence[Values]) -> tuple[Values, ...]:
    """Return the fixed values of each trial."""
    if settings.sampler not in samplers.GRIDS:
        return tuple([*known, *([{}] * ((settings.n_trials or TRIALS) - len(known)))][: settings.n_trials])
    points = space.size()
    if settings.n_trials is None and points > MOST_POINTS:
        raise KwsError(
            f"sweeper.sampler={settings.sampler} makes at most {MOST_POINTS:,} trials by itself, but the space has "
            f"{points:,} points: take coarser steps, sweeper.sampler=tpe, or the first of them by "
            f"sweeper.n_trials={MOST_POINTS}"
        )
    others = (point for point in space.every() if point not in known)
    return tuple(islice(chain(known, others), settings.n_trials))


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
    if settings.pruner == "threshold" and measures.minimizes(plan.objectives):
        raise KwsError(
            "sweeper.pruner=threshold bounds the validation accuracy, so its objective must be one to maximize, but is "
            f"{next(iter(plan.objectives))}: take sweeper.pruner=median, or limit it by sweeper.constraints"
        )
    if several and settings.sampler == "cmaes":
        raise KwsError(
            f"sweeper.sampler=cmaes needs one objective, but there are {len(plan.objectives)} "
            f"({', '.join(plan.objectives)}): take sweeper.sampler=tpe, or limit the others by sweeper.constraints"
        )
    named = _named(plan)
    needs.check_tools(named)
    needs.check_measured(plan.config, named)
    samplers.sampler(settings.sampler, settings.sampler_options, 0)
    samplers.pruner(settings.pruner, settings.pruner_options, plan.config.train.eval_interval, plan.steps)


def _named(plan: Plan) -> list[str]:
    """Return every measure that the sweep asks for."""
    pruned_by = ["accuracy"] if plan.settings.pruner != "none" else []
    limited = [limit.measure for limit in plan.limits]
    return [*plan.objectives, *limited, *measures.shown(plan.settings.report), *pruned_by]


def _check_points(plan: Plan) -> None:
    configs, named = [], _named(plan)
    for point in plan.space.samples():
        try:
            config = configuration.from_hydra(configuration.compose(plan.overrides(point)))
            start.check(config)
            needs.check_measured(config, named)
        except KwsError as error:
            told = _whole(plan.space, point, str(error)) or error
            raise KwsError(f"no trial could have {' '.join(plan.space.overrides(point))}: {told}") from error
        configs.append(config)
    needs.check_evaluations(plan.settings.pruner, configs)


def _whole(space: Space, point: Values, complaint: str) -> str | None:
    """Return the sentence for an interval of real numbers where a setting takes whole ones; None for other mistakes."""
    for parameter in space.parameters:
        domain, setting = parameter.domain, parameter.setting.lstrip("+")
        wrong = re.match(rf"{re.escape(setting)}(\[\d+\])? must be a whole number", complaint)
        if parameter.name in point and wrong and isinstance(domain, Numbers) and domain.step is None:
            interval = f"int(interval({ceil(domain.low)},{floor(domain.high)}))"
            written = f"tag(log, {interval})" if domain.log else interval
            return f"{setting} must be a whole number: write {setting}={written}"
    return None
