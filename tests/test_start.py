"""Which run ``resume`` means, and under which conditions it may go on."""

from pathlib import Path

import pytest
from filelock import FileLock

from kws_exp import config as configuration
from kws_exp import run_folder, start
from kws_exp.errors import KwsError
from kws_exp.features.log_mel import LogMel
from kws_exp.models.tiny_conv import TinyConv
from kws_exp.run_folder import RunFolder, RunRecord
from kws_exp.schema import Config, Data


def configured(output_dir: Path, resume: str | None = None) -> Config:
    return Config(["yes"], Data(), LogMel("log_mel"), TinyConv("tiny_conv"), output_dir=str(output_dir), resume=resume)


def run(output_dir: Path, name: str, status: str, created: float, checkpoint: bool = True) -> RunFolder:
    folder = RunFolder(output_dir / "runs" / name)
    folder.checkpoints.mkdir(parents=True)
    if checkpoint:
        (folder.checkpoints / "step-00000010.npz").write_bytes(b"")
    folder.write_record(RunRecord(name, f"{name}-id", status, created, tracking_run_id=f"{name}-tracked"))
    run_folder.write_text(folder.path / "config.yaml", configuration.to_yaml(configured(output_dir)))
    return folder


def resumed(output_dir: Path, wanted: str) -> str:
    started = start.again(configured(output_dir, wanted), [f"resume={wanted}"])
    started.lock.release()
    assert started.record.status == run_folder.RUNNING
    return started.folder.path.name


def test_latest_is_the_newest_that_can_go_on(tmp_path: Path) -> None:
    run(tmp_path, "old", "KILLED", 1)
    run(tmp_path, "wanted", "RUNNING", 2)
    going = run(tmp_path, "going", "RUNNING", 3)
    run(tmp_path, "failed", "FAILED", 4, checkpoint=False)
    run(tmp_path, "done", "FINISHED", 5)
    (tmp_path / "runs" / "damaged").mkdir()
    (tmp_path / "runs" / "damaged" / "run.json").write_text("")
    with FileLock(going.path / ".run.lock"):
        assert resumed(tmp_path, "latest") == "wanted"
    assert resumed(tmp_path, "latest") == "going"


@pytest.mark.parametrize("wanted", ["old", "old-id", "old-tracked"])
def test_a_run_has_three_names(tmp_path: Path, wanted: str) -> None:
    run(tmp_path, "old", "KILLED", 1)
    run(tmp_path, "new", "KILLED", 2)
    assert resumed(tmp_path, wanted) == "old"


def test_a_finished_or_unknown_run_is_refused(tmp_path: Path) -> None:
    run(tmp_path, "done", "FINISHED", 1)
    run(tmp_path, "stopped", "KILLED", 2)
    with pytest.raises(KwsError, match="has finished"):
        start.again(configured(tmp_path, "done"), [])
    with pytest.raises(KwsError, match=r"no run 'stoped'.*did you mean 'stopped'"):
        start.again(configured(tmp_path, "stoped"), [])


def test_a_pruned_run_is_over(tmp_path: Path) -> None:
    run(tmp_path, "stopped", "KILLED", 1)
    run(tmp_path, "pruned", "PRUNED", 2)
    assert resumed(tmp_path, "latest") == "stopped"
    with pytest.raises(KwsError, match="pruned was pruned by its sweep: start a new one with its settings"):
        start.again(configured(tmp_path, "pruned"), [])


def test_only_a_first_checkpoint_is_missing(tmp_path: Path) -> None:
    run(tmp_path, "early", "RUNNING", 1, checkpoint=False)
    assert resumed(tmp_path, "latest") == "early"
