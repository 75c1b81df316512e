from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kws_exp.errors import KwsError
from kws_exp.track import store as stores
from kws_exp.track.store import Store

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

OPEN = """
import sys
from kws_exp.track import store
destination = store.resolve(None, sys.argv[1])
print(store.experiment_id(store.connect(destination), destination, "kws_exp"))
"""


def test_default_is_a_database_in_the_output_folder_from_wherever_one_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = stores.resolve(None, "mlruns")
    assert found == stores.resolve(None, tmp_path / "mlruns")
    assert found.database == tmp_path / "mlruns" / "mlflow.db"
    assert found.artifacts == (tmp_path / "mlruns" / "artifacts").as_uri()
    assert stores.resolve("sqlite:///a/b.db", "x").database == tmp_path / "a" / "b.db"


@pytest.mark.parametrize("name", ["with space", "ümlaut", "hash#", "50%", "100%20", "why?"])
def test_any_folder_name_survives_the_uri(tmp_path: Path, name: str) -> None:
    found = stores.resolve(None, tmp_path / name)
    assert found.database == tmp_path / name / "mlflow.db"
    assert stores.resolve(found.uri, "elsewhere") == found


def test_setting_beats_environment_beats_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000/")
    assert stores.resolve(None, tmp_path) == Store("http://server:5000")
    assert stores.resolve("https://other", tmp_path) == Store("https://other")


@pytest.mark.parametrize("uri", ["mlruns", "file:///tmp/mlruns", "./mlruns", r"C:\mlruns"])
def test_a_folder_is_refused_with_what_to_write_instead(tmp_path: Path, uri: str) -> None:
    with pytest.raises(KwsError, match=r"sqlite:///mlruns/mlflow\.db"):
        stores.resolve(uri, tmp_path)


def test_a_postgresql_store_keeps_its_artifacts_in_the_output_folder(tmp_path: Path) -> None:
    found = stores.resolve("postgresql+psycopg2://me@host/db", tmp_path)
    assert found == Store("postgresql+psycopg2://me@host/db", (tmp_path / "artifacts").as_uri())


def test_four_processes_at_once_on_a_missing_store_all_succeed(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", OPEN, str(tmp_path / "new")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    ended = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0] * 4, ended
    assert {out for out, _ in ended} == {"1\n"}
    with sqlite3.connect(tmp_path / "new" / "mlflow.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("SELECT artifact_location FROM experiments ORDER BY experiment_id").fetchall() == [
            ((tmp_path / "new" / "artifacts" / "0").as_uri(),),
            ((tmp_path / "new" / "artifacts").as_uri(),),
        ]
    connection.close()


def test_an_experiment_made_by_somebody_else_meanwhile_is_used(
    client: MlflowClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = client.create_experiment("raced")
    look = client.get_experiment_by_name
    answers = iter([None, look("raced")])
    monkeypatch.setattr(client, "get_experiment_by_name", lambda name: next(answers))
    assert stores.experiment_id(client, store, "raced") == made


def test_a_deleted_experiment_is_told_with_the_way_back(client: MlflowClient, store: Store) -> None:
    client.delete_experiment(stores.experiment_id(client, store, "gone"))
    with pytest.raises(KwsError, match="mlflow experiments restore -x 1"):
        stores.experiment_id(client, store, "gone")


def test_a_file_that_is_no_database_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("not a database, but long enough to be looked at " * 40)
    with pytest.raises(KwsError, match=r"cannot be used \(file is not a database\).*tracking=off"):
        stores.connect(stores.resolve(None, tmp_path))


def test_variables_of_other_runs_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    stores.prepare_environment()
    assert "MLFLOW_RUN_ID" not in os.environ
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
