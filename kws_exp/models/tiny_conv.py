"""One strided convolution and a dense layer: the network of the micro_speech example.

Made to run in under 20 kB of RAM and 32 kB of flash; nearly all of the flash is the dense layer, so it grows
with the number of labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kws_exp.models import layers
from kws_exp.schema import Model

if TYPE_CHECKING:
    import keras


@dataclass
class TinyConv(Model):
    """Settings of ``model=tiny_conv``."""

    name: str = "tiny_conv"
    filters: int = 8
    kernel_frames: int = 10
    kernel_width: int = 8  # bins
    stride: int = 2  # in both directions
    dropout: float = 0.5


def build(settings: TinyConv, frames: int, width: int, classes: int) -> keras.Model:
    """Return the network from (batch, frames, width, 1) features to (batch, classes) logits."""
    import keras

    kernel = (settings.kernel_frames, settings.kernel_width)
    inputs = keras.Input((frames, width, 1), name="features")
    heard = layers.conv_relu(inputs, settings.filters, kernel, settings.dropout, "conv", stride=settings.stride)
    flat = keras.layers.Flatten(name="flatten")(heard)
    return keras.Model(inputs, layers.dense(flat, classes, "logits"), name=settings.name)
