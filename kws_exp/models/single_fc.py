"""One dense layer from the flattened features to the logits: the classic's sanity check.

Nothing to tune and no dropout. Its initial weights are ten times smaller than the other networks'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kws_exp.models import layers
from kws_exp.schema import Model

if TYPE_CHECKING:
    import keras


@dataclass
class SingleFc(Model):
    """Settings of ``model=single_fc``."""

    name: str = "single_fc"


def build(settings: SingleFc, frames: int, width: int, classes: int) -> keras.Model:
    """Return the network from (batch, frames, width, 1) features to (batch, classes) logits."""
    import keras

    inputs = keras.Input((frames, width, 1), name="features")
    flat = keras.layers.Flatten(name="flatten")(inputs)
    return keras.Model(inputs, layers.dense(flat, classes, "logits", stddev=0.001), name=settings.name)
