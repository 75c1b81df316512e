"""The fused batch normalisation against Keras's, which is the plain path."""

from typing import Any

import numpy as np

from kws_exp import framework

SHAPE = (8, 5, 4, 6)


def step(layer: Any, inputs: Any) -> dict[str, Any]:
    """Return outputs, gradients and moving statistics of one training call."""
    import tensorflow as tf

    weights = tf.random.stateless_normal(SHAPE, [3, 4])
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, training=True)
        loss = tf.reduce_sum(outputs * weights)
    gradients = tape.gradient(loss, [inputs, *layer.trainable_variables])
    return {"outputs": outputs, "gradients": gradients, "moving": layer.non_trainable_variables}


def test_training_equals_keras() -> None:
    framework.start(1)
    import keras
    import tensorflow as tf

    from kws_exp.models.batch_normalization import BatchNormalization

    inputs = 5 + 3 * tf.random.stateless_normal(SHAPE, [1, 2])
    found = []
    for kind in (BatchNormalization, keras.layers.BatchNormalization):
        layer = kind(momentum=0.9)
        layer.build(SHAPE)
        layer.gamma.assign(tf.linspace(0.5, 2.0, SHAPE[-1]))
        layer.beta.assign(tf.linspace(-1.0, 1.0, SHAPE[-1]))
        found.append(tf.nest.flatten(step(layer, inputs)))
    for ours, plain in zip(*found, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=1e-4)


def test_inference_is_keras_itself() -> None:
    framework.start(1)
    import keras
    import tensorflow as tf

    from kws_exp.models.batch_normalization import BatchNormalization

    inputs = tf.random.stateless_normal(SHAPE, [1, 2])
    ours, plain = BatchNormalization(), keras.layers.BatchNormalization()
    np.testing.assert_array_equal(ours(inputs, training=False), plain(inputs, training=False))
