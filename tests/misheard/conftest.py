"""A test partition of synthetic speech, and a classifier that knows its clips when they are clean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kws_exp import augment, features
from kws_exp.data import SILENT, TESTING, Clips, Dataset, Partition, noises, speech
from kws_exp.features import Extract
from kws_exp.features.micro import Micro
from kws_exp.misheard.noise import Predict
from kws_exp.models.tiny_conv import TinyConv
from kws_exp.schema import Config, Data, SynthesisRecipe

CLIPS_PER_WORD = 8
LABELS = {"stop": 1, "yes": 2, "no": 3}


@pytest.fixture(scope="session")
def config() -> Config:
    return Config(["yes", "no"], Data(), Micro(), TinyConv())


@pytest.fixture(scope="session")
def dataset(config: Config) -> Dataset:
    audio, paths = [], []
    with speech.voice_folder() as scratch:
        for word in LABELS:
            for number in range(CLIPS_PER_WORD):
                name, samples = speech.make_clip(word, number, SynthesisRecipe(), config.seed, scratch)
                audio.append(samples)
                paths.append(f"{word}/{name}_nohash_{number}.wav")
    pink = noises.coloured(np.random.default_rng(1), 80_000, -1.0)
    rows = np.array([*range(len(paths)), SILENT, SILENT], np.int64)
    labels = np.array([LABELS[path.partition("/")[0]] for path in paths] + [0, 0], np.int64)
    part = Partition(rows, labels, np.array([[8_000, 72_000]], np.int64))
    noise = (pink * 1000).astype(np.int16)
    return Dataset(
        "synthetic", "", config.labels, Clips((np.stack(audio),)), tuple(paths), noise, {TESTING: part}, "", {}
    )


@pytest.fixture(scope="session")
def extract(config: Config) -> Extract:
    return features.build(config.features)


@pytest.fixture(scope="session")
def tested(config: Config, dataset: Dataset, extract: Extract) -> NDArray[np.float32]:
    """Features of the test partition."""
    return np.concatenate([extract(audio) for audio in augment.evaluation_audio(dataset, TESTING, config.seed)])


@pytest.fixture(scope="session")
def nearest(dataset: Dataset, tested: NDArray[np.float32]) -> Predict:
    """Score a label by the nearest of its test clips."""
    labels = dataset.partitions[TESTING].labels

    def predict(heard: NDArray[np.float32]) -> NDArray[Any]:
        apart = np.sqrt(np.square(heard[:, None] - tested[None]).mean(axis=(2, 3)))
        return -np.stack([apart[:, labels == label].min(axis=1) for label in range(len(dataset.labels))], axis=1)

    return predict


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Any]:
    from tests import fake_run

    return lambda **changes: fake_run.make(tmp_path, **changes)
