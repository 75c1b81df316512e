"""Batch normalisation by TensorFlow's fused operation in training; elsewhere Keras's, so that exports do not change.

Keras writes the training step out as some twenty operations, each of which reads the whole activation again: half of
a step of ds_cnn (``python -m benchmarks step``). Imported where a network is built, for it imports Keras.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


class BatchNormalization(keras.layers.BatchNormalization):
    """Normalises the last axis of (batch, height, width, channels) by the batch's mean and variance in training."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return normalised inputs, same shape; in training the moving statistics move too."""
        if not training or not self.trainable or mask is not None:
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, self.gamma, self.beta, epsilon=self.epsilon, is_training=True
        )
        values = tf.cast(tf.size(inputs) // tf.shape(inputs)[-1], tf.float32)
        biased = variance * ((values - 1) / values)  # the operation's is that of a sample, Keras's that of the batch
        for moving, new in ((self.moving_mean, mean), (self.moving_variance, biased)):
            moving.assign(moving * self.momentum + new * (1 - self.momentum))
        return outputs
