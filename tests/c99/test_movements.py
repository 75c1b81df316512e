from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from tests.c99.compare import check, needed
from tests.c99.handmade import Zoo

pytestmark = needed


def test_pad(tmp_path: Path) -> None:
    zoo = Zoo((1, 4, 3, 5))
    for margins in ([[0, 0], [1, 2], [0, 1], [0, 0]], [[0, 0], [0, 0], [3, 0], [1, 4]]):
        shape = [size + sum(margin) for size, margin in zip((1, 4, 3, 5), margins, strict=True)]
        for name, value in (("PAD", []), ("PADV2", [zoo.constant([-77], 0.05, 3)])):
            inputs = [0, zoo.constant(margins), *value]
            zoo.add(f"{name} {margins}", zoo.operator(name, inputs, zoo.tensor(shape, 0.05, 3)))
    check(zoo, tmp_path)


def test_transpose(tmp_path: Path) -> None:
    zoo = Zoo((2, 4, 3, 5))
    for order in itertools.permutations(range(4)):
        result = zoo.tensor([(2, 4, 3, 5)[axis] for axis in order], 0.05, 3)
        zoo.add(f"{order}", zoo.operator("TRANSPOSE", [0, zoo.constant(order)], result))
    check(zoo, tmp_path)


def test_concatenate(tmp_path: Path) -> None:
    zoo = Zoo((1, 4, 3, 5))
    constant = zoo.constant(np.arange(60).reshape(1, 4, 3, 5), 0.05, 3)
    for axis, shape in ((1, (1, 12, 3, 5)), (-1, (1, 4, 3, 15)), (2, (1, 4, 9, 5)), (0, (3, 4, 3, 5))):
        result = zoo.tensor(shape, 0.05, 3)
        zoo.add(f"{axis}", zoo.operator("CONCATENATION", [0, constant, 0], result, axis=axis))
    check(zoo, tmp_path)


def test_other_shapes(tmp_path: Path) -> None:
    zoo = Zoo((1, 4, 3, 5))
    padded = zoo.operator("PAD", [0, zoo.constant([[0, 0], [0, 0], [0, 1], [0, 0]])], zoo.tensor((1, 4, 4, 5), 0.05, 3))
    expanded = zoo.operator("EXPAND_DIMS", [padded, zoo.constant([0])], zoo.tensor((1, 1, 4, 4, 5), 0.05, 3))
    squeezed = zoo.operator("SQUEEZE", [expanded], zoo.tensor((4, 4, 5), 0.05, 3), squeezeDims=[0, 1])
    flat = zoo.operator("RESHAPE", [squeezed, zoo.constant([80])], zoo.tensor((80,), 0.05, 3))
    zoo.add("flat", zoo.operator("RELU", [flat], zoo.tensor((80,), 0.04, -90)))
    check(zoo, tmp_path)
