"""Low-rank filters over the whole clip, then dense layers (Nakkiran et al., Interspeech 2015).

A unit's frames x width filter is a sum of ``rank`` products of a frequency filter and a time filter. Here
each rank is a 1 x width convolution followed by a frames x 1 depthwise convolution, so the network runs on
any interpreter; TFLite's own SVDF operator keeps state between calls, which a whole clip does not need.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kws_exp.models import layers
from kws_exp.schema import Model

if TYPE_CHECKING:
    import keras


@dataclass
class LowLatencySvdf(Model):
    """Settings of ``model=low_latency_svdf``."""

    name: str = "low_latency_svdf"
    filters: int = 1280  # units of the SVDF layer
    rank: int = 2
    units: int = 256  # of each of the two hidden dense layers
    dropout: float = 0.5


def build(settings: LowLatencySvdf, frames: int, width: int, classes: int) -> keras.Model:
    """Return the network from (batch, frames, width, 1) features to (batch, classes) logits."""
    import keras

    from kws_exp.models.dropout import Dropout

    inputs = keras.Input((frames, width, 1), name="features")
    ranks = [_rank(inputs, settings.filters, number) for number in range(1, settings.rank + 1)]
    summed = keras.layers.Add(name="sum")(ranks) if len(ranks) > 1 else ranks[0]
    hidden = keras.layers.ReLU(name="relu")(summed)
    hidden = Dropout(settings.dropout, name="relu_dropout")(hidden)
    hidden = keras.layers.Flatten(name="flatten")(hidden)
    for name in ("first_dense", "second_dense"):
        hidden = layers.dense(hidden, settings.units, name)
        hidden = Dropout(settings.dropout, name=f"{name}_dropout")(hidden)
    return keras.Model(inputs, layers.dense(hidden, classes, "logits"), name=settings.name)


def _rank(inputs: keras.KerasTensor, units: int, number: int) -> keras.KerasTensor:
    """Filter each frame, then each unit's frames: (batch, 1, 1, units). Rank 1 carries the only bias."""
    import keras

    _, frames, width, _ = inputs.shape
    frequency = keras.layers.Conv2D(
        units,
        (1, width),
        use_bias=False,
        kernel_initializer=keras.initializers.TruncatedNormal(stddev=layers.STDDEV),
        name=f"frequency_{number}",
    )(inputs)
    return keras.layers.DepthwiseConv2D(
        (frames, 1),
        use_bias=number == 1,
        depthwise_initializer=keras.initializers.TruncatedNormal(stddev=layers.STDDEV),
        name=f"time_{number}",
    )(frequency)
