"""Two convolutions with a max-pool between them: cnn-trad-fpool3 of Sainath and Parada, Interspeech 2015.

The classic's default network, and its most expensive: 80 % of the multiply-accumulates are in the second
convolution. The classic pools 2x2 where the paper pools by 3 in frequency alone; this follows the classic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kws_exp.models import layers
from kws_exp.schema import Model

if TYPE_CHECKING:
    import keras


@dataclass
class Conv(Model):
    """Settings of ``model=conv``."""

    name: str = "conv"
    filters: int = 64
    second_filters: int = 64
    dropout: float = 0.5


def build(settings: Conv, frames: int, width: int, classes: int) -> keras.Model:
    """Return the network from (batch, frames, width, 1) features to (batch, classes) logits."""
    import keras

    inputs = keras.Input((frames, width, 1), name="features")
    first = layers.conv_relu(inputs, settings.filters, (20, 8), settings.dropout, "first_conv")
    pooled = keras.layers.MaxPooling2D(2, padding="same", name="pool")(first)
    second = layers.conv_relu(pooled, settings.second_filters, (10, 4), settings.dropout, "second_conv")
    flat = keras.layers.Flatten(name="flatten")(second)
    return keras.Model(inputs, layers.dense(flat, classes, "logits"), name=settings.name)
