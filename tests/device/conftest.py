"""One export with the micro front end, made once: tiny_conv, untrained, with a leaning to its first keyword."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kws_exp import device, features, models, schema
from kws_exp.device import Golden, Written
from kws_exp.export import export, interpreters
from kws_exp.export.manifest import Arena
from kws_exp.features import micro
from kws_exp.models.tiny_conv import TinyConv
from tests.c99.programs import GOLDEN

PROVENANCE = {"run_id": "0123", "data": {"source": "speech_commands", "digest": "ab12"}, "steps": 10}


@dataclass(frozen=True)
class Case:
    """An export, and what was written into it."""

    folder: Path
    manifest: dict[str, Any]
    golden: Golden
    written: Written


def make(model: Any, settings: micro.Micro, folder: Path, name: str) -> tuple[dict[str, Any], Golden]:
    """Export a model of the micro front end; golden vectors come from the interpreter and from training's features."""
    with np.load(GOLDEN) as content:
        pcm = content["pcm"][:16]
    calibration = features.build(settings)(pcm.astype(np.float32) / 32768)
    config = schema.Config(
        words=["yes", "no"], data=schema.Data(), features=settings, model=schema.Model(name="tiny_conv"), name=name
    )
    export(model, calibration, config, folder, PROVENANCE)
    made = micro.pcm_features(settings)(pcm)
    inputs = micro.quantize(made, settings)
    found = interpreters.tflm(folder / "model_int8.tflite", inputs[..., np.newaxis])
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["arena"] = asdict(Arena(found.smallest_arena, 12160, found.allocated))
    manifest["accuracy"] = {"keras": 0.912, "int8_tflm": 0.905}
    return manifest, Golden(pcm, made, inputs.reshape(16, -1), found.outputs)


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    if not interpreters.tflm_available():
        pytest.skip(interpreters.__doc__ or "")
    settings = micro.Micro()
    model = models.build(TinyConv(), settings.frames, settings.width, 4, 1)
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([3 * kernel, bias + np.array([0, 0, 4, 0], np.float32)])
    folder = tmp_path_factory.mktemp("device") / "export"
    manifest, golden = make(model, settings, folder, "tiny conv")
    written = device.write(folder, manifest, golden)
    return Case(folder, manifest, golden, written)


@pytest.fixture
def copied(case: Case, tmp_path: Path) -> Path:
    """Return a copy of the folder elsewhere, under a path that is hard on shells and makefiles."""
    return Path(shutil.copytree(case.folder, tmp_path / "a copy", ignore=shutil.ignore_patterns("saved_model")))


@pytest.fixture
def alone(case: Case, tmp_path: Path) -> Callable[..., tuple[Path, Written]]:
    """Return a function that writes the parts for the same model with a changed manifest or golden vectors."""

    def write(golden: Golden = case.golden, **changes: Any) -> tuple[Path, Written]:
        folder = tmp_path / "export"
        folder.mkdir(exist_ok=True)
        shutil.copy(case.folder / "model_int8.tflite", folder)
        return folder, device.write(folder, case.manifest | changes, golden)

    return write
