"""One convolution as long as the clip, then dense layers: cnn-one-fstride4 of Sainath and Parada, 2015.

The dense layers have no activation, so the network has a single non-linearity, the ReLU of the
convolution. Nine tenths of the weights are in the first dense layer. The paper strides by 4 in frequency;
the classic, followed here, by 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kws_exp.models import layers
from kws_exp.schema import Model

if TYPE_CHECKING:
    import keras


@dataclass
class LowLatencyConv(Model):
    """Settings of ``model=low_latency_conv``."""

    name: str = "low_latency_conv"
    filters: int = 186
    kernel_width: int = 8  # bins under a kernel; the frames are always all of them
    units: int = 128  # of each of the two hidden dense layers
    dropout: float = 0.5


def build(settings: LowLatencyConv, frames: int, width: int, classes: int) -> keras.Model:
    """Return the network from (batch, frames, width, 1) features to (batch, classes) logits."""
    import keras

    from kws_exp.models.dropout import Dropout

    kernel = (frames, settings.kernel_width)
    inputs = keras.Input((frames, width, 1), name="features")
    heard = layers.conv_relu(inputs, settings.filters, kernel, settings.dropout, "conv", padding="valid")
    hidden = keras.layers.Flatten(name="flatten")(heard)
    for name in ("first_dense", "second_dense"):
        hidden = layers.dense(hidden, settings.units, name)
        hidden = Dropout(settings.dropout, name=f"{name}_dropout")(hidden)
    return keras.Model(inputs, layers.dense(hidden, classes, "logits"), name=settings.name)
