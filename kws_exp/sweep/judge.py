"""What a trial comes to: its figures before training, and the outcome of its runs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from kws_exp import evaluate
from kws_exp.data import source
from kws_exp.schema import Config
from kws_exp.sweep import measures
from kws_exp.sweep.measures import FOOTPRINT, Limit, Objectives
from kws_exp.sweep.outcome import COMPLETE, FAILED, Outcome

KB = 1024


def before_training(config: Config, measured: Sequence[str]) -> dict[str, float]:
    """Return what the architecture alone decides, if any measure asks for it.

    Raises:
        KwsError: a tool is missing that measures it.
    """
    if FOOTPRINT not in measures.needed(measured):
        return {}
    from kws_exp import footprint

    found = footprint.of(config, source.cache_dir(config.data), latency="latency_ms" in measured)
    every = {
        "parameters": found.parameters,
        "macs": found.macs,
        "int8_kb": found.int8_bytes / KB,
        "flash_kb": found.flash / KB,
        "ram_kb": found.ram / KB,
        "arena_kb": None if found.arena is None else found.arena / KB,
        "latency_ms": found.latency_ms,
    }
    return {name: float(value) for name, value in every.items() if value is not None}


def excesses(limits: Sequence[Limit], figures: Mapping[str, float]) -> dict[str, float]:
    """Return by how much each limit is broken, as far as the figures are known."""
    return {limit.measure: limit.excess(figures[limit.measure]) for limit in limits if limit.measure in figures}


def after_training(
    objectives: Objectives, limits: Sequence[Limit], figures: Mapping[str, float], runs: Sequence[Mapping[str, float]]
) -> Outcome:
    """Return the outcome of a trial whose runs, one a seed, are all done.

    Args:
        objectives: In the order of the trial's values.
        limits: That it must keep.
        figures: What was known before training.
        runs: Scores of each run (:func:`kws_exp.summary.scores`).
    """
    names = [name for name in runs[0] if all(name in scores for scores in runs)]
    every = {name: [scores[name] for scores in runs] for name in names}
    means = dict(figures) | {name: statistics.fmean(every[name]) for name in names if name in measures.MEASURES}
    constraints = excesses(limits, means)
    lacking = [
        name
        for name in (*objectives, *(limit.measure for limit in limits))
        if not math.isfinite(means.get(name, math.nan))
    ]
    if lacking:
        what = "diverged" if lacking[0] == "loss" else f"gave no {lacking[0]}"
        return Outcome(FAILED, figures=_finite(means), constraints=constraints, reason=f"the run {what}")
    first = next(iter(objectives))
    return Outcome(
        COMPLETE,
        tuple(means[name] for name in objectives),
        tuple(_deviation(every.get(name, ())) for name in objectives) if len(runs) > 1 else None,
        _interval(first, every) if "accuracy" in first else None,
        _finite(means),
        constraints,
    )


def _interval(name: str, every: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    clips = every["test_clips" if name.startswith("test") else "clips"]
    return evaluate.mean_interval(every[name], int(clips[0]))


def _finite(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def _deviation(values: Sequence[float]) -> float:
    """Return the standard deviation, of a sample; 0 for what does not depend on the seed."""
    return statistics.stdev(values) if len(values) > 1 else 0.0
