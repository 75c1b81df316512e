from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kws_exp import run_folder
from kws_exp.run_folder import RunFolder, RunRecord
from kws_exp.track import parent, sync
from tests import fake_run

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

APP = """
import os, sys
from pathlib import Path
import hydra
from hydra.core.hydra_config import HydraConfig
from tests import fake_run
from kws_exp import config, multirun

@hydra.main(version_base="1.3", config_path=str(config.CONFIG_ROOT / "conf"), config_name="config")
def task(composed):
    if composed.model.name == "single_fc":
        raise ValueError("does not fit")
    fake_run.make(
        Path(composed.output_dir),
        composed.model.name,
        parent_run_id=os.environ[multirun.PARENT],
        overrides=list(HydraConfig.get().overrides.task),
        run_id=composed.model.name,
        tracking_run_id="of " + composed.model.name,
    )

if __name__ == "__main__":
    config.register()
    try:
        task()
    finally:
        print("ends")
"""


def run_app(tmp_path: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "app.py").write_text(APP)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(tmp_path / "app.py"), "--multirun", *overrides]
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)


def test_a_multirun_is_one_group_with_a_comparison_though_a_job_failed(
    tmp_path: Path, output_dir: Path, client: MlflowClient
) -> None:
    done = run_app(tmp_path, "model=tiny_conv,ds_cnn,single_fc", "seed=1", f"output_dir='{output_dir}'")
    assert "comparison: " in done.stdout, done.stderr
    (found,) = client.search_runs(["1"])
    assert found.info.status == "FAILED"
    assert found.data.metrics["test/accuracy"] == pytest.approx(282 / 315)
    comparison = json.loads(
        Path(client.download_artifacts(found.info.run_id, "comparison.json", str(tmp_path))).read_text()
    )
    assert comparison["columns"][:3] == ["run", "status", "test accuracy"]
    assert {row[0] for row in comparison["data"]} == {"model=tiny_conv", "model=ds_cnn"}
    figures = [item.path for item in client.list_artifacts(found.info.run_id, "figures")]
    assert figures == ["figures/comparison.png"]
    (folder,) = (output_dir / "multiruns").iterdir()
    text = (folder / "report.md").read_text()
    assert "| model=ds_cnn | FINISHED | 89.5% |" in text
    assert "ValueError: does not fit" in text
    (child, _), *_ = run_folder.find_all(output_dir / "runs")
    assert client.get_run(sync.sync(child)).data.tags["mlflow.parentRunId"] == found.info.run_id


def test_without_tracking_there_is_no_group(tmp_path: Path) -> None:
    done = run_app(tmp_path, "model=single_fc,single_fc", "tracking.enabled=false", "output_dir=out")
    assert "does not fit" in done.stderr
    assert not (tmp_path / "out" / "multiruns").exists()


def group(output_dir: Path) -> RunFolder:
    folder = run_folder.create(output_dir / "multiruns", "group")
    folder.write_record(RunRecord("group", "a" * 32, tracking_run_id="parent"))
    run_folder.write_json(folder.path / "multirun.json", {"runs": "../../runs"})
    return folder


def test_children_are_those_of_the_group_best_first(tmp_path: Path) -> None:
    for name, matrix in (("good", [[9, 1], [0, 10]]), ("best", [[10, 0], [0, 10]]), ("other", [[1, 0], [0, 1]])):
        made = fake_run.make(tmp_path, name, parent_run_id="parent" if name != "other" else None, overrides=[name])
        run_folder.write_json(made.path / "evaluation.json", {"labels": ["a", "b"], "matrix": matrix, "loss": None})
    folder = group(tmp_path)
    assert [child.label for child in parent.children(folder)] == ["best", "good"]
    assert parent.best(folder)["test/accuracy"] == 1.0
    assert parent.status(folder) == "FINISHED"


def test_a_group_without_a_finished_run_is_a_failed_one_with_a_report(tmp_path: Path) -> None:
    folder = group(tmp_path)
    assert parent.status(folder) == "FAILED"
    parent.compare(folder)
    assert (folder.path / "report.md").exists()
    assert not folder.figures.exists()
