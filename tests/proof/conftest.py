"""The networks of the export's tests, and a spotter with the micro front end, exported and proved once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from kws_exp import features as front_ends
from kws_exp import schema
from kws_exp.export import export
from kws_exp.features.micro import Micro
from kws_exp.models import build
from kws_exp.models.tiny_conv import TinyConv
from kws_exp.proof import Partition, Proof, prove
from tests.export.conftest import config, conv_export, conv_model, features, separable_export, separable_model

__all__ = ["config", "conv_export", "conv_model", "features", "separable_export", "separable_model"]


class Spotter(NamedTuple):
    folder: Path
    config: schema.Config
    tested: Partition
    proof: Proof


def clips(count: int) -> NDArray[np.float32]:
    """Tones that come and go in noise, from silent to too loud."""
    rng = np.random.default_rng(11)
    time = np.arange(16_000) / 16_000
    tones = np.sin(2 * np.pi * rng.uniform(100, 4000, (count, 1)) * time) * np.exp(-(((time - 0.5) / 0.1) ** 2))
    loudness = 10 ** rng.uniform(-4, 0.2, (count, 1))
    return np.clip((tones + rng.normal(0, 0.1, (count, 16_000))) * loudness, -1, 1).astype(np.float32)


@pytest.fixture(scope="session")
def proved(tmp_path_factory: pytest.TempPathFactory) -> Spotter:
    """Make an untrained tiny_conv whose weights are large enough for scores of all kinds."""
    made = schema.Config(words=["yes", "no"], data=schema.Data(), features=Micro(), model=TinyConv())
    made.export.emulated_cores = ["cortex-m4", "cortex-m0plus"]
    made.export.emulated_clips = 3
    model = build(made.model, made.features.frames, made.features.width, 4, seed=1)
    model.set_weights([10 * weight for weight in model.get_weights()])
    audio = clips(60)
    heard = front_ends.build(made.features)(audio)
    scores = np.asarray(model(heard[..., np.newaxis], training=False))

    def chunks() -> Iterator[NDArray[np.float32]]:
        yield audio[:35]
        yield audio[35:]

    tested = Partition(heard, scores.argmax(axis=1), scores, chunks)
    folder = tmp_path_factory.mktemp("proved") / "export"
    export(model, heard[:20], made, folder, {"run_id": "0123"})
    return Spotter(folder, made, tested, prove(folder, made, tested)[0])


@pytest.fixture
def copied(proved: Spotter, tmp_path: Path) -> Path:
    """Return a copy of the export, to be damaged."""
    return Path(shutil.copytree(proved.folder, tmp_path / "elsewhere" / "copied export"))
