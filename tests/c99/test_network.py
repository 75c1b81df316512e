"""Whole networks, as Keras and the converter make them, against TensorFlow Lite Micro."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kws_exp import c99, models
from kws_exp.c99 import host, network
from kws_exp.errors import KwsError
from kws_exp.export import flatbuffer
from tests.c99 import keras_models
from tests.c99.compare import SANITIZED, clips, generated, needed, tflm
from tests.c99.handmade import Model

FRAMES, WIDTH, CLASSES = 49, 40, 5
# the interpreter takes 0.1 s for a clip of conv
COUNTS = dict.fromkeys(models.ARCHITECTURES, 300) | {"conv": 6, "ds_cnn": 60, "low_latency_svdf": 60}
LARGE = ("low_latency_conv", "low_latency_svdf")  # seconds to compile


@needed
@pytest.mark.slow
@pytest.mark.parametrize("name", models.ARCHITECTURES)
def test_architectures(name: str, tmp_path: Path) -> None:
    settings: Any = models.ARCHITECTURES[name].settings
    built = keras_models.scatter(models.build(settings(), FRAMES, WIDTH, CLASSES, seed=1))
    model = keras_models.save(built, tmp_path / "model.tflite")
    inputs = clips(FRAMES * WIDTH, COUNTS[name])
    expected = tflm(model, inputs)
    for flags in (host.FAST, host.fast()):
        assert np.array_equal(generated(model, inputs, flags), expected)
    if name not in LARGE:
        assert np.array_equal(generated(model, inputs[:4], SANITIZED), expected[:4])
    assert len(np.unique(expected, axis=0)) > len(inputs) // 2
    assert network.read(model).macs == flatbuffer.read(model).macs == models.macs(built)


def convolution_in_time() -> Any:
    """Dilated, causal and residual, with squeeze-and-excitation: the operators that the architectures lack."""
    import keras

    layers = keras.layers
    inputs = keras.Input((FRAMES, 10, 1))
    series = layers.Reshape((FRAMES, 10))(inputs)
    hidden = layers.Conv1D(12, 3, padding="causal", dilation_rate=2, activation="relu")(series)
    other = layers.SeparableConv1D(12, 5, padding="same", activation="tanh")(hidden)
    hidden = layers.Add()([hidden, other])
    gate = layers.Dense(12, activation="sigmoid")(layers.GlobalAveragePooling1D(keepdims=True)(hidden))
    hidden = layers.Multiply()([hidden, gate])
    hidden = layers.Concatenate()([hidden, layers.LeakyReLU()(hidden), layers.ReLU(6)(hidden)])
    hidden = layers.Permute((2, 1))(layers.ZeroPadding1D((1, 2))(hidden))
    pooled = [layers.GlobalMaxPooling1D()(hidden), layers.GlobalAveragePooling1D()(hidden)]
    difference = layers.Subtract()(pooled)
    return keras.Model(inputs, layers.Dense(CLASSES)(difference))


@needed
@pytest.mark.slow
@pytest.mark.parametrize("scores", [False, True])
def test_other_layers(scores: bool, tmp_path: Path) -> None:
    model = keras_models.save(keras_models.scatter(convolution_in_time()), tmp_path / "model.tflite", scores)
    inputs = clips(FRAMES * 10, 300)
    expected = tflm(model, inputs)
    assert np.array_equal(generated(model, inputs), expected)
    assert len(np.unique(expected, axis=0)) > 150
    assert {call.operator.name for call in network.read(model).calls} >= {
        *("ADD", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "LEAKY_RELU", "LOGISTIC", "MEAN"),
        *("MUL", "PAD", "REDUCE_MAX", "RELU6", "RESHAPE", "SUB", "TANH", "TRANSPOSE"),
    }


def test_unknown_operator(tmp_path: Path) -> None:
    model = Model((1, 8), 0.1, 0)
    path = model.save(tmp_path / "model.tflite", model.operator("GELU", [0], model.tensor((1, 8), 0.1)))
    with pytest.raises(
        KwsError, match=r"^The C99 export does not know the operator GELU \(version 2\); it knows: ADD, "
    ):
        network.read(path)
    with pytest.raises(KwsError, match="GELU"):
        c99.write(path, tmp_path)
    assert [found.name for found in tmp_path.iterdir()] == ["model.tflite"]


WINDOW = {"strideH": 1, "strideW": 1, "padding": 1}
Inputs = Callable[[Model], list[int]]
REFUSED: list[tuple[str, str, tuple[int, ...], tuple[int, ...], Inputs, dict[str, Any]]] = [
    ("with the fused activation TANH", "ADD", (1, 4), (1, 4), lambda model: [0], {"fusedActivationFunction": 4}),
    ("with an input of (1, 4) for an output of (1, 8)", "ADD", (1, 4), (1, 8), lambda model: [0], {}),
    (
        "with a tensor of shape (2, 4, 4, 1): it takes (1, height, width, channels)",
        *("MAX_POOL_2D", (2, 4, 4, 1), (2, 4, 4, 1), lambda model: [], WINDOW | {"filterHeight": 1, "filterWidth": 1}),
    ),
    (
        "with an output of (1, 4, 4, 1) from an input of (1, 4, 4, 1)",
        *("MAX_POOL_2D", (1, 4, 4, 1), (1, 4, 4, 1), lambda model: [], WINDOW | {"filterHeight": 2, "filterWidth": 1}),
    ),
    (
        "with weights that are not an INT8 constant of 4 dimensions",
        *("CONV_2D", (1, 4, 4, 1), (1, 4, 4, 1), lambda model: [0], WINDOW),
    ),
    (
        "with weights of a zero point other than 0",
        *("CONV_2D", (1, 4, 4, 1), (1, 4, 4, 1), lambda model: [model.constant([[[[1]]]], 0.1, 5)], WINDOW),
    ),
    (
        "with 1 input channels for filters of 2",
        *("CONV_2D", (1, 4, 4, 1), (1, 4, 4, 1), lambda model: [model.constant([[[[1, 1]]]], 0.1)], WINDOW),
    ),
    (
        "with 3 output channels for 2 input channels",
        *(
            "DEPTHWISE_CONV_2D",
            (1, 4, 4, 2),
            (1, 4, 4, 3),
            lambda model: [model.constant([[[[1, 1, 1]]]], 0.1)],
            WINDOW,
        ),
    ),
    (
        "with 4 inputs for weights of 3",
        *("FULLY_CONNECTED", (1, 4), (1, 1), lambda model: [model.constant([[1, 1, 1]], 0.1)], {}),
    ),
    (
        "with a bias that is not an INT32 constant",
        *("FULLY_CONNECTED", (1, 1), (1, 1), lambda model: [model.constant([[1]], 0.1), model.constant([1], 0.1)], {}),
    ),
    (
        "with sums that can reach 2^30",
        *("FULLY_CONNECTED", (1, 1), (1, 1), lambda model: [model.constant([[1]], 0.1), model.constant([2**30])], {}),
    ),
    (
        "over dimensions [1, 3] of (1, 4, 5, 6), which are not neighbours",
        *("MEAN", (1, 4, 5, 6), (1, 5), lambda model: [model.constant([1, 3])], {}),
    ),
    ("with an output other than 0 to 255/256", "SOFTMAX", (1, 4), (1, 4), lambda model: [], {"beta": 1.0}),
    ("with an output of zero point 0: it takes -128", "LOGISTIC", (1, 4), (1, 4), lambda model: [], {}),
    (
        "with 5 dimensions: it takes at most 4",
        *("TRANSPOSE", (1, 1, 2, 2, 2), (1, 1, 2, 2, 2), lambda model: [model.constant([0, 1, 4, 2, 3])], {}),
    ),
    (
        "with inputs of different scales",
        *("CONCATENATION", (1, 1), (1, 2), lambda model: [model.constant([[1]], 0.3)], {"axis": 1}),
    ),
    ("from (1, 4) to (1, 5)", "RESHAPE", (1, 4), (1, 5), lambda model: [], {}),
]


@pytest.mark.parametrize(("reason", "name", "shape", "output", "inputs", "options"), REFUSED)
def test_operators_in_an_unknown_form(
    reason: str,
    name: str,
    shape: tuple[int, ...],
    output: tuple[int, ...],
    inputs: Inputs,
    options: dict[str, Any],
    tmp_path: Path,
) -> None:
    model = Model(shape, 0.1, 0)
    result = model.operator(name, [0, *inputs(model)], model.tensor(output, 0.1), **options)
    expected = rf"^The C99 export does not know the operator {name} \(version \d\) {re.escape(reason)}"
    with pytest.raises(KwsError, match=expected):
        network.read(model.save(tmp_path / "model.tflite", result))


def test_softmax_of_too_many(tmp_path: Path) -> None:
    model = Model((1, 512), 0.1, 0)
    result = model.operator("SOFTMAX", [0], model.tensor((1, 512), 1 / 256, -128), beta=1.0)
    with pytest.raises(KwsError, match=r"SOFTMAX \(version 2\) over 512 values: at most 511"):
        network.read(model.save(tmp_path / "model.tflite", result))


def test_scales_that_differ_too_much(tmp_path: Path) -> None:
    model = Model((1, 4), 3e30, 0)
    path = model.save(tmp_path / "model.tflite", model.operator("RELU", [0], model.tensor((1, 4), 1e-6)))
    with pytest.raises(KwsError, match=r"^The C99 export cannot multiply by 3e\+36"):
        network.read(path)


def test_other_types(tmp_path: Path) -> None:
    model = Model((1, 4), 0.1, 0)
    model.tensors[0].type = 0  # FLOAT32
    path = model.save(tmp_path / "model.tflite", model.operator("RELU", [0], model.tensor((1, 4), 0.1)))
    with pytest.raises(KwsError, match=r"takes a model with an INT8 input, not FLOAT32: give it model_int8\.tflite"):
        network.read(path)
    model = Model((1, 4), 0.1, 0)
    middle = model.operator("DEQUANTIZE", [0], model.tensor((1, 4), dtype="float32"))
    model.operator("RELU", [middle], result := model.tensor((1, 4), 0.1))
    with pytest.raises(KwsError, match=r"the operator DEQUANTIZE \(version 2\); it knows"):
        network.read(model.save(tmp_path / "model.tflite", result))
    model = Model((1, 4), 0.1, 0)
    model.operator("RELU", [model.tensor((1, 4), dtype="float32")], result := model.tensor((1, 4), 0.1))
    with pytest.raises(KwsError, match=r"RELU \(version 2\) with a tensor of FLOAT32: it computes in INT8 alone"):
        network.read(model.save(tmp_path / "model.tflite", result))
