"""Keras networks as the int8 files that the project's converter makes of them, all in this process."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from kws_exp.export import convert


def save(model: Any, path: Path, scores: bool = True) -> Path:
    """Write a network of random weights, calibrated on noise; a softmax goes behind it for ``scores``."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    def served(features: Any) -> Any:
        outputs = model(features, training=False)
        return tf.nn.softmax(outputs) if scores else outputs

    signature = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32)
    frozen = convert_variables_to_constants_v2(tf.function(served).get_concrete_function(signature))
    noise = np.random.default_rng(1).normal(0, 1, (4, *model.input_shape[1:-1])).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path.write_bytes(convert.to_int8(frozen, noise))
    return path


def scatter(model: Any, seed: int = 0) -> Any:
    """Draw all weights anew, so that no layer starts at zero or at one, and activations stay of size 1."""
    random = np.random.default_rng(seed)
    for variable in model.weights:
        size = int(np.prod(variable.shape[:2] if "depthwise" in variable.path else variable.shape[:-1]))
        if len(variable.shape) > 1:
            variable.assign(random.normal(0, np.sqrt(2 / size), variable.shape))
        elif variable.path.endswith(("gamma", "variance")):
            variable.assign(random.uniform(0.5, 1.5, variable.shape))
        else:
            variable.assign(random.normal(0, 0.3, variable.shape))
    return model
