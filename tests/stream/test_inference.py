"""The layers made for this machine, byte for byte against those of the device."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kws_exp import models
from kws_exp.c99 import host
from kws_exp.stream import inference
from tests.c99 import keras_models
from tests.c99.compare import clips, generated
from tests.c99.handmade import Zoo
from tests.c99.layers import SAME, VALID, slid, weighted

pytestmark = pytest.mark.skipif(host.compiler() is None, reason="no C compiler")


def check(model: Path, size: int, count: int = 24) -> list[int]:
    """Assert that a network gives the device's bytes on inputs of ``size`` values, one after the other in a stream."""
    inputs = clips(size, count)
    with inference.network(model, frames=1) as infer:
        found = infer(inputs, 1)
    expected = generated(model, inputs, host.fast())
    assert np.array_equal(found, expected)
    return [int(value) for value in np.unique(expected)]


@pytest.mark.parametrize("name", ["CONV_2D", "DEPTHWISE_CONV_2D"])
@pytest.mark.parametrize("size", [(9, 7, 5), (11, 6, 1), (6, 5, 16), (4, 13, 20), (4, 5, 32)])
def test_convolutions(name: str, size: tuple[int, int, int], tmp_path: Path) -> None:
    random = np.random.default_rng(sum(size))
    zoo = Zoo((1, *size), zero_point=int(random.integers(-128, 128)))
    kernels, strides, dilations = [(1, 1), (3, 3), (2, 4)], [(1, 1), (2, 1)], [(1, 1), (2, 1)]
    for form in itertools.product(kernels, strides, dilations, (SAME, VALID)):
        slid(zoo, random, name, *form, most_outputs=40)
    assert len(check(zoo.save_all(tmp_path / "model.tflite"), size[0] * size[1] * size[2])) > 100


def test_what_the_wide_layers_leave_to_the_plain_ones(tmp_path: Path) -> None:
    random, zoo = np.random.default_rng(7), Zoo((1, 18, 16, 64))
    options = {"strideH": 1, "strideW": 1, "padding": VALID}
    weighted(zoo, random, "CONV_2D", (4, 9, 8, 64), (1, 10, 9, 4), **options)  # filters of 4,608 weights
    weighted(zoo, random, "CONV_2D", (4, 16, 14, 64), (1, 3, 3, 4), **options)  # nine places
    weighted(zoo, random, "CONV_2D", (4, 5, 4, 32), (1, 14, 13, 4), **options)  # two groups
    weighted(zoo, random, "CONV_2D", (1040, 1, 1, 64), (1, 18, 16, 1040), **options)  # more than MOST_CHANNELS
    weighted(zoo, random, "CONV_2D", (300, 4, 4, 64), (1, 15, 13, 300), **options)  # 311,296 weights
    check(zoo.save_all(tmp_path / "model.tflite"), 18 * 16 * 64, 4)


def test_sums_beyond_what_floats_hold(tmp_path: Path) -> None:
    zoo, length = Zoo((1, 11, 11, 64), scale=0.01, zero_point=0), 8 * 8 * 64
    random = np.random.default_rng(5)
    high = random.integers(120, 128, (4, length // 2))
    filters = np.concatenate([high, -random.permuted(high, axis=1)], axis=1).astype(np.int8)
    weights = zoo.tensor((4, 8, 8, 64), 0.01, 0, filters)
    result = zoo.tensor((1, 4, 4, 4), 0.0001, 0)  # a step for each 1 in a sum; half of a filter sums up to 2^24.9
    zoo.add("large", zoo.operator("CONV_2D", [0, weights], result, strideH=1, strideW=1, padding=VALID))
    check(zoo.save_all(tmp_path / "model.tflite"), 11 * 11 * 64)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tiny_conv", "ds_cnn", "conv"])
def test_architectures(name: str, tmp_path: Path) -> None:
    settings: Any = models.ARCHITECTURES[name].settings
    built = keras_models.scatter(models.build(settings(), 49, 40, 6, seed=1))
    assert len(check(keras_models.save(built, tmp_path / "model.tflite"), 49 * 40, 60)) > 60
