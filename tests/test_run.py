"""The whole line in real processes: from the command to the tracked model, killed, stopped, four at once."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kws_exp import run_folder
from kws_exp.run_folder import RunFolder

pytestmark = pytest.mark.slow

SMALL = [
    "data=synthetic",
    "data.synthetic.clips_per_word=60",
    "data.synthetic.other_clips_per_word=4",
    "train.steps=[60]",
    "train.eval_interval=20",
    "train.save_interval=7",
    "train.log_interval=5",
    "export.calibration_clips=50",
    "export.emulated_cores=[cortex-m4]",
    "export.emulated_clips=2",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with a cache that the tests of this module share."""
    return tmp_path_factory.mktemp("work")


def start(place: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "KWS_EXP_CACHE": str(place / "cache"), "HOME": str(place), "COLUMNS": "100"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    return subprocess.Popen(
        [sys.executable, "-m", "kws_exp", *arguments],
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], status: int = 0) -> str:
    output, errors = process.communicate(timeout=300)
    assert process.returncode == status, output + errors
    assert "Traceback" not in errors, errors
    return output + errors


def newest(place: Path, output_dir: str) -> RunFolder:
    return next(run_folder.find_all(place / output_dir / "runs"))[0]


def weights(folder: RunFolder) -> dict[str, np.ndarray]:
    path = sorted(folder.checkpoints.glob("step-*.npz"))[-1]
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}


def histories(place: Path, folder: RunFolder) -> dict[str, list[tuple[int, float]]]:
    """Return the curves as the tracking store has them, less what depends on the clock."""
    from mlflow.tracking import MlflowClient

    record = folder.record()
    assert record.tracking_run_id is not None
    client = MlflowClient(record.tracking_uri)
    keys = ("train/loss", "train/accuracy", "train/learning_rate", "val/loss", "val/accuracy")
    return {key: [(p.step, p.value) for p in client.get_metric_history(record.tracking_run_id, key)] for key in keys}


@pytest.fixture(scope="module")
def finished(place: Path) -> RunFolder:
    """One run of the main job, from the command to the end."""
    output = finish(start(place, "words=[yes,no,left]", "output_dir=first", *SMALL))
    assert output.startswith("data: synthetic speech by eSpeak NG; for recorded speech give data.dir=")
    assert "step 60: validation accuracy" in output
    assert "TensorFlow Lite Micro" in output
    assert "mlflow ui --backend-store-uri sqlite:" in output
    assert re.search(r"\ntime \d+\.\d s: training ", output)
    return newest(place, "first")


def test_the_main_job_leaves_everything(finished: RunFolder, place: Path) -> None:
    record = finished.record()
    assert record.status == run_folder.FINISHED
    assert record.data["source"] == "synthetic"
    assert list(record.data["counts"]["training"]) == ["_silence_", "_unknown_", "yes", "no", "left"]
    for name in ("model_int8.tflite", "model_float.tflite", "tflm/model_data.cc", "saved_model", "c99/kws.c"):
        assert (finished.export / name).exists(), name
    manifest = run_folder.read_json(finished.export / "manifest.json")
    proof = run_folder.read_json(finished.export / "proof.json")
    assert manifest["provenance"]["run_id"] == record.run_id
    assert set(proof["forms"]["accuracy"]) >= {"keras", "float_tflite", "int8_tflite"}
    if sys.platform == "linux":
        assert proof["forms"]["tflm"] == "run"
        assert proof["forms"]["equal_rows"] >= 0.95 * proof["forms"]["clips"]
        assert (proof["device"]["host"], proof["device"]["clips"]) == ("equal", proof["forms"]["clips"])
    assert (finished.path / "report.md").read_text().startswith("# tiny_conv_yes-no-left")
    assert not list(finished.path.rglob(".*.part"))
    assert {row["step"] for row in run_folder.read_lines(finished.confusions)} == {20, 40, 60}


