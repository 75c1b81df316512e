"""The update rule and its learning rate at every step.

Steps count from 1, as in the classic trainer and in our curves; Keras' ``iterations`` count from 0, so
step k is computed at ``iterations == k - 1``. Keras' momentum keeps the rate inside the velocity where
TensorFlow 1 multiplied it in at the update: the two differ only in the few steps after the rate drops.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from kws_exp.errors import KwsError, nearest
from kws_exp.schema import Optimizer

if TYPE_CHECKING:
    import keras

NAMES = ("gradient_descent", "momentum", "adam", "adamw")
SCHEDULES = ("auto", "piecewise", "cosine")


def build(settings: Optimizer, steps: Sequence[int]) -> keras.optimizers.Optimizer:
    """Build the optimizer for ``sum(steps)`` steps; ``steps`` are the lengths of the stages.

    Raises:
        KwsError: for the reasons that :func:`check` gives.
    """
    check(settings, steps)
    import keras

    rate = _rate(settings, steps)
    if settings.name == "gradient_descent":
        return keras.optimizers.SGD(rate)
    if settings.name == "momentum":
        return keras.optimizers.SGD(rate, momentum=settings.momentum, nesterov=settings.nesterov)
    if settings.name == "adam":
        return keras.optimizers.Adam(rate)
    adamw = keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay)
    adamw.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])  # decay is for kernels
    return adamw


def schedule(settings: Optimizer, steps: Sequence[int]) -> str:
    """Return what ``auto`` means: cosine for one stage with one rate, piecewise for several."""
    if settings.schedule != "auto":
        return settings.schedule
    return "cosine" if len(steps) == len(settings.learning_rate) == 1 else "piecewise"


def _rate(settings: Optimizer, steps: Sequence[int]) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Piecewise: stage i's rate through its last step, as the classic. Cosine: 0 -> peak -> 0."""
    import keras

    schedules = keras.optimizers.schedules
    rates = list(settings.learning_rate)
    if schedule(settings, steps) == "piecewise":
        lasts = [last - 1 for last in accumulate(steps)]  # iterations of each stage's last step
        return schedules.PiecewiseConstantDecay(lasts[:-1], rates) if len(rates) > 1 else rates[0]
    if settings.warmup_steps == 0:
        return schedules.CosineDecay(rates[0], sum(steps))
    return schedules.CosineDecay(
        0.0, sum(steps) - settings.warmup_steps, warmup_target=rates[0], warmup_steps=settings.warmup_steps
    )


def check(settings: Optimizer, steps: Sequence[int]) -> None:
    """Refuse settings that make no optimizer, or that would have no effect, without importing Keras.

    Raises:
        KwsError: an unknown rule or schedule, a number out of range, lists of different length, or a
            setting that the chosen rule or schedule does not use.
    """
    for key, value, known in (("name", settings.name, NAMES), ("schedule", settings.schedule, SCHEDULES)):
        if value not in known:
            raise KwsError(f"optimizer.{key} must be one of {', '.join(known)}, not '{value}'{nearest(value, known)}")
    _check_ranges(settings)
    if schedule(settings, steps) == "cosine":
        _check_cosine(settings, steps)
    else:
        _check_piecewise(settings, steps)


def _check_ranges(settings: Optimizer) -> None:
    """Check each number by itself, and that weight decay has a rule that applies it."""
    for rate in settings.learning_rate:
        if not (rate > 0 and math.isfinite(rate)):
            raise KwsError(
                f"optimizer.learning_rate must be above 0, not {rate}: write e.g. optimizer.learning_rate=[0.001]"
            )
    if not 0 <= settings.momentum < 1:
        raise KwsError(
            f"optimizer.momentum must be at least 0 and below 1, not {settings.momentum}: write optimizer.momentum=0.9"
        )
    decay = settings.weight_decay
    if not (decay >= 0 and math.isfinite(decay)):
        raise KwsError(f"optimizer.weight_decay must be 0 or more, not {decay}: write optimizer.weight_decay=0")
    if decay > 0 and settings.name != "adamw":
        raise KwsError(
            f"optimizer.weight_decay={decay} has no effect with {settings.name}: "
            "choose optimizer=adamw, or leave it out"
        )


def _check_piecewise(settings: Optimizer, steps: Sequence[int]) -> None:
    """One rate per stage, and no warm-up."""
    if len(settings.learning_rate) != len(steps):
        raise KwsError(
            f"optimizer.learning_rate needs one rate per stage, {len(steps)} for train.steps={list(steps)}, "
            f"not {len(settings.learning_rate)}: write e.g. optimizer.learning_rate={_example_rates(len(steps))}"
        )
    if settings.warmup_steps != 0:
        raise KwsError(
            f"optimizer.warmup_steps={settings.warmup_steps} has no effect with "
            "optimizer.schedule=piecewise: write optimizer.schedule=cosine, or leave it out"
        )


def _example_rates(stages: int) -> str:
    """Return a list of rates, each a tenth of the one before, as the classic's two are."""
    return f"[{','.join(f'{10.0 ** -(3 + stage):g}' for stage in range(stages))}]"


def _check_cosine(settings: Optimizer, steps: Sequence[int]) -> None:
    """One rate, the peak, and a warm-up that ends before training does."""
    if len(settings.learning_rate) != 1:
        raise KwsError(
            f"optimizer.schedule=cosine takes one rate, its peak, not {settings.learning_rate}: "
            "write e.g. optimizer.learning_rate=[0.001], or optimizer.schedule=piecewise"
        )
    if not 0 <= settings.warmup_steps < sum(steps):
        raise KwsError(
            f"optimizer.warmup_steps must be at least 0 and below the {sum(steps)} steps of train.steps, "
            f"not {settings.warmup_steps}: write e.g. optimizer.warmup_steps={sum(steps) // 20}"
        )
