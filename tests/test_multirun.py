"""Hydra's own ``--multirun``: one run after the other, compared under one parent."""

from __future__ import annotations

from pathlib import Path

import pytest

from kws_exp import run_folder
from tests.sweep.commands import SMALL, run

pytestmark = pytest.mark.slow


def test_the_basic_launcher_runs_every_combination(tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    output = run(
        tmp_path,
        *("--multirun", "model=single_fc,tiny_conv", "data=synthetic", "words=[yes,no]", "export=none"),
        *("train.steps=[10]", "train.eval_interval=10", "output_dir=out", *SMALL),
    )
    assert "comparison: " in output
    found = list(run_folder.find_all(tmp_path / "out" / "runs"))
    assert {record.status for _, record in found} == {run_folder.FINISHED}
    assert len({record.parent_run_id for _, record in found}) == 1
    group = next((tmp_path / "out" / "multiruns").iterdir())
    assert "model=single_fc" in (group / "report.md").read_text()
    client = MlflowClient(f"sqlite:///{tmp_path}/out/mlflow.db")
    assert client.get_run(found[0][1].parent_run_id).info.status == "FINISHED"
