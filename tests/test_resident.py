"""A bank on a device: the host's batches, and the same training. The processor stands in for a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kws_exp import augment, bank, features, framework, learner, models, optimizer, pipeline, resident
from kws_exp.features.log_mel import LogMel
from kws_exp.features.micro import Micro
from kws_exp.pipeline import Source
from kws_exp.schema import Config, Features
from tests.test_bank import DATASET, configuration

CPU = "/CPU:0"


def sources(config: Config) -> tuple[Source, Source]:
    """Return the sources of the same bank, of the host and of a device."""
    extract, count = features.build(config.features), config.augment.bank or 0
    host = bank.open_bank(config, DATASET, extract, count, lambda *_: None)
    draws = [
        augment.variant_draws(DATASET.partitions["training"], config.augment, config.seed, n) for n in range(count)
    ]
    encode = features.compact(config.features).encode
    variants = np.stack([encode(extract(augment.render(each, DATASET.clips, DATASET.noise))) for each in draws])
    return host, resident.source(config, DATASET, variants, CPU)


def read(source: Source, step: int) -> tuple[NDArray[Any], ...]:
    return tuple(np.asarray(array) for array in source.read(*pipeline.batch(source, step)))


@pytest.mark.parametrize("front_end", [Micro(), LogMel()], ids=["micro", "log_mel"])
def test_batches_are_those_of_the_host(front_end: Features, tmp_path: Path) -> None:
    host, device = sources(configuration(tmp_path, front_end))
    assert sum(np.prod(shape) for shape, _ in device.like) == 2 * 64  # rows and labels are all that is sent
    for step in (1, 9):
        for ours, theirs in zip(read(device, step), read(host, step), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_masks_are_those_of_the_host(tmp_path: Path) -> None:
    host, device = sources(configuration(tmp_path, time_mask_ms=300.0, frequency_mask=0.3))
    (ours, labels), (theirs, same) = read(device, 3), read(host, 3)
    np.testing.assert_array_equal(labels, same)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert np.mean(ours != read(sources(configuration(tmp_path))[1], 3)[0]) > 0.1


def test_training_is_that_of_the_host(tmp_path: Path) -> None:
    config = configuration(tmp_path)
    found = []
    for source in sources(config):
        framework.start(1)
        model = models.build(config.model, 49, 40, 4, 1)
        update = optimizer.build(config.optimizer, [4])
        update.build(model.trainable_variables)
        learn = learner.build(config, model, update, source)
        (group,) = pipeline.groups(config.train, source, 1, 4, lambda: 4)
        found.append([*learn(*group.arrays), *map(np.asarray, model.variables)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_without_a_gpu_the_bank_stays_where_it_is() -> None:
    import tensorflow as tf

    assert resident.fits(np.zeros((1, 1, 1, 1), np.int8)) == bool(tf.config.list_physical_devices("GPU"))
