"""The compiled training step: forward, backward, update; several steps in one call of TensorFlow.

Entering and leaving TensorFlow costs 0.9 ms, a fifth of a step of tiny_conv (``python -m benchmarks step``). How
many steps go in one call changes no bit of what they compute: a run may be stopped and resumed between any two calls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kws_exp import centring, features, precision
from kws_exp.pipeline import Source
from kws_exp.schema import Config

if TYPE_CHECKING:
    import keras

MOST_STEPS = 10  # in one call: 4.0 ms a step of tiny_conv become 3.2
LONGEST_CALL = 1.0  # seconds, for Ctrl-C is heard between two calls


class Learned(NamedTuple):
    """What each step of a call found, shape (steps,)."""

    losses: NDArray[np.float32]  # mean cross-entropy of the batch
    hits: NDArray[np.int32]  # right answers
    rates: NDArray[np.float32]  # learning rate


Learn = Callable[..., Learned]
"""Takes the arrays of a :class:`kws_exp.pipeline.Group`."""


def build(config: Config, model: keras.Model, update: keras.optimizers.Optimizer, source: Source) -> Learn:
    """Return the function that trains ``model`` in place by one step after the other, fed by ``source``."""
    import tensorflow as tf

    step = _step(config, model, update)
    signature = [tf.TensorSpec((None, *shape), kind) for shape, kind in source.like]

    @tf.function(input_signature=signature)
    def steps(*arrays: Any) -> tuple[Any, Any, Any]:
        count = tf.shape(arrays[0])[0]
        losses, rates = (tf.TensorArray(tf.float32, count) for _ in range(2))
        hits = tf.TensorArray(tf.int32, count)
        for i in tf.range(count):
            batch, labels = source.read(*(array[i] for array in arrays))
            loss, right, rate = step(batch[..., tf.newaxis], labels)
            losses, hits, rates = losses.write(i, loss), hits.write(i, right), rates.write(i, rate)
        return losses.stack(), hits.stack(), rates.stack()

    return lambda *arrays: Learned(*(found.numpy() for found in steps(*arrays)))


def _step(
    config: Config, model: keras.Model, update: keras.optimizers.Optimizer
) -> Callable[[Any, Any], tuple[Any, Any, Any]]:
    import keras
    import tensorflow as tf

    cross_entropy = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=config.train.label_smoothing)
    size = len(config.labels)
    values = features.input_range(config.features) if config.optimizer.centre_input else None
    apply = centring.updater(update, model, values)
    forward = precision.forward(model, config.train.precision)

    def step(batch: Any, labels: Any) -> tuple[Any, Any, Any]:
        rate = tf.identity(update.learning_rate)  # before the update counts the step
        with tf.GradientTape() as tape:
            logits = forward(batch)
            loss = cross_entropy(tf.one_hot(labels, size), logits)
            total = tf.add_n([loss, *model.losses])
        apply(tape.gradient(total, model.trainable_variables))
        hits = tf.reduce_sum(tf.cast(tf.equal(tf.argmax(logits, axis=1), labels), tf.int32))
        return loss, hits, rate

    return step


@dataclass
class Pace:
    """How many steps go in one call: one at first, then as many as are known to take less than a second."""

    steps: int = 1

    def took(self, steps: int, seconds: float) -> None:
        """Learn from a call; the first one compiles and seems long, so the second is of one step as well."""
        self.steps = min(max(int(LONGEST_CALL * steps / max(seconds, 1e-9)), 1), MOST_STEPS)
