"""Everything that slides or multiplies by weights, in many shapes and scales."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from tests.c99.compare import check, needed
from tests.c99.handmade import Zoo
from tests.c99.layers import NONE, RELU, RELU6, RELU_N1_TO_1, SAME, VALID, extent, slid, weighted

pytestmark = needed


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
