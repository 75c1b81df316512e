"""tiny_conv with a second convolution, of stride 8, before the dense layer.

The second convolution shrinks the dense layer's input forty times, so the network has little more
than a third of tiny_conv's weights at four labels, and hardly grows with the number of labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kws_exp.models import layers
from kws_exp.schema import Model

if TYPE_CHECKING:
    import keras


@dataclass
class TinyEmbeddingConv(Model):
    """Settings of ``model=tiny_embedding_conv``."""

    name: str = "tiny_embedding_conv"
    filters: int = 8
    second_filters: int = 8
    dropout: float = 0.5


def build(settings: TinyEmbeddingConv, frames: int, width: int, classes: int) -> keras.Model:
    """Return the network from (batch, frames, width, 1) features to (batch, classes) logits."""
    import keras

    kernel, dropout = (10, 8), settings.dropout
    inputs = keras.Input((frames, width, 1), name="features")
    first = layers.conv_relu(inputs, settings.filters, kernel, dropout, "first_conv", stride=2)
    second = layers.conv_relu(first, settings.second_filters, kernel, dropout, "second_conv", stride=8)
    flat = keras.layers.Flatten(name="flatten")(second)
    return keras.Model(inputs, layers.dense(flat, classes, "logits"), name=settings.name)
