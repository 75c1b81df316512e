"""The rate of every step, and one update of every rule against its formula."""

from __future__ import annotations

import math
from itertools import accumulate
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from kws_exp import optimizer
from kws_exp.errors import KwsError
from kws_exp.schema import Optimizer

CONF = Path(__file__).parents[1] / "conf" / "optimizer"


def rate_of(built: keras.optimizers.Optimizer, step: int) -> float:
    built.iterations.assign(step - 1)
    return float(built.learning_rate)


@pytest.mark.parametrize("name", optimizer.NAMES)
def test_rate_drops_after_the_last_step_of_each_stage(name: str) -> None:
    built = optimizer.build(Optimizer(name=name, learning_rate=[0.1, 0.01, 0.001]), [1200, 300, 50])
    heard = [rate_of(built, step) for step in (1, 1199, 1200, 1201, 1500, 1501, 1550, 1551)]
    assert heard == pytest.approx([0.1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001, 0.001])


def test_one_stage_keeps_its_rate() -> None:
    built = optimizer.build(Optimizer(learning_rate=[0.02]), [100])
    assert [rate_of(built, step) for step in (1, 100)] == pytest.approx([0.02, 0.02])


@given(stages=st.lists(st.tuples(st.integers(1, 40), st.floats(1e-4, 1.0)), min_size=1, max_size=4))
@settings(max_examples=20, deadline=None)
def test_rate_is_the_first_stage_that_reaches_the_step(stages: list[tuple[int, float]]) -> None:
    steps, rates = [length for length, _ in stages], [rate for _, rate in stages]
    built = optimizer.build(Optimizer(learning_rate=rates), steps)
    ends = list(accumulate(steps))
    for step in {1, ends[-1], *ends[:-1], *(end + 1 for end in ends[:-1])}:
        expected = next(rate for end, rate in zip(ends, rates, strict=True) if step <= end)
        assert rate_of(built, step) == pytest.approx(expected)


def test_cosine_rises_from_zero_to_its_peak_and_falls_to_zero() -> None:
    built = optimizer.build(Optimizer(learning_rate=[0.1], schedule="cosine", warmup_steps=100), [800, 300])
    assert rate_of(built, 1) == 0.0
    assert rate_of(built, 51) == pytest.approx(0.05)
    assert rate_of(built, 101) == pytest.approx(0.1)
    assert rate_of(built, 601) == pytest.approx(0.05)
    assert rate_of(built, 1100) == pytest.approx(0.05 * (1 + math.cos(math.pi * 999 / 1000)), rel=1e-2)
    assert rate_of(built, 1101) == pytest.approx(0.0, abs=1e-8)


def test_cosine_without_warm_up_starts_at_its_peak() -> None:
    built = optimizer.build(Optimizer(learning_rate=[0.1], schedule="cosine"), [1000])
    assert [rate_of(built, step) for step in (1, 501, 1001)] == pytest.approx([0.1, 0.05, 0.0], abs=1e-8)


def two_updates(chosen: Optimizer) -> list[float]:
    """The value of a weight that starts at 1 after gradients of 2 and then 3."""
    weight = keras.Variable(1.0, name="kernel")
    built = optimizer.build(chosen, [10])
    values = []
    for gradient in (2.0, 3.0):
        built.apply([keras.ops.convert_to_tensor(gradient)], [weight])
        values.append(float(weight))
    return values


def test_gradient_descent_update() -> None:
    chosen = Optimizer(name="gradient_descent", learning_rate=[0.1])
    assert two_updates(chosen) == pytest.approx([1 - 0.1 * 2, 1 - 0.1 * 2 - 0.1 * 3])


def test_momentum_update_looks_ahead() -> None:
    first, second = two_updates(Optimizer(name="momentum", learning_rate=[0.1]))
    assert first == pytest.approx(1 - 0.1 * (2 + 0.9 * 2))
    assert second == pytest.approx(first - 0.1 * (3 + 0.9 * (0.9 * 2 + 3)))


def test_momentum_update_without_nesterov() -> None:
    chosen = Optimizer(name="momentum", learning_rate=[0.1], momentum=0.5, nesterov=False)
    assert two_updates(chosen) == pytest.approx([1 - 0.1 * 2, 1 - 0.1 * 2 - 0.1 * (0.5 * 2 + 3)])


def adam_steps(rate: float, decay: float = 0.0) -> list[float]:
    first_moment = second_moment = 0.0
    weight, values = 1.0, []
    for step, gradient in enumerate((2.0, 3.0), start=1):
        weight -= rate * decay * weight
        first_moment = 0.9 * first_moment + 0.1 * gradient
        second_moment = 0.999 * second_moment + 0.001 * gradient**2
        corrected = math.sqrt(second_moment / (1 - 0.999**step))
        weight -= rate * first_moment / (1 - 0.9**step) / corrected
        values.append(weight)
    return values


def test_adam_update() -> None:
    assert two_updates(Optimizer(name="adam", learning_rate=[0.1])) == pytest.approx(adam_steps(0.1), rel=1e-5)


def test_adamw_update_decays_kernels_only() -> None:
    chosen = Optimizer(name="adamw", learning_rate=[0.1], weight_decay=0.5)
    assert two_updates(chosen) == pytest.approx(adam_steps(0.1, decay=0.5), rel=1e-5)
    kept = [keras.Variable(np.ones(2, np.float32), name=name) for name in ("bias", "gamma", "beta")]
    optimizer.build(chosen, [10]).apply([keras.ops.zeros(2)] * 3, kept)
    assert all(np.array_equal(variable, [1, 1]) for variable in kept)


@pytest.mark.parametrize("name", optimizer.NAMES)
def test_yaml_file_names_known_settings_that_build(name: str) -> None:
    chosen = OmegaConf.to_object(
        OmegaConf.merge(OmegaConf.structured(Optimizer), OmegaConf.load(CONF / f"{name}.yaml"))
    )
    assert isinstance(chosen, Optimizer)
    assert chosen.name == name
    optimizer.build(chosen, [3000])
    assert {path.stem for path in CONF.glob("*.yaml")} == set(optimizer.NAMES)


MISTAKES = [
    (Optimizer(name="adamm"), "did you mean 'adam'?"),
    (Optimizer(schedule="cosin"), "did you mean 'cosine'?"),
    (Optimizer(learning_rate=[0.1, 0.01]), "needs one rate per stage, 1 for train.steps=[3000], not 2"),
    (Optimizer(learning_rate=[0.0]), "must be above 0, not 0.0"),
    (Optimizer(learning_rate=[float("nan")]), "must be above 0, not nan"),
    (Optimizer(name="momentum", momentum=1.0), "optimizer.momentum must be at least 0 and below 1, not 1.0"),
    (Optimizer(name="adamw", weight_decay=-1.0), "optimizer.weight_decay must be 0 or more, not -1.0"),
    (Optimizer(name="adam", weight_decay=0.1), "choose optimizer=adamw"),
    (Optimizer(warmup_steps=5), "write optimizer.schedule=cosine"),
    (Optimizer(schedule="cosine", learning_rate=[0.1, 0.01]), "takes one rate, its peak"),
    (Optimizer(schedule="cosine", warmup_steps=3000), "below the 3000 steps of train.steps, not 3000"),
    (Optimizer(schedule="cosine", warmup_steps=-1), "not -1"),
]


@pytest.mark.parametrize(("chosen", "sentence"), MISTAKES)
def test_mistakes_are_told_in_a_sentence(chosen: Optimizer, sentence: str) -> None:
    with pytest.raises(KwsError) as caught:
        optimizer.build(chosen, [3000])
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