def test_the_main_job_is_tracked(finished: RunFolder, place: Path) -> None:
    from mlflow.tracking import MlflowClient

    record = finished.record()
    assert record.tracking_run_id is not None
    client = MlflowClient(record.tracking_uri)
    run = client.get_run(record.tracking_run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["train.steps"] == "[60]"
    assert run.data.metrics["test/accuracy"] == pytest.approx(
        run_folder.read_json(finished.path / "evaluation.json")["accuracy"]
    )
    parts = {name: run.data.metrics[f"seconds/{name}"] for name in record.seconds}
    assert run.data.metrics["seconds/total"] == pytest.approx(sum(parts.values()))
    assert {"imports", "data", "training", "export", "proof", "report", "tracking"} <= set(parts)
    assert parts["tracking"] <= record.seconds["tracking"], "the last requests are not in what they send"
    artifacts = {item.path for item in client.list_artifacts(record.tracking_run_id)}
    assert {"export", "report.md", "config.yaml"} <= artifacts
    assert [step for step, _ in histories(place, finished)["train/loss"]] == list(range(5, 61, 5))


def test_the_same_command_gives_the_same_bytes(finished: RunFolder, place: Path) -> None:
    finish(start(place, "words=[yes,no,left]", "output_dir=second", "tracking=off", *SMALL))
    again = newest(place, "second")
    for name in ("model_int8.tflite", "model_float.tflite", "tflm/model_data.cc", "c99/kws_model.c"):
        assert (again.export / name).read_bytes() == (finished.export / name).read_bytes(), name
    for name, array in weights(finished).items():
        np.testing.assert_array_equal(array, weights(again)[name], err_msg=name)


def until(process: subprocess.Popen[str], folder: Path, step: int) -> Path:
    """Wait until a checkpoint of at least ``step`` is there."""
    while process.poll() is None:
        for path in folder.glob("runs/*/checkpoints/step-*.npz"):
            if int(re.findall(r"\d+", path.name)[0]) >= step:
                return path.parents[1]
        time.sleep(0.005)
    raise AssertionError("ended before the checkpoint: " + "".join(process.communicate()))


def test_killed_twice_and_resumed_equals_uninterrupted(finished: RunFolder, place: Path) -> None:
    process = start(place, "words=[yes,no,left]", "output_dir=killed", *SMALL)
    path = until(process, place / "killed", 14)
    process.kill()
    process.communicate()
    assert RunFolder(path).record().status == run_folder.RUNNING
    process = start(place, "resume=latest", "output_dir=killed")
    until(process, place / "killed", 35)
    process.kill()
    process.communicate()
    finish(start(place, f"resume={path.name}", "output_dir=killed"))
    assert len(list((place / "killed" / "runs").iterdir())) == 1
    folder = RunFolder(path)
    for name, array in weights(finished).items():
        np.testing.assert_array_equal(array, weights(folder)[name], err_msg=name)
    assert histories(place, folder) == histories(place, finished)
    assert (folder.export / "model_int8.tflite").read_bytes() == (finished.export / "model_int8.tflite").read_bytes()


def test_ctrl_c_saves_marks_and_tells_how_to_go_on(finished: RunFolder, place: Path) -> None:
    from mlflow.tracking import MlflowClient

    process = start(place, "words=[yes,no,left]", "output_dir=stopped", *SMALL, "train.steps=[2000]")
    path = until(process, place / "stopped", 20)
    process.send_signal(signal.SIGINT)
    output = finish(process, 130)
    assert f"python -m kws_exp resume={path.name}" in output
    record = RunFolder(path).record()
    assert record.status == run_folder.KILLED
    assert record.tracking_run_id is not None
    assert MlflowClient(record.tracking_uri).get_run(record.tracking_run_id).info.status == "KILLED"
    steps = [int(re.findall(r"\d+", p.name)[0]) for p in (path / "checkpoints").glob("step-*.npz")]
    last = max(row["step"] for row in run_folder.read_lines(path / "curves.jsonl"))
    assert max(steps) >= last, "the checkpoint is of the very step at which it stopped"


def test_four_first_runs_at_once(place: Path, tmp_path: Path) -> None:
    """No store, no cache: each must find or make both."""
    quick = [
        *SMALL,
        "train.steps=[10]",
        "export=none",
        "data.synthetic.clips_per_word=20",
        "data.synthetic.other_clips_per_word=2",
    ]
    processes = [start(tmp_path, f"seed={seed % 2}", *quick) for seed in range(4)]
    for process in processes:
        finish(process)
    records = [record for _, record in run_folder.find_all(tmp_path / "mlruns" / "runs")]
    assert [record.status for record in records] == ["FINISHED"] * 4
    assert len({record.tracking_run_id for record in records}) == 4
    digests = [record.data["digest"] for record in records]
    assert len(set(digests)) == 2


def test_a_running_run_is_not_resumed(place: Path) -> None:
    process = start(place, "output_dir=busy", "tracking=off", *SMALL, "train.steps=[5000]")
    path = until(process, place / "busy", 7)
    message = finish(start(place, "output_dir=busy", "resume=latest"), 2)
    assert "is still going" in message
    process.terminate()
    finish(process, 130)
    assert RunFolder(path).record().status == run_folder.KILLED
