"""Real SQLite stores: one is made and migrated a session (3-7 s), every test gets a copy."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kws_exp.track import store as stores
from kws_exp.track.store import Store

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what opening a store does to the environment, and keep the caller's out."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated store."""
    import warnings

    folder = tmp_path_factory.mktemp("migrated")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's and SQLAlchemy's own
        stores.connect(stores.resolve(None, folder))
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # all into the one file that is copied
    return folder / "mlflow.db"


@pytest.fixture
def output_dir(tmp_path: Path, migrated: Path) -> Path:
    """A folder for output whose name needs quoting, with a store that is ready."""
    folder = tmp_path / "my rüns"
    folder.mkdir()
    shutil.copyfile(migrated, folder / "mlflow.db")
    return folder


@pytest.fixture
def store(output_dir: Path) -> Store:
    """The store of ``output_dir``."""
    return stores.resolve(None, output_dir)


@pytest.fixture
def client(store: Store) -> MlflowClient:
    """A client of that store."""
    return stores.connect(store)
