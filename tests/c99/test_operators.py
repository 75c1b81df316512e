"""Every operator that the device knows, in many shapes and scales, against TensorFlow Lite Micro."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.c99.compare import clips, generated, needed, tflm
from tests.c99.handmade import Zoo

pytestmark = needed
SAME, VALID = 0, 1
NONE, RELU, RELU_N1_TO_1, RELU6 = 0, 1, 2, 3


def check(zoo: Zoo, path: Path, count: int = 24) -> None:
    model = zoo.save_all(path / "model.tflite")
    inputs = clips(int(np.prod(zoo.tensors[0].shape)), count)
    expected = tflm(model, inputs)
    assert zoo.unequal(generated(model, inputs), expected) == []
    assert len(np.unique(expected)) > 100  # the scales are such that not all is clamped


def draw(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def extent(size: int, kernel: int, stride: int, dilation: int, padding: int) -> int:
    covered = 0 if padding == SAME else (kernel - 1) * dilation
    return -(-(size - covered) // stride)


def weighted(
    zoo: Zoo, random: np.random.Generator, name: str, shape: Sequence[int], output: Sequence[int], per_channel: bool,
    axis: int = 0, bias: bool = True, **options: Any,
) -> None:
    """Add an operator with weights of ``shape`` whose outputs spread over the int8 range."""
    channels, seen = shape[axis], math.prod(shape) // shape[axis]
    scales = random.uniform(0.002, 0.02, channels if per_channel else 1).astype(np.float32)
    source, zero_point = zoo.scale_of(0)
    weights = zoo.tensor(shape, scales, 0, random.integers(-127, 128, shape).astype(np.int8), axis=axis)
    spread = 75 * 75 * math.sqrt(seen)
    inputs = [0, weights]
    if bias:
        values = random.normal(0, spread, channels).astype(np.int32)
        inputs.append(zoo.tensor((channels,), scales * np.float32(source), 0, values))
    scale = float(spread * source * 0.01 / 40 * random.uniform(0.5, 2))
    result = zoo.tensor(output, scale, int(random.integers(-40, 40)))
    zoo.add(f"{name} {shape} {per_channel} {options}", zoo.operator(name, inputs, result, **options))


def sliding(size: tuple[int, int], kernel: Any, stride: Any, dilation: Any, padding: int) -> list[int]:
    return [extent(*each, padding) for each in zip(size, kernel, stride, dilation, strict=True)]


@pytest.mark.parametrize("size", [(9, 7, 5), (11, 6, 1), (1, 1, 8), (4, 13, 4)])
def test_convolutions(size: tuple[int, int, int], tmp_path: Path) -> None:
    random, zoo = draw(sum(size)), Zoo((1, *size), zero_point=int(draw(1).integers(-128, 128)))
    height, width, channels = size
    kernels, strides, dilations = [(1, 1), (3, 3), (2, 5), (4, 1)], [(1, 1), (2, 2), (1, 3)], [(1, 1), (2, 1), (3, 2)]
    for kernel, stride, dilation, padding in itertools.product(kernels, strides, dilations, (SAME, VALID)):
        rows, columns = sliding((height, width), kernel, stride, dilation, padding)
        if rows < 1 or columns < 1:
            continue
        filters, activation = int(random.integers(1, 10)), int(random.integers(0, 4))
        weighted(
            zoo, random, "CONV_2D", (filters, *kernel, channels), (1, rows, columns, filters),
            bool(random.integers(2)), bias=bool(random.integers(4)), padding=padding,
            strideH=stride[0], strideW=stride[1], dilationHFactor=dilation[0], dilationWFactor=dilation[1],
            fusedActivationFunction=activation,
        )  # fmt: skip
    check(zoo, tmp_path)


def test_grouped_convolutions(tmp_path: Path) -> None:
    random, zoo = draw(7), Zoo((1, 6, 5, 6))
    for groups, filters, dilation in ((2, 4, 1), (3, 15, 1), (6, 6, 2)):
        weighted(
            zoo, random, "CONV_2D", (filters, 3, 3, 6 // groups), (1, 6, 5, filters), True, padding=SAME,
            strideH=1, strideW=1, dilationHFactor=dilation, dilationWFactor=dilation,
        )  # fmt: skip
    check(zoo, tmp_path)


@pytest.mark.parametrize("size", [(9, 7, 5), (5, 8, 8), (12, 3, 1)])
def test_depthwise_convolutions(size: tuple[int, int, int], tmp_path: Path) -> None:
    random, zoo = draw(sum(size)), Zoo((1, *size), zero_point=-128)
    height, width, channels = size
    kernels, strides, dilations = [(3, 3), (5, 2), (1, 1)], [(1, 1), (2, 2)], [(1, 1), (2, 2)]
    for kernel, stride, dilation, padding in itertools.product(kernels, strides, dilations, (SAME, VALID)):
        rows, columns = sliding((height, width), kernel, stride, dilation, padding)
        if rows < 1 or columns < 1:
            continue
        multiplier = int(random.choice((1, 1, 2, 8)))
        outputs = channels * multiplier
        weighted(
            zoo, random, "DEPTHWISE_CONV_2D", (1, *kernel, outputs), (1, rows, columns, outputs),
            bool(random.integers(4)), axis=3, bias=bool(random.integers(4)), padding=padding,
            depthMultiplier=multiplier, strideH=stride[0], strideW=stride[1], dilationHFactor=dilation[0],
            dilationWFactor=dilation[1], fusedActivationFunction=int(random.integers(0, 4)),
        )  # fmt: skip
    check(zoo, tmp_path)


def test_fully_connected_layers(tmp_path: Path) -> None:
    random, zoo = draw(8), Zoo((6, 50), zero_point=-7)
    for outputs, per_channel, activation in itertools.product((1, 3, 4, 10), (False, True), (NONE, RELU, RELU6)):
        weighted(
            zoo, random, "FULLY_CONNECTED", (outputs, 50), (6, outputs), per_channel and outputs > 1,
            bias=activation != RELU, fusedActivationFunction=activation,
        )  # fmt: skip
    for _ in range(40):  # the two ways to multiply scales part in few layers of many
        weighted(zoo, random, "FULLY_CONNECTED", (4, 50), (6, 4), False)
    check(zoo, tmp_path)


@pytest.mark.parametrize("name", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
def test_pools(name: str, tmp_path: Path) -> None:
    zoo = Zoo((1, 9, 7, 3), scale=0.1)
    shapes = itertools.product(((2, 2), (3, 5), (9, 7), (1, 4)), ((1, 1), (2, 3)), (SAME, VALID))
    for number, (kernel, stride, padding) in enumerate(shapes):
        rows, columns = sliding((9, 7), kernel, stride, (1, 1), padding)
        options = dict(filterHeight=kernel[0], filterWidth=kernel[1], strideH=stride[0], strideW=stride[1])
        result = zoo.tensor((1, rows, columns, 3), 0.1, 3)
        activation = (NONE, NONE, RELU, RELU6, RELU_N1_TO_1)[number % 5]
        zoo.operator(name, [0], result, padding=padding, fusedActivationFunction=activation, **options)
        zoo.add(f"{kernel} {stride} {padding}", result)
    check(zoo, tmp_path)


@pytest.mark.parametrize("name", ["MEAN", "SUM", "REDUCE_MAX"])
def test_reductions(name: str, tmp_path: Path) -> None:
    random, zoo = draw(9), Zoo((1, 5, 7, 6), zero_point=-20)
    for axes, keep in itertools.product(([1, 2], [3], [1], [-1, -2], [1, 2, 3], [0, 1]), (False, True)):
        positive = [axis % 4 for axis in axes]
        shape = [1 if axis in positive else size for axis, size in enumerate((1, 5, 7, 6)) if keep or axis not in positive]
        count = math.prod((1, 5, 7, 6)[axis] for axis in positive)
        for factor in (0.03, 0.2, 1.0) if name != "REDUCE_MAX" else (1.0,):
            grown = math.sqrt(count) * float(random.uniform(0.5, 1)) if name == "SUM" else 1.0
            zero_point = -20 if name == "REDUCE_MAX" or factor == 1 else int(random.integers(-90, 90))
            result = zoo.tensor(shape, 0.05 * factor * grown, zero_point)
            zoo.operator(name, [0, zoo.constant(axes)], result, keepDims=keep)
            zoo.add(f"{axes} {factor}", result)
    check(zoo, tmp_path)


@pytest.mark.parametrize("name", ["ADD", "SUB", "MUL"])
def test_two_inputs(name: str, tmp_path: Path) -> None:
    random, zoo = draw(10), Zoo((1, 4, 3, 5))
    for shape in ((1, 4, 3, 5), (1, 1, 1, 5), (5,), (1, 4, 1, 1), (1, 4, 3, 1), (1,), (3, 5)):
        for activation in (NONE, RELU, RELU6, RELU_N1_TO_1):
            values = random.integers(-128, 128, shape)
            constant = zoo.constant(values, float(np.exp(random.uniform(-5, -1))), int(random.integers(-128, 128)))
            pair = [0, constant] if random.integers(2) or name == "SUB" else [constant, 0]
            scale = 0.05 * zoo.scale_of(constant)[0] * 80 if name == "MUL" else 0.05 + zoo.scale_of(constant)[0]
            result = zoo.tensor((1, 4, 3, 5), scale * float(random.uniform(0.5, 1.5)), int(random.integers(-50, 50)))
            zoo.operator(name, pair, result, fusedActivationFunction=activation)
            zoo.add(f"{shape} {activation}", result)
    check(zoo, tmp_path)


@pytest.mark.parametrize("name", ["ADD", "SUB", "MUL"])
def test_all_pairs(name: str, tmp_path: Path) -> None:
    zoo = Zoo((256, 1), 0.02, -5)
    for scale, scale_out in ((0.013, 0.03), (0.4, 0.1)):
        second = zoo.constant(np.arange(-128, 128).reshape(1, 256), scale, 17)
        result = zoo.tensor((256, 256), scale_out, 1)
        zoo.add(f"{scale}", zoo.operator(name, [0, second], result))
    model = zoo.save_all(tmp_path / "model.tflite")
    inputs = np.arange(-128, 128).astype(np.int8).reshape(1, 256, 1)
    assert zoo.unequal(generated(model, inputs), tflm(model, inputs)) == []


FUNCTIONS = {
    "LOGISTIC": (1 / 256, -128),
    "TANH": (1 / 128, 0),
    "RELU": (0.07, -128),
    "RELU6": (0.0, 0),
    "LEAKY_RELU": (0.11, -60),
    "QUANTIZE": (0.2, 30),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("zero_point", [-128, 3, 127])
def test_functions_of_all_values(name: str, zero_point: int, tmp_path: Path) -> None:
    scale_out, zero_point_out = FUNCTIONS[name]
    inputs = np.arange(-128, 128).astype(np.int8).reshape(1, 256)
    zoo = Zoo((1, 256), 0.05, zero_point)
    for scale in (0.0002, 0.003, 0.0123, 0.05, 1 / 16, 0.09, 0.125, 0.3, 1.0, 3.0):
        # the scale of the input itself is one: others are given to it by a reshape, which does not look at scales
        source = zoo.operator("RESHAPE", [0, zoo.constant([1, 256])], zoo.tensor((1, 256), scale, zero_point))
        same = name == "RELU6"
        result = zoo.tensor((1, 256), scale if same else scale_out, zero_point if same else zero_point_out)
        zoo.add(f"{scale}", zoo.operator(name, [source], result, **({"alpha": 0.3} if name == "LEAKY_RELU" else {})))
    model = zoo.save_all(tmp_path / "model.tflite")
    assert zoo.unequal(generated(model, inputs), tflm(model, inputs)) == []


@pytest.mark.parametrize("scale", [1e-6, 0.002, 0.01, 0.0317, 0.12, 0.25, 0.9, 5.0])
def test_softmax_of_all_pairs(scale: float, tmp_path: Path) -> None:
    zoo = Zoo((256 * 256, 2), scale, 11)
    zoo.add("pairs", zoo.operator("SOFTMAX", [0], zoo.tensor((256 * 256, 2), 1 / 256, -128), beta=1.0))
    model = zoo.save_all(tmp_path / "model.tflite")
    inputs = np.stack(np.meshgrid(*[np.arange(-128, 128)] * 2), -1).astype(np.int8).reshape(1, -1, 2)
    assert zoo.unequal(generated(model, inputs), tflm(model, inputs)) == []


def test_softmax_of_many(tmp_path: Path) -> None:
    zoo = Zoo((1, 1020), 0.06, -3)
    for depth, beta in ((1, 1.0), (3, 1.0), (10, 0.4), (12, 2.0), (255, 1.0), (510, 1.0)):
        rows = zoo.operator(
            "RESHAPE", [0, zoo.constant([1020 // depth, depth])], zoo.tensor((1020 // depth, depth), 0.06, -3)
        )
        result = zoo.tensor((1020 // depth, depth), 1 / 256, -128)
        zoo.add(f"{depth} {beta}", zoo.operator("SOFTMAX", [rows], result, beta=beta))
    check(zoo, tmp_path, count=100)


def test_movements(tmp_path: Path) -> None:
    zoo = Zoo((1, 4, 3, 5))
    for margins in ([[0, 0], [1, 2], [0, 1], [0, 0]], [[0, 0], [0, 0], [3, 0], [1, 4]]):
        shape = [size + sum(margin) for size, margin in zip((1, 4, 3, 5), margins, strict=True)]
        for name, value in (("PAD", []), ("PADV2", [zoo.constant([-77], 0.05, 3)])):
            inputs = [0, zoo.constant(margins), *value]
            zoo.add(f"{name} {margins}", zoo.operator(name, inputs, zoo.tensor(shape, 0.05, 3)))
    for order in itertools.permutations(range(4)):
        shape = [(1, 4, 3, 5)[axis] for axis in order]
        inputs = [0, zoo.constant(order)]
        zoo.add(f"TRANSPOSE {order}", zoo.operator("TRANSPOSE", inputs, zoo.tensor(shape, 0.05, 3)))
    for axis, shape in ((1, (1, 12, 3, 5)), (-1, (1, 4, 3, 15)), (2, (1, 4, 9, 5))):
        second = zoo.constant(np.arange(60).reshape(1, 4, 3, 5), 0.05, 3)
        joined = zoo.operator("CONCATENATION", [0, second, 0], zoo.tensor(shape, 0.05, 3), axis=axis)
        zoo.add(f"CONCATENATION {axis}", joined)
    expanded = zoo.operator("EXPAND_DIMS", [0, zoo.constant(0)], zoo.tensor((1, 1, 4, 3, 5), 0.05, 3))
    zoo.add("SQUEEZE", zoo.operator("SQUEEZE", [expanded], zoo.tensor((4, 3, 5), 0.05, 3), squeezeDims=[0, 1]))
    check(zoo, tmp_path)
