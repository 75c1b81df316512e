from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kws_exp import run_folder
from kws_exp.errors import KwsError
from kws_exp.run_folder import RunFolder
from kws_exp.track import process, sync
from kws_exp.track.process import Tracker
from kws_exp.track.store import Store
from tests import fake_run

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

SLEEPER = """
import sys, time
from pathlib import Path
from kws_exp.run_folder import RunFolder
from kws_exp.track import store
from kws_exp.track.process import Tracker
if __name__ == "__main__":
    tracker = Tracker(RunFolder(Path(sys.argv[1])), store.resolve(None, sys.argv[2])).open()
    tracker.result()
    tracker.sync(400)
    print("open", flush=True)
    time.sleep(600)
"""


def test_a_run_is_tracked_and_signals_from_the_terminal_pass_the_process_by(
    output_dir: Path, store: Store, client: MlflowClient
) -> None:
    folder = fake_run.make(output_dir)
    tracker = Tracker(folder, store).open()
    assert not tracker.sync(200)
    run_id = tracker.result()
    assert tracker.done()
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(tracker._process.pid or 0, number)
    assert not tracker.sync(400)
    assert tracker.finish("KILLED") is None
    run = client.get_run(run_id)
    assert run.info.status == "KILLED"
    assert len(client.get_metric_history(run_id, "train/loss")) == 80
    assert not tracker._process.is_alive()
    (waited,) = client.get_metric_history(run_id, "seconds/tracking")
    assert waited.value > 0, "the run's command waited for what was sent last"
    assert run.data.metrics["seconds/total"] == pytest.approx(waited.value + sum(folder.record().seconds.values()))


def test_the_process_ends_when_the_run_is_killed_and_the_resumed_run_goes_on(
    output_dir: Path, store: Store, client: MlflowClient, tmp_path: Path
) -> None:
    folder = fake_run.make(output_dir)
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    command = [sys.executable, str(tmp_path / "sleeper.py"), str(folder.path), str(output_dir)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as running:
        assert running.stdout
        assert running.stdout.readline() == b"open\n"
        running.kill()
    with process.only_sender(folder):  # held by the tracking process as long as it lives
        run_id = sync.sync(folder)
    steps = [point.step for point in client.get_metric_history(run_id, "train/loss")]
    assert steps == list(range(10, 801, 10))
    assert len(client.search_runs(["1"])) == 1


def test_a_server_that_does_not_answer_is_one_sentence(output_dir: Path) -> None:
    folder = fake_run.make(output_dir)
    uri = f"http://127.0.0.1:{_free_port()}"
    with pytest.raises(KwsError, match=f"server {uri} cannot be used .*Connection refused.*tracking=off"):
        (tracker := Tracker(folder, Store(uri))).open().result()
    assert tracker.finish("FAILED") is None
    assert (folder.path / process.LOG).exists()


@pytest.fixture
def server(output_dir: Path, store: Store) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """An MLflow server on the store of ``output_dir``."""
    port = _free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", store.uri, "--no-serve-artifacts"]
    command += ["--default-artifact-root", (output_dir / "artifacts").as_uri()]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (output_dir / "server.log").open("wb") as log:
        running = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        _wait_for(f"http://127.0.0.1:{port}/health", running)
        yield f"http://127.0.0.1:{port}", running
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def test_a_server_killed_in_mid_run_costs_nothing(
    output_dir: Path, client: MlflowClient, store: Store, server: tuple[str, subprocess.Popen[bytes]]
) -> None:
    uri, running = server
    folder = fake_run.make(output_dir)
    tracker = Tracker(folder, Store(uri)).open()
    run_id = tracker.result()
    tracker.sync(400)
    tracker._pipe.poll(60)  # sent
    os.killpg(running.pid, signal.SIGKILL)
    sentence = tracker.finish("FINISHED")
    assert sentence
    assert "Connection refused" in sentence
    assert f"python -m kws_exp.track {folder.path}" in sentence
    assert "Traceback" in (folder.path / process.LOG).read_text()
    assert client.get_metric_history(run_id, "train/loss")[-1].step == 400
    _resend(folder, store)
    assert [point.step for point in client.get_metric_history(run_id, "train/loss")] == list(range(10, 801, 10))
    assert client.get_run(run_id).info.status == "FINISHED"


def _resend(folder: RunFolder, store: Store) -> None:
    record = folder.record()
    record.status = run_folder.FINISHED
    folder.write_record(record)
    sync.sync(folder, store.uri)


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def _wait_for(url: str, running: subprocess.Popen[bytes]) -> None:
    while running.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the server ended")
