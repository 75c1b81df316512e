"""Layers of two inputs, reductions, and the precision in which scales are divided."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.c99.compare import EVERY_VALUE, check, needed
from tests.c99.handmade import Zoo

pytestmark = needed
NONE, RELU, RELU_N1_TO_1, RELU6 = 0, 1, 2, 3


@pytest.mark.parametrize("name", ["MEAN", "SUM", "REDUCE_MAX"])
def test_reductions(name: str, tmp_path: Path) -> None:
    random, zoo = np.random.default_rng(9), Zoo((1, 5, 7, 6), zero_point=-20)
    for axes, keep in itertools.product(([1, 2], [3], [1], [-1, -2], [1, 2, 3], [0, 1]), (False, True)):
        reduced = [axis % 4 for axis in axes]
        shape = [
            1 if axis in reduced else size for axis, size in enumerate((1, 5, 7, 6)) if keep or axis not in reduced
        ]
        grown = math.sqrt(math.prod((1, 5, 7, 6)[axis] for axis in reduced)) if name == "SUM" else 1.0
        for factor in (0.03, 0.2, 1.0) if name != "REDUCE_MAX" else (1.0,):
            zero_point = -20 if factor == 1 else int(random.integers(-90, 90))
            result = zoo.tensor(shape, 0.05 * factor * grown, zero_point)
            zoo.add(f"{axes} {factor}", zoo.operator(name, [0, zoo.constant(axes)], result, keepDims=keep))
    check(zoo, tmp_path)


@pytest.mark.parametrize("name", ["ADD", "SUB", "MUL"])
def test_two_inputs(name: str, tmp_path: Path) -> None:
    random, zoo = np.random.default_rng(10), Zoo((1, 4, 3, 5))
    shapes = ((1, 4, 3, 5), (1, 1, 1, 5), (5,), (1, 4, 1, 1), (1, 4, 3, 1), (1,), (3, 5))
    for shape, activation in itertools.product(shapes, (NONE, RELU, RELU6, RELU_N1_TO_1)):
        scale = float(np.exp(random.uniform(-5, -1)))
        constant = zoo.constant(random.integers(-128, 128, shape), scale, int(random.integers(-128, 128)))
        pair = [0, constant] if random.integers(2) else [constant, 0]
        scale_out = (0.05 * scale * 80 if name == "MUL" else 0.05 + scale) * float(random.uniform(0.5, 1.5))
        result = zoo.tensor((1, 4, 3, 5), scale_out, int(random.integers(-50, 50)))
        zoo.add(f"{shape} {activation}", zoo.operator(name, pair, result, fusedActivationFunction=activation))
    check(zoo, tmp_path)


@pytest.mark.parametrize("name", ["ADD", "SUB", "MUL"])
def test_all_pairs(name: str, tmp_path: Path) -> None:
    zoo = Zoo((256, 1), 0.02, -5)
    for scale, scale_out in ((0.013, 0.03), (0.4, 0.1)):
        second = zoo.constant(EVERY_VALUE, scale, 17)
        zoo.add(f"{scale}", zoo.operator(name, [0, second], zoo.tensor((256, 256), scale_out, 1)))
    check(zoo, tmp_path, EVERY_VALUE)


WITH_WEIGHT = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "MUL")


@pytest.mark.parametrize("name", [*WITH_WEIGHT, "MEAN", "QUANTIZE", "RELU", "LEAKY_RELU"])
def test_scales_are_divided_in_double(name: str, tmp_path: Path) -> None:
    """Quotients of 1 over an even number make ties, whose side the last bit of the multiplier decides."""
    random, zoo = np.random.default_rng(11), Zoo((1, 256, 1, 1))
    every: dict[str, dict[str, Any]] = {"LEAKY_RELU": {"alpha": 0.1}, "MEAN": {"keepDims": True}}
    options = every.get(name, {})
    options |= {"strideH": 1, "strideW": 1, "depthMultiplier": 1} if name == "DEPTHWISE_CONV_2D" else {}
    options |= {"strideH": 1, "strideW": 1} if name == "CONV_2D" else {}
    shape = (256, 1) if name == "FULLY_CONNECTED" else (1, 256, 1, 1)
    for _ in range(60):
        scale, weight = (np.float32(random.choice((0.11, 0.07, 0.13, 0.3, 0.09, 0.7))) for _ in range(2))
        inputs = [zoo.operator("RESHAPE", [0, zoo.constant(shape)], zoo.tensor(shape, float(scale), -128))]
        if name in WITH_WEIGHT:
            inputs.append(zoo.constant([[1]] if name == "FULLY_CONNECTED" else [[[[1]]]], float(weight)))
        inputs += [zoo.constant([2, 3])] if name == "MEAN" else []
        product = scale * weight if name in WITH_WEIGHT else scale
        result = zoo.tensor(shape, float(product) * float(random.choice((2, 4, 6, 10, 14))), -128)
        zoo.add(f"{scale} {weight}", zoo.operator(name, inputs, result, **options))
    check(zoo, tmp_path, EVERY_VALUE)


def test_limits_are_divided_in_single(tmp_path: Path) -> None:
    """The 6 of a RELU6 over these scales is a tie in single precision, and on either side of it in double."""
    zoo = Zoo((1, 256), 0.1, -128)
    for number in range(1, 200, 2):
        scale = float(np.float32(6 / (number + 0.5)))
        source = zoo.operator("RESHAPE", [0, zoo.constant([1, 256])], zoo.tensor((1, 256), scale, -128))
        fused, alone = (zoo.tensor((1, 256), scale, -128) for _ in range(2))
        nothing = zoo.constant([[-128]], scale, -128)
        zoo.add(f"ADD {scale}", zoo.operator("ADD", [source, nothing], fused, fusedActivationFunction=RELU6))
        zoo.add(f"RELU6 {scale}", zoo.operator("RELU6", [source], alone))
    check(zoo, tmp_path, EVERY_VALUE)
