"""Functions of one value over all of its values, and softmax over all pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.c99.compare import EVERY_VALUE, check, clips, needed
from tests.c99.handmade import Zoo

pytestmark = needed
OUTPUTS = {  # scale and zero point
    "LOGISTIC": (1 / 256, -128),
    "TANH": (1 / 128, 0),
    "RELU": (0.07, -128),
    "RELU6": (0.05, -30),
    "LEAKY_RELU": (0.11, -60),
    "QUANTIZE": (0.2, 30),
}


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("zero_point", [-128, 3, 127])
def test_functions(name: str, zero_point: int, tmp_path: Path) -> None:
    zoo = Zoo((1, 256), 0.05, zero_point)
    options: dict[str, Any] = {"alpha": 0.3} if name == "LEAKY_RELU" else {}
    for scale in (0.0002, 0.003, 0.0123, 0.05, 1 / 16, 0.09, 0.125, 0.3, 1.0, 3.0):
        # a reshape, which does not look at scales, gives the input another one
        source = zoo.operator("RESHAPE", [0, zoo.constant([1, 256])], zoo.tensor((1, 256), scale, zero_point))
        result = zoo.tensor((1, 256), *OUTPUTS[name])
        zoo.add(f"{scale}", zoo.operator(name, [source], result, **options))
    check(zoo, tmp_path, EVERY_VALUE)


@pytest.mark.parametrize("scale", [1e-6, 0.002, 0.01, 0.0317, 0.12, 0.25, 0.9, 5.0])
def test_softmax_of_all_pairs(scale: float, tmp_path: Path) -> None:
    zoo = Zoo((256 * 256, 2), scale, 11)
    zoo.add("pairs", zoo.operator("SOFTMAX", [0], zoo.tensor((256 * 256, 2), 1 / 256, -128), beta=1.0))
    check(zoo, tmp_path, np.stack(np.meshgrid(EVERY_VALUE, EVERY_VALUE), -1).reshape(1, -1))


def test_softmax_of_many(tmp_path: Path) -> None:
    zoo = Zoo((1, 1020), 0.06, -3)
    for depth, beta in ((1, 1.0), (3, 1.0), (10, 0.4), (12, 2.0), (255, 1.0), (510, 1.0)):
        shape = (1020 // depth, depth)
        rows = zoo.operator("RESHAPE", [0, zoo.constant(shape)], zoo.tensor(shape, 0.06, -3))
        result = zoo.tensor(shape, 1 / 256, -128)
        zoo.add(f"{depth} {beta}", zoo.operator("SOFTMAX", [rows], result, beta=beta))
    check(zoo, tmp_path, clips(1020, 200))
