"""A served model that hears a few words, for all tests of the page."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from kws_exp import run_folder
from kws_exp.demo.server import Server
from kws_exp.stream import spotter
from tests.listen import taught

SPOKEN = ["yes", "no", "yes", "no"]


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = taught.make(tmp_path_factory.mktemp("taught"))
    manifest = run_folder.read_json(folder / "manifest.json")
    manifest["detector"] |= {"detection_threshold": 160}
    run_folder.write_json(folder / "manifest.json", manifest)
    return folder


@pytest.fixture(scope="session")
def served(exported: Path) -> Iterator[Server]:
    with spotter.opened(exported) as model, Server(exported, model) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Words three seconds apart, the first from the second second on."""
    path = tmp_path_factory.mktemp("recording") / "words.wav"
    soundfile.write(path, taught.spoken(SPOKEN), 16_000)
    return path
