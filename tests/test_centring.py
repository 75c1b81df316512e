"""A centred step on an input of mean 13 is a plain step on the same input mapped to mean 0."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kws_exp import models
from kws_exp.centring import first_layers, updater
from kws_exp.models import ARCHITECTURES
from kws_exp.schema import InputRange

VALUES = InputRange(0.0, 26.0, 13.0, 7.5)


def network(bias: bool) -> Any:
    import keras

    inputs = keras.Input((6, 5, 1))
    heard = keras.layers.Conv2D(3, (3, 2), padding="valid", activation="relu", use_bias=bias, name="first")(inputs)
    return keras.Model(inputs, keras.layers.Dense(2, name="last")(keras.layers.Flatten()(heard)))


def step(model: Any, apply: Any, inputs: NDArray[np.float32]) -> None:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(inputs) - [1.0, -1.0]))
    apply(tape.gradient(loss, model.trainable_variables))


@pytest.mark.parametrize("rule", ["SGD", "AdamW"])
def test_equals_a_plain_step_on_the_mapped_input(rule: str) -> None:
    import keras

    inputs = np.random.default_rng(0).uniform(VALUES.lowest, VALUES.highest, (20, 6, 5, 1)).astype(np.float32)
    mapped = (inputs - np.float32(VALUES.mean)) / np.float32(VALUES.deviation)
    raw, plain = network(bias=True), network(bias=True)
    plain.set_weights(raw.get_weights())
    kernel, bias = raw.get_layer("first").get_weights()
    plain.get_layer("first").set_weights([kernel * VALUES.deviation, bias + VALUES.mean * kernel.sum(axis=(0, 1, 2))])
    np.testing.assert_allclose(raw(inputs), plain(mapped), rtol=1e-4, atol=1e-5)
    rules = [getattr(keras.optimizers, rule)(0.01) for _ in range(2)]
    centred = updater(rules[0], raw, VALUES)
    for _ in range(5):
        step(raw, centred, inputs)
        step(plain, updater(rules[1], plain, None), mapped)
    np.testing.assert_allclose(raw(inputs), plain(mapped), rtol=1e-2, atol=2e-3)  # Adam divides small by small


def test_a_layer_without_bias_is_scaled_alone() -> None:
    import keras

    inputs = np.random.default_rng(0).uniform(VALUES.lowest, VALUES.highest, (20, 6, 5, 1)).astype(np.float32)
    model = network(bias=False)
    before = model.get_layer("first").kernel.numpy()
    step(model, updater(keras.optimizers.Adam(0.01), model, VALUES), inputs)
    moved = np.abs(model.get_layer("first").kernel.numpy() - before)
    assert 0 < moved.max() <= 0.01 / VALUES.deviation * 1.01


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_finds_the_first_layers_of_every_architecture(name: str) -> None:
    settings = ARCHITECTURES[name].settings(name)
    found = first_layers(models.build(settings, 49, 40, 4, seed=0))
    assert len(found) == (2 if name == "low_latency_svdf" else 1)
    assert all(hasattr(layer, "kernel") for layer in found)
