"""Training with bfloat16 products: nearly the same losses, and a network that stays float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kws_exp import framework, learner, models, optimizer, pipeline, precision
from kws_exp.features.log_mel import LogMel
from kws_exp.models.ds_cnn import DsCnn
from kws_exp.models.low_latency_svdf import LowLatencySvdf
from kws_exp.models.tiny_conv import TinyConv
from kws_exp.schema import Config, Data, Model, Train

STEPS = 12


def trained(model: Model, wanted: str) -> tuple[Any, learner.Learned]:
    """Return a network and what its first steps found, on patterns that differ in level."""
    config = Config(["yes", "no"], Data(), LogMel(), model, train=Train(batch_size=32, precision=wanted))
    framework.start(1)
    built = models.build(model, 49, 40, 4, 1)
    update = optimizer.build(config.optimizer, [STEPS])
    update.build(built.trainable_variables)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, (STEPS, 32))
    batches = rng.normal(labels[..., None, None], 1, (STEPS, 32, 49, 40)).astype(np.float32)
    learn = learner.build(config, built, update, pipeline.Source(pipeline.like(config), lambda *_: None))
    return built, learn(batches, labels)


@pytest.mark.slow
@pytest.mark.parametrize("model", [TinyConv(), DsCnn(filters=16, blocks=2), LowLatencySvdf()], ids=lambda one: one.name)
def test_bfloat16_learns_as_float32_does(model: Model) -> None:
    (_, exact), (built, rounded) = (trained(model, wanted) for wanted in ("float32", "bfloat16"))
    assert not np.array_equal(rounded.losses, exact.losses)
    np.testing.assert_allclose(rounded.losses, exact.losses, rtol=0.05)
    assert exact.losses[-1] < exact.losses[0]
    assert {variable.dtype for variable in built.trainable_variables} == {"float32"}
    assert {layer.compute_dtype for layer in built.layers} == {"float32"}


def test_auto_is_float32_without_a_gpu() -> None:
    import tensorflow as tf

    gpu = bool(tf.config.list_physical_devices("GPU"))
    assert precision.resolve("auto") == (precision.BFLOAT16 if gpu else precision.FLOAT32)
    assert precision.resolve("bfloat16") == "bfloat16"
