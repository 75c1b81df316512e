from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from kws_exp import summary
from tests import fake_run


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sqlite:////a b/mlflow.db", "mlflow ui --backend-store-uri 'sqlite:////a b/mlflow.db'"),
        ("http://server:5000", "http://server:5000/#/runs/abc"),
    ],
)
def test_the_summary_ends_with_where_to_look(tmp_path: Path, uri: str, expected: str) -> None:
    folder = fake_run.make(tmp_path, tracking_run_id="abc", tracking_uri=uri)
    output = io.StringIO()
    console = Console(file=output, width=200)
    console.print(summary.terminal(folder))
    shown = output.getvalue()
    assert expected in shown
    assert "TensorFlow Lite Micro, int8" in shown
    assert "23,456 bytes" in shown
    assert str(folder.path / "report.md") in shown
