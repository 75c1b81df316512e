"""Depthwise-separable CNN: the keyword-spotting network of MLPerf Tiny (mlcommons/tiny, keras_model.py).

After Zhang et al., "Hello Edge" (arXiv 1711.07128). The final pool is frames // 2 long, as in the benchmark:
an odd number of frames leaves (frames + 1) / 2 rows, and the last one is not pooled. The L2 penalties are
in ``model.losses``; a training step must add them to its loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kws_exp.schema import Model

if TYPE_CHECKING:
    import keras


# of the moving statistics: Keras's 0.99 lags behind a short training, and the best validation pass of 500 steps was
# 75.6 %, where this gave 94.3 (yes and no, seed 59186)
MOMENTUM = 0.9


@dataclass
class DsCnn(Model):
    """Settings of ``model=ds_cnn``."""

    name: str = "ds_cnn"
    filters: int = 64
    blocks: int = 4
    dropout: float = 0.2  # after the first convolution
    head_dropout: float = 0.4  # before the pool
    l2: float = 0.0001  # of the convolution kernels


def build(settings: DsCnn, frames: int, width: int, classes: int) -> keras.Model:
    """Return the network from (batch, frames, width, 1) features to (batch, classes) logits."""
    import keras

    from kws_exp.models.dropout import Dropout

    inputs = keras.Input((frames, width, 1), name="features")
    hidden = _pointwise(inputs, settings, "conv", kernel=(10, 4), stride=2)
    hidden = Dropout(settings.dropout, name="conv_dropout")(hidden)
    for number in range(1, settings.blocks + 1):
        hidden = _depthwise(hidden, settings, f"depthwise_{number}")
        hidden = _pointwise(hidden, settings, f"pointwise_{number}")
    hidden = Dropout(settings.head_dropout, name="head_dropout")(hidden)
    window = (max(1, frames // 2), max(1, width // 2))
    hidden = keras.layers.AveragePooling2D(window, name="pool")(hidden)
    flat = keras.layers.Flatten(name="flatten")(hidden)
    return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(flat), name=settings.name)


def _pointwise(
    inputs: keras.KerasTensor, settings: DsCnn, name: str, kernel: tuple[int, int] = (1, 1), stride: int = 1
) -> keras.KerasTensor:
    """Mix the channels (over a window, in the first layer), then normalise and rectify."""
    import keras

    outputs = keras.layers.Conv2D(
        settings.filters,
        kernel,
        strides=stride,
        padding="same",
        kernel_regularizer=keras.regularizers.L2(settings.l2),
        name=name,
    )(inputs)
    return _normalise(outputs, name)


def _depthwise(inputs: keras.KerasTensor, settings: DsCnn, name: str) -> keras.KerasTensor:
    """Filter each channel with its own 3x3 kernel, then normalise and rectify."""
    import keras

    regularizer = keras.regularizers.L2(settings.l2)
    outputs = keras.layers.DepthwiseConv2D(3, padding="same", depthwise_regularizer=regularizer, name=name)(inputs)
    return _normalise(outputs, name)


def _normalise(inputs: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Batch normalisation and ReLU; the converter folds both into the convolution before them."""
    import keras

    from kws_exp.models.batch_normalization import BatchNormalization

    normal = BatchNormalization(momentum=MOMENTUM, name=f"{name}_norm")(inputs)
    return keras.layers.ReLU(name=f"{name}_relu")(normal)
