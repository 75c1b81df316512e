"""Hydra ready to compose, as in a worker, and a place for commands that only plan."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import initialize_config_dir

from kws_exp import config as configuration


@pytest.fixture(scope="module")
def hydra_ready() -> Iterator[None]:
    configuration.register()
    with initialize_config_dir(str(configuration.CONFIG_ROOT / "conf"), version_base="1.3"):
        configuration._chosen.cache_clear()
        yield


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for word in ("yes", "no", "left"):
        (tmp_path / "speech" / word).mkdir(parents=True)
    (tmp_path / "speech.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KWS_EXP_CACHE", str(tmp_path / "cache"))
