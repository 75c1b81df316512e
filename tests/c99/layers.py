"""Layers of random weights for a zoo (:mod:`tests.c99.handmade`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.c99.handmade import Zoo

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
    zoo: Zoo,
    random: np.random.Generator,
    name: str,
    kernel: Any,
    stride: Any,
    dilation: Any,
    padding: int,
    most_outputs: int = 9,
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
        outputs = int(random.integers(1, most_outputs + 1))
        shape = (outputs, *kernel, channels)
    else:
        options["depthMultiplier"] = int(random.choice((1, 1, 2, 8)))
        outputs = channels * options["depthMultiplier"]
        shape = (1, *kernel, outputs)
    weighted(zoo, random, name, shape, (1, rows, columns, outputs), **options)
