"""The two layers that the classic speech_commands networks are made of, initialised as there.

An initialiser is made anew for each layer: one object shared by two layers of equal shape would start
them equal (Keras 3 initialisers return the same values on every call).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

STDDEV = 0.01  # of the truncated normal that every classic weight but single_fc's starts from


def conv_relu(
    inputs: keras.KerasTensor,
    filters: int,
    kernel: tuple[int, int],
    dropout: float,
    name: str,
    stride: int = 1,
    padding: str = "same",
) -> keras.KerasTensor:
    """Convolve (batch, frames, width, channels) with ``filters`` kernels, then ReLU and dropout."""
    import keras

    from kws_exp.models.dropout import Dropout

    outputs = keras.layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding=padding,
        activation="relu",
        kernel_initializer=keras.initializers.TruncatedNormal(stddev=STDDEV),
        name=name,
    )(inputs)
    return Dropout(dropout, name=f"{name}_dropout")(outputs)


def dense(inputs: keras.KerasTensor, units: int, name: str, stddev: float = STDDEV) -> keras.KerasTensor:
    """Map (batch, features) to (batch, units) without an activation, as the classic does throughout."""
    import keras

    initializer = keras.initializers.TruncatedNormal(stddev=stddev)
    return keras.layers.Dense(units, kernel_initializer=initializer, name=name)(inputs)
