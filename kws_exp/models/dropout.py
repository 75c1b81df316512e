"""Dropout whose masks cost a quarter: eight random bits for each value, where Keras draws a float of 32.

Drawing them was the largest part of a step: of tiny_conv's 6.3 ms on two cores, StatelessRandomUniformV2 took 2.5 and
Keras's two selections 1.0 (``python -m benchmarks step``). The price is that a rate is a multiple of 1/256: 0.2 becomes
0.199. Imported where a network is built, for it imports Keras.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

LEVELS = 256  # of a random byte


class Dropout(keras.layers.Dropout):
    """Sets values to 0 in training, each for itself, and scales the others so that the mean stays."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return inputs (any shape), in training with values dropped."""
        if not training or not self.rate:
            return inputs
        kept = min(max(round(LEVELS * (1 - self.rate)), 1), LEVELS - 1)
        size = tf.size(inputs)
        words = tf.random.stateless_uniform(
            [(size + 3) // 4], self.seed_generator.next(), minval=None, maxval=None, dtype=tf.uint32
        )
        octets = tf.reshape(tf.bitcast(words, tf.uint8), [-1])[:size]
        mask = tf.cast(tf.reshape(octets, tf.shape(inputs)) < tf.constant(kept, tf.uint8), inputs.dtype)
        return inputs * (mask * tf.constant(LEVELS / kept, inputs.dtype))
