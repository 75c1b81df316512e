from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from kws_exp import run_folder, summary
from tests import fake_run


@pytest.mark.parametrize(("select", "accuracy"), [("best", 0.9), ("last", 0.8)])
def test_scores_are_those_of_the_weights_that_are_kept(tmp_path: Path, select: str, accuracy: float) -> None:
    folder = fake_run.make(tmp_path)
    rows = [(100, 0.9, 0.5), (200, 0.9, 0.4), (300, 0.8, 0.3)]
    folder.curves.unlink()
    run_folder.append_lines(
        folder.curves, [{"step": step, "val/accuracy": value, "val/loss": loss} for step, value, loss in rows]
    )
    found = summary.scores(folder, select)
    assert found["accuracy"] == accuracy
    assert found["loss"] == (0.4 if select == "best" else 0.3)
    assert found["clips"] == found["test_clips"] == sum(map(sum, fake_run.MATRIX))
    assert "device_accuracy" not in found
    run_folder.write_json(folder.path / summary.DEVICE_VALIDATION, {"accuracy": 0.75})
    assert summary.scores(folder, select)["device_accuracy"] == 0.75


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sqlite:////a b/mlflow.db", "mlflow ui --backend-store-uri 'sqlite:////a b/mlflow.db'"),
        ("http://server:5000", "http://server:5000/#/runs/abc"),
    ],
)
def test_the_summary_ends_with_where_to_look_and_where_the_time_went(tmp_path: Path, uri: str, expected: str) -> None:
    folder = fake_run.make(tmp_path, tracking_run_id="abc", tracking_uri=uri)
    output = io.StringIO()
    console = Console(file=output, width=200)
    console.print(summary.terminal(folder))
    shown = output.getvalue()
    assert expected in shown
    assert "TensorFlow Lite Micro, int8" in shown
    assert "23,456 bytes" in shown
    assert str(folder.path / "report.md") in shown
    assert shown.splitlines()[-1].startswith("time 68.7 s: training 41.5, all else 27.2 (data 12.0, evaluation 1.2,")
