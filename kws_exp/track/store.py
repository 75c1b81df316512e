"""The tracking store: which one, how it is made, and the experiment in it.

``tracking.uri``, else ``MLFLOW_TRACKING_URI``, else ``OUTPUT_DIR/mlflow.db`` with artifacts beside it, always
absolute. The surprising fact: four MLflow processes that start together on a missing SQLite store corrupt its
schema for good (each runs the migrations), so a store is only ever opened under a file lock.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from kws_exp.errors import KwsError

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

SQLITE = "sqlite:///"
LOCK_SECONDS = 300.0  # others may be migrating; one migration took 7 s, 25 s on a loaded machine
# what would silently redirect a run or a client, and what makes a dead server answer within seconds, not 4 minutes
MISLEADING = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME")
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}


@dataclass(frozen=True)
class Store:
    """Where runs are recorded; ``artifacts`` is the root of a new experiment, None where the server decides."""

    uri: str
    artifacts: str | None = None

    @property
    def database(self) -> Path | None:
        """The SQLite file, if it is one."""
        return Path(unquote(self.uri.removeprefix(SQLITE))) if self.uri.startswith(SQLITE) else None

    @property
    def is_server(self) -> bool:
        """Whether it is reached over HTTP."""
        return self.uri.startswith(("http://", "https://"))


def resolve(uri: str | None, output_dir: str | Path) -> Store:
    """Return the store that the settings and the environment name, absolute; KwsError for one MLflow cannot use."""
    chosen = uri or os.environ.get("MLFLOW_TRACKING_URI") or _sqlite_uri(Path(output_dir).resolve() / "mlflow.db")
    if chosen.startswith(SQLITE):
        path = Path(unquote(chosen.removeprefix(SQLITE))).resolve()
        return Store(_sqlite_uri(path), (path.parent / "artifacts").as_uri())
    scheme = urlsplit(chosen).scheme.partition("+")[0]
    if scheme in ("", "file") or len(scheme) == 1:  # one letter: a Windows drive
        raise KwsError(
            f"tracking.uri must name a database or a server, and '{chosen}' is a folder, which MLflow no longer "
            f"writes to; use '{_sqlite_uri(Path('mlruns/mlflow.db'))}', 'http://HOST:5000' or leave it unset"
        )
    if scheme in ("http", "https"):
        return Store(chosen.rstrip("/"))
    return Store(chosen, None if "databricks" in scheme else (Path(output_dir).resolve() / "artifacts").as_uri())


def prepare_environment() -> None:
    """Silence telemetry and forget variables of other runs; call it before MLflow is imported."""
    for name in MISLEADING:
        os.environ.pop(name, None)
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def connect(store: Store) -> MlflowClient:
    """Open the store, making or migrating a SQLite one first; KwsError where that is not possible."""
    prepare_environment()
    import mlflow

    if store.artifacts:  # else MLflow's own first experiment gets ./mlruns of wherever we run
        os.environ["_MLFLOW_SERVER_ARTIFACT_ROOT"] = store.artifacts
    mlflow.set_tracking_uri(store.uri)
    mlflow.set_registry_uri(store.uri)
    if store.database is None:
        return _open(store)
    import mlflow.store.tracking.sqlalchemy_store

    with _locked(store.database):
        return _open(store)


def experiment_id(client: MlflowClient, store: Store, name: str) -> str:
    """Return the experiment of that name, made if need be, whoever else makes it at the same moment."""
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_experiment_by_name(name)
    except MlflowException as error:
        raise KwsError(unreachable(store, error)) from error
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=store.artifacts))
        except MlflowException:  # somebody was faster
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise KwsError(
            f"the experiment '{name}' was deleted from {store.uri}; restore it with "
            f"`mlflow experiments restore -x {found.experiment_id}` or choose another tracking.experiment"
        )
    return str(found.experiment_id)


def unreachable(store: Store, error: BaseException) -> str:
    """Return the sentence for a store that does not answer."""
    kind = "server" if store.is_server else "store"
    return (
        f"the tracking {kind} {store.uri} cannot be used ({reason(error)}); start or mend it, set another "
        "tracking.uri, or run without one: tracking=off"
    )


def reason(error: BaseException) -> str:
    """Return the innermost cause of an error in one short line."""
    text = str(error)
    for known in ("Connection refused", "Name or service not known", "No space left on device", "timed out"):
        if known in text:
            return known
    first = text.strip().splitlines()[0] if text.strip() else type(error).__name__
    return first if len(first) <= 200 else first[:200] + "..."


def _sqlite_uri(path: Path) -> str:
    return SQLITE + path.as_posix().replace("%", "%25").replace("?", "%3F")  # the two that a URI reads as its own


@contextlib.contextmanager
def _locked(database: Path) -> Iterator[None]:
    from filelock import FileLock

    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{database}.lock", timeout=LOCK_SECONDS):
            _check(database)
            yield
    except (OSError, sqlite3.Error) as error:
        raise KwsError(unreachable(Store(_sqlite_uri(database)), error)) from error


def _check(database: Path) -> None:
    """Touch the database; halves the cost of a write with write-ahead logging, kept in the file.

    11.2 instead of 20.5 ms a point, loaded. Raises sqlite3.Error where MLflow would retry for two minutes.
    """
    with contextlib.closing(sqlite3.connect(database, timeout=20)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def _open(store: Store) -> MlflowClient:
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    try:
        return MlflowClient(tracking_uri=store.uri, registry_uri=store.uri)
    except MlflowException as error:
        if store.database is None or "out-of-date database schema" not in str(error):
            raise KwsError(unreachable(store, error)) from error
        _migrate(store, store.database)
        return MlflowClient(tracking_uri=store.uri, registry_uri=store.uri)
    except Exception as error:  # SQLAlchemy's own: not a database, read-only, no driver
        raise KwsError(unreachable(store, error)) from error


def _migrate(store: Store, database: Path) -> None:
    """Bring the store of an older MLflow up to date, with a copy of the old one beside it."""
    copy = database.with_name(database.name + ".before-migration")
    shutil.copyfile(database, copy)
    command = [sys.executable, "-m", "mlflow", "db", "upgrade", store.uri]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "Error" in line] or ["no reason given"]
        raise KwsError(unreachable(store, RuntimeError(f"written by another MLflow: {lines[-1]}")))
