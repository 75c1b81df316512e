"""A run without training: an untrained spotter, exported and proved, with the configuration that its data need."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from kws_exp import run_folder
from kws_exp.schema import Data
from kws_exp.stream import install
from kws_exp.stream.events import OperatingPoint
from tests.proof.conftest import Spotter, proved
from tests.stream import exports

__all__ = ["proved"]

POINT = OperatingPoint((70, 80, 60, 75), suppression_ms=300, minimum_count=2)  # at which an untrained network fires
CHOSEN = {"sentence": "Chosen by hand", "hours": 1.0, "max_false_accepts_per_hour": 2.0}


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty recorded clips of each of three words, and noise."""
    folder = tmp_path_factory.mktemp("speech")
    for word in ("yes", "no", "bed"):
        (folder / word).mkdir()
        for path in sorted((exports.SPEECH / word).iterdir())[:40]:
            shutil.copy(path, folder / word)
    (folder / "_background_noise_").mkdir()
    shutil.copy(exports.SPEECH / "_background_noise_" / "running_tap.flac", folder / "_background_noise_")
    return folder


@pytest.fixture(scope="session")
def run(proved: Spotter, speech: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the run."""
    folder = tmp_path_factory.mktemp("run")
    shutil.copytree(proved.folder, folder / "export")
    install.write(folder / "export", POINT, CHOSEN)
    cache = str(tmp_path_factory.mktemp("cache"))
    data = Data("speech_commands", str(speech), cache_dir=cache, silence_percentage=30, unknown_percentage=30)
    data.validation_percentage = data.testing_percentage = 30
    run_folder.write_json(folder / "config.yaml", asdict(replace(proved.config, data=data)))  # JSON is YAML
    return folder
