"""The number format of a training step's convolutions and matrix products, ``train.precision``.

``bfloat16`` halves their memory and, on processors with instructions for it, much of their time; weights, sums of
gradients, normalisation, loss and update stay float32, so no loss scaling is needed, and what is exported is a float32
network. The surprising fact: a layer's format is set while TensorFlow traces the step and put back right after, for the
same layers are traced again in float32 for validation and export.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kws_exp import framework, models

if TYPE_CHECKING:
    import keras

AUTO, FLOAT32, BFLOAT16 = "auto", "float32", "bfloat16"


def resolve(wanted: str) -> str:
    """Return the format that ``train.precision`` means on this machine: auto is bfloat16 on a GPU."""
    if wanted != AUTO:
        return wanted
    return BFLOAT16 if framework.has_gpu() else FLOAT32


def forward(model: keras.Model, wanted: str) -> Callable[[Any], Any]:
    """Return the function from a training batch to float32 logits, to be traced."""
    import tensorflow as tf

    kind = resolve(wanted)

    def logits(batch: Any) -> Any:
        with _format(model, kind):
            return tf.cast(model(batch, training=True), tf.float32)

    return logits


@contextmanager
def _format(model: keras.Model, kind: str) -> Iterator[None]:
    """Give the layers that multiply by weights another format, for a while."""
    layers = [layer for layer in model.layers if kind != FLOAT32 and models.multiplies(layer)]
    before = [layer.dtype_policy for layer in layers]
    try:
        for layer in layers:
            layer.dtype_policy = f"mixed_{kind}"
        yield
    finally:
        for layer, policy in zip(layers, before, strict=True):
            layer.dtype_policy = policy
