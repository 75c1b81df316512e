"""Everything that slides or multiplies by weights, in many shapes and scales."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.c99.compare import check, needed
from tests.c99.handmade import Zoo

pytestmark = needed
SAME, VALID = 0, 1
NONE, RELU, RELU_N1_TO_1, RELU6 = 0, 1, 2, 3


def extent(size: int, kernel: int, stride: int, dilation: int, padding: int) -> int:
    covered = 0 if padding == SAME else (kernel - 1) * dilation
    return -(-(size - covered) // stride)


def weighted(
    zoo: Zoo, random: np.random.Generator, name: str, shape: Sequence[int], output: Sequence[int], **options: Any
) -> None:
    """Add an operator with random weights, whose outputs spread over the int8 range."""
    axis = 3 if name == "DEPTHWISE_CONV_2D" else 0
    channels, seen = shape[axis], math.prod(shape) // shape[axis]
    source = np.float32(zoo.scale_of(0)[0])
    scales = random.uniform(0.002, 0.02, random.choice((1, channels))).astype(np.float32)
    spread = 75 * 75 * math.sqrt(seen)
    inputs = [0, zoo.tensor(shape, scales, 0, random.integers(-127, 128, shape).astype(np.int8), axis=axis)]
    if random.integers(4):
        bias = random.normal(0, spread, channels).astype(np.int32)
        inputs.append(zoo.tensor((channels,), scales * source, 0, bias))
    scale = float(spread * source * 0.01 / 40 * random.uniform(0.5, 2))
    result = zoo.tensor(output, scale, int(random.integers(-40, 40)))
    zoo.add(f"{name} {shape} {len(scales)} {options}", zoo.operator(name, inputs, result, **options))


def slid(
    zoo: Zoo, random: np.random.Generator, name: str, kernel: Any, stride: Any, dilation: Any, padding: int
) -> None:
    """Add a convolution, unless its kernel is larger than the input."""
    _, height, width, channels = zoo.tensors[0].shape
    rows, columns = (extent(*each, padding) for each in zip((height, width), kernel, stride, dilation, strict=True))
    if rows < 1 or columns < 1:
        return
    options = {"strideH": stride[0], "strideW": stride[1], "padding": padding}
    options |= {"dilationHFactor": dilation[0], "dilationWFactor": dilation[1]}
    options |= {"fusedActivationFunction": int(random.integers(0, 4))}
    if name == "CONV_2D":
        outputs = int(random.integers(1, 10))
        shape = (outputs, *kernel, channels)
    else:
        options["depthMultiplier"] = int(random.choice((1, 1, 2, 8)))
        outputs = channels * options["depthMultiplier"]
        shape = (1, *kernel, outputs)
    weighted(zoo, random, name, shape, (1, rows, columns, outputs), **options)


@pytest.mark.parametrize("name", ["CONV_2D", "DEPTHWISE_CONV_2D"])
@pytest.mark.parametrize("size", [(9, 7, 5), (11, 6, 1), (1, 1, 8), (4, 13, 4)])
def test_convolutions(name: str, size: tuple[int, int, int], tmp_path: Path) -> None:
    random = np.random.default_rng(sum(size))
    zoo = Zoo((1, *size), zero_point=int(random.integers(-128, 128)))
    kernels, strides, dilations = [(1, 1), (3, 3), (2, 5), (4, 1)], [(1, 1), (2, 2), (1, 3)], [(1, 1), (2, 1), (3, 2)]
    for form in itertools.product(kernels, strides, dilations, (SAME, VALID)):
        slid(zoo, random, name, *form)
    check(zoo, tmp_path)


def test_grouped_convolutions(tmp_path: Path) -> None:
    random, zoo = np.random.default_rng(7), Zoo((1, 6, 5, 6))
    for groups, filters, kernel, dilation in ((2, 4, 3, 1), (3, 15, 3, 1), (6, 6, 3, 2), (2, 8, 1, 1)):
        options = {"strideH": 1, "strideW": 1, "dilationHFactor": dilation, "dilationWFactor": dilation}
        weighted(zoo, random, "CONV_2D", (filters, kernel, kernel, 6 // groups), (1, 6, 5, filters), **options)
    weighted(zoo, random, "CONV_2D", (4, 2, 1, 3), (1, 6, 5, 4), strideH=1, strideW=1)  # as many weights as channels
    check(zoo, tmp_path)


def test_fully_connected_layers(tmp_path: Path) -> None:
    random, zoo = np.random.default_rng(8), Zoo((6, 50), zero_point=-7)
    for outputs, activation in itertools.product((1, 2, 3, 4, 5, 10), (NONE, RELU, RELU6, RELU_N1_TO_1)):
        weighted(zoo, random, "FULLY_CONNECTED", (outputs, 50), (6, outputs), fusedActivationFunction=activation)
    check(zoo, tmp_path)


@pytest.mark.parametrize("name", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
def test_pools(name: str, tmp_path: Path) -> None:
    zoo = Zoo((1, 9, 7, 3), scale=0.1)
    shapes = itertools.product(((2, 2), (3, 5), (9, 7), (1, 4)), ((1, 1), (2, 3)), (SAME, VALID))
    for number, (kernel, stride, padding) in enumerate(shapes):
        rows, columns = (extent(*each, 1, padding) for each in zip((9, 7), kernel, stride, strict=True))
        options = {"filterHeight": kernel[0], "filterWidth": kernel[1], "strideH": stride[0], "strideW": stride[1]}
        options |= {"padding": padding, "fusedActivationFunction": (NONE, NONE, RELU, RELU6, RELU_N1_TO_1)[number % 5]}
        result = zoo.tensor((1, rows, columns, 3), 0.1, 3)
        zoo.add(f"{kernel} {stride} {padding}", zoo.operator(name, [0], result, **options))
    check(zoo, tmp_path)
