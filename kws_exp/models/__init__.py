"""The architectures: one file each, holding the settings that ``conf/model/NAME.yaml`` fills and the network.

Every network maps (batch, frames, width, 1) features to (batch, classes) **logits**; the softmax is added at
export. Dropout acts in training only. To add an architecture: write its file, its YAML file and a line in
:data:`ARCHITECTURES`. Keras is imported when a network is built, not before.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NamedTuple

from kws_exp.errors import KwsError, nearest
from kws_exp.models import (
    conv,
    ds_cnn,
    low_latency_conv,
    low_latency_svdf,
    single_fc,
    tiny_conv,
    tiny_embedding_conv,
)
from kws_exp.schema import Model

if TYPE_CHECKING:
    import keras


class Architecture(NamedTuple):
    """The type of the settings, and the function from settings, frames, width and classes to the network."""

    settings: type[Model]
    build: Callable[[Any, int, int, int], keras.Model]


ARCHITECTURES: dict[str, Architecture] = {
    "single_fc": Architecture(single_fc.SingleFc, single_fc.build),
    "conv": Architecture(conv.Conv, conv.build),
    "low_latency_conv": Architecture(low_latency_conv.LowLatencyConv, low_latency_conv.build),
    "low_latency_svdf": Architecture(low_latency_svdf.LowLatencySvdf, low_latency_svdf.build),
    "tiny_conv": Architecture(tiny_conv.TinyConv, tiny_conv.build),
    "tiny_embedding_conv": Architecture(tiny_embedding_conv.TinyEmbeddingConv, tiny_embedding_conv.build),
    "ds_cnn": Architecture(ds_cnn.DsCnn, ds_cnn.build),
}


def build(settings: Model, frames: int, width: int, classes: int, seed: int) -> keras.Model:
    """Build the network that ``settings`` describe, for ``frames`` x ``width`` features.

    The weights and the dropout masks to come depend on ``seed`` alone: it resets the global generators of
    Python, NumPy and TensorFlow (``keras.utils.set_random_seed``).

    Raises:
        KwsError: for the reasons that :func:`check` gives.
    """
    check(settings, frames, width)
    import keras

    keras.utils.set_random_seed(seed)
    return ARCHITECTURES[settings.name].build(settings, frames, width, classes)


def check(settings: Model, frames: int, width: int) -> None:
    """Refuse settings that make no network, without importing Keras.

    Raises:
        KwsError: an unknown architecture, settings of another one, a size or rate out of range, or features
            smaller than the network can take.
    """
    if settings.name not in ARCHITECTURES:
        raise KwsError(
            f"model must be one of {', '.join(ARCHITECTURES)}, not '{settings.name}'"
            f"{nearest(settings.name, ARCHITECTURES)}: choose one with model=NAME"
        )
    if type(settings) is not ARCHITECTURES[settings.name].settings:
        raise KwsError(
            f"model.name must stay the name of the chosen architecture, but is '{settings.name}': "
            f"write model={settings.name} to choose that one"
        )
    for setting in fields(settings):
        _check_value(setting.name, getattr(settings, setting.name))
    _check_input(settings, frames, width)


def _check_value(name: str, value: object) -> None:
    """Sizes are whole numbers from 1, dropout rates lie in [0, 1), every other rate is 0 or more."""
    if isinstance(value, int) and value < 1:
        raise KwsError(f"model.{name} must be at least 1, not {value}: write model.{name}=1 or more")
    if not isinstance(value, float):
        return
    if name.endswith("dropout") and not 0 <= value < 1:
        raise KwsError(f"model.{name} must be at least 0 and below 1, not {value}: write model.{name}=0.5")
    if not (value >= 0 and math.isfinite(value)):
        raise KwsError(f"model.{name} must be 0 or more, not {value}: write model.{name}=0 to do without")


def _check_input(settings: Model, frames: int, width: int) -> None:
    """Only low_latency_conv has a kernel that the input must hold; the others pad."""
    if frames < 1:
        raise KwsError(
            f"a clip must give at least 1 frame, not {frames}: "
            "shorten features.window_ms to 1000, the length of a clip, or less"
        )
    needed = settings.kernel_width if isinstance(settings, low_latency_conv.LowLatencyConv) else 1
    if width < needed:
        raise KwsError(
            f"{settings.name} needs frames of at least {needed} values, not {width}: "
            f"raise features.bins to {needed}, or choose another network, e.g. model=tiny_conv"
        )


def parameters(model: keras.Model) -> int:
    """Count the weights, batch-normalisation statistics included, as ``model.summary()`` does."""
    return int(model.count_params())


def macs(model: keras.Model) -> int:
    """Count the multiply-accumulates of one inference: convolutions and dense layers, padding included."""
    return sum(_layer_macs(layer) for layer in model.layers)


def multiplies(layer: keras.Layer) -> bool:
    """Whether a layer multiplies by a kernel: a convolution or a dense layer."""
    import keras

    return isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense))


def _layer_macs(layer: keras.Layer) -> int:
    """Count one layer's: every output value costs one kernel's worth of inputs."""
    import keras

    if not multiplies(layer):
        return 0
    rows, columns, inputs, _ = (1, 1, *layer.kernel.shape)[-4:]
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        inputs = 1  # its kernel is (rows, columns, channels, multiplier) and crosses no channels
    positions = math.prod(layer.output.shape[1:])
    return int(positions * rows * columns * inputs)
