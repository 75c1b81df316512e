"""Whole sweeps in real processes: what they leave, and what they survive."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
import yaml
from optuna.trial import TrialState

from kws_exp import run_folder
from kws_exp.track.process import only_sender
from tests.sweep.commands import SMALL, finish, run, start, trials, wait_for, workers

pytestmark = pytest.mark.slow

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
LONG = ("train.steps=[1000]", "train.eval_interval=50", "augment.bank=0", "sweeper.pruner=none", "sweeper.workers=2")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with a cache that the tests of this module share."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def smoke(place: Path) -> tuple[Path, str]:
    """One finished sweep: its folder, and what it printed."""
    output = run(place, "sweeps=smoke", "output_dir=smoke", "train.steps=[40]", "sweeper.workers=2", *SMALL)
    return next((place / "smoke" / "sweeps").iterdir()), output


def test_a_sweep_leaves_everything(place: Path, smoke: tuple[Path, str]) -> None:
    folder, output = smoke
    found = trials(place / "smoke")
    assert [trial.state in (COMPLETE, PRUNED) for trial in found] == [True] * 4
    assert found[0].user_attrs["baseline"] and found[0].params["model"] == "tiny_conv"
    assert "4/4 trials" in output and "train the best again: python -m kws_exp experiment=" in output
    assert {"report.md", "leaderboard.csv", "best.yaml", "sweep.json", "config.yaml", "figures", "log.txt"} <= {
        path.name for path in folder.iterdir()
    }
    assert (folder / "figures" / "sweep.html").stat().st_size > 1_000_000
    for trial in found:
        run_path = place / "smoke" / "runs" / trial.user_attrs["runs"][0]
        assert run_folder.RunFolder(run_path).record().status == ("FINISHED" if trial.state == COMPLETE else "PRUNED")


def test_a_sweep_is_tracked_as_one_run_with_a_child_for_each_trial(place: Path, smoke: tuple[Path, str]) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{place}/smoke/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("kws_exp").experiment_id])
    parents = [one for one in runs if "mlflow.parentRunId" not in one.data.tags]
    children = [one for one in runs if one not in parents]
    assert [one.info.status for one in parents] == ["FINISHED"]
    assert {one.data.tags["mlflow.parentRunId"] for one in children} == {parents[0].info.run_id}
    assert len(children) == 4
    for trial in trials(place / "smoke"):
        child = next(one for one in children if one.info.run_name == f"trial-{trial.number:04d}")
        assert child.data.tags["kws_exp.state"] == ("FINISHED" if trial.state == COMPLETE else "PRUNED")
        assert child.info.status == ("FINISHED" if trial.state == COMPLETE else "KILLED")
        assert child.data.params["model.name"] == trial.params["model"]
        curve = client.get_metric_history(child.info.run_id, "val/accuracy")
        assert {point.step: point.value for point in curve} == trial.intermediate_values
    assert parents[0].data.metrics["trials/complete"] + parents[0].data.metrics["trials/pruned"] == 4
    names = {item.path for item in client.list_artifacts(parents[0].info.run_id)}
    assert {"report.md", "leaderboard.csv", "best.yaml", "figures", "config.yaml"} <= names
    assert "leaderboard" in parents[0].data.tags["mlflow.note.content"].lower()


def test_the_best_trial_can_be_trained_again(place: Path, smoke: tuple[Path, str]) -> None:
    folder, _ = smoke
    best = max((t for t in trials(place / "smoke") if t.state == COMPLETE), key=lambda t: (t.values[0], -t.number))
    shown = yaml.safe_load(run(place, f"experiment={folder}/best.yaml", "--cfg", "job"))
    trained = yaml.safe_load((place / "smoke" / "runs" / best.user_attrs["runs"][0] / "config.yaml").read_text())
    for section in ("words", "features", "model", "optimizer", "train", "seed"):
        assert {**trained}[section] == shown[section] or section == "optimizer", section
    assert shown["optimizer"]["learning_rate"] == trained["optimizer"]["learning_rate"]


def test_a_finished_sweep_runs_nothing_again(place: Path, smoke: tuple[Path, str]) -> None:
    before = [trial.datetime_complete for trial in trials(place / "smoke")]
    output = run(place, "sweeps=smoke", "output_dir=smoke", "train.steps=[40]", "sweeper.workers=2", *SMALL)
    assert [trial.datetime_complete for trial in trials(place / "smoke")] == before
    assert "4/4 trials" in output


def test_a_killed_worker_costs_one_trial_and_a_killed_parent_none(place: Path) -> None:
    command = ("sweeps=smoke", "output_dir=killed", "sweeper.n_trials=5", *LONG, *SMALL)
    there = place / "killed"

    def reported() -> list[int]:
        return [
            trial.number for trial in trials(there) if trial.state == TrialState.RUNNING and trial.intermediate_values
        ]

    process = start(place, *command)
    wait_for(lambda: len(reported()) == 2, process)
    os.kill(workers(process.pid)[0], signal.SIGKILL)
    wait_for(lambda: any(trial.state == FAIL for trial in trials(there)), process)
    failed = next(trial for trial in trials(there) if trial.state == FAIL)
    assert "killed, as the kernel does" in failed.user_attrs["reason"]
    wait_for(lambda: reported(), process)
    process.kill()
    process.communicate()
    left = [trial.number for trial in trials(there) if trial.state == TrialState.RUNNING]
    output = run(place, *command)
    found = trials(there)
    again = [trial for trial in found if trial.user_attrs.get("retry_of") in left]
    assert left and sorted(trial.user_attrs["retry_of"] for trial in again) == left
    for trial in again:
        before = found[trial.user_attrs["retry_of"]]
        assert trial.state == COMPLETE
        assert trial.params.items() >= before.params.items()
        if before.intermediate_values:  # gone on with, from its checkpoint, in the folder it had
            assert trial.user_attrs["runs"] == before.user_attrs["runs"]
    counted = [trial for trial in found if not trial.user_attrs.get("interrupted")]
    assert sorted(trial.state.name for trial in counted) == ["COMPLETE"] * 4 + ["FAIL"]
    assert len({name for trial in counted for name in trial.user_attrs["runs"]}) == 5
    assert "5/5 trials" in output and f"{len(left)} interrupted and tried again" in output


def test_a_trial_that_is_told_is_tracked_though_its_parent_dies_at_once(place: Path) -> None:
    from mlflow.tracking import MlflowClient

    fatal = Path(__file__).with_name("fatal.py")
    process = start(place, "sweeps=smoke", "output_dir=fatal", "train.steps=[40]", *SMALL, program=[str(fatal)])
    finish(process, status=-signal.SIGKILL)
    (told,) = (trial for trial in trials(place / "fatal") if trial.state == COMPLETE)
    with only_sender(run_folder.RunFolder(next((place / "fatal" / "sweeps").iterdir()))):  # once it has sent the rest
        client = MlflowClient(f"sqlite:///{place}/fatal/mlflow.db")
        experiment = client.get_experiment_by_name("kws_exp").experiment_id
        (sent,) = client.search_runs([experiment], f"tags.mlflow.runName = 'trial-{told.number:04d}'")
    assert sent.info.status == "FINISHED" and sent.data.metrics["val/accuracy"] > 0


def test_ctrl_c_gives_trials_back_with_a_checkpoint(place: Path) -> None:
    command = ("sweeps=smoke", "output_dir=stopped", "sweeper.n_trials=2", *LONG, *SMALL)
    there = place / "stopped"
    process = start(place, *command)
    wait_for(lambda: all(trial.intermediate_values for trial in trials(there)) and trials(there), process)
    process.send_signal(signal.SIGINT)
    output = finish(process, status=130)
    assert "2 trials are left: the same command goes on with them" in output
    found = trials(there)
    assert [trial.state for trial in found] == [FAIL, FAIL, TrialState.WAITING, TrialState.WAITING]
    for trial in found[:2]:
        folder = run_folder.RunFolder(there / "runs" / trial.user_attrs["runs"][0])
        assert folder.record().status == "KILLED"
        assert list(folder.checkpoints.glob("step-*.npz"))


def test_a_hopeless_sweep_gives_up_with_a_reason(place: Path) -> None:
    output = run(
        place,
        *("sweeps=smoke", "output_dir=hopeless", "sweeper.trial_timeout=1", "sweeper.max_failures=2"),
        *(*LONG, *SMALL),
        status=2,
    )
    assert "2 trials failed, which is sweeper.max_failures, the last with: trial " in output
    assert "it took longer than sweeper.trial_timeout=1 s" in output
    record = next(run_folder.find_all(place / "hopeless" / "runs"))[1]
    assert record.status == "FAILED"


@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="the cross compiler is not installed")
def test_what_cannot_fit_is_not_trained_and_seeds_have_a_mean(place: Path) -> None:
    run(
        place,
        *("--multirun", "hydra/sweeper=kws_optuna", "data=synthetic", "words=[yes,no]", "export=none"),
        *("model=tiny_conv,low_latency_conv", "sweeper.sampler=grid", "sweeper.seeds=2", "output_dir=budget"),
        *(
            "+sweeper.constraints={flash_kb: 64}",
            "sweeper.report=[ram_kb]",
            "train.steps=[20]",
            "train.eval_interval=10",
        ),
        *SMALL,
    )
    small, large = trials(place / "budget")
    assert (small.state, large.state) == (COMPLETE, PRUNED)
    assert large.user_attrs["rejected"].startswith("flash_kb = 8") and "runs" not in large.user_attrs
    assert large.constraints["flash_kb"] > 0 > small.constraints["flash_kb"]
    accuracies = []
    for name in small.user_attrs["runs"]:
        rows = run_folder.read_lines(place / "budget" / "runs" / name / "curves.jsonl")
        accuracies.append(max(row["val/accuracy"] for row in rows if "val/accuracy" in row))
    assert small.values[0] == pytest.approx(sum(accuracies) / 2)
    assert small.user_attrs["deviation"][0] == pytest.approx(abs(accuracies[0] - accuracies[1]) / 2**0.5)
    assert small.user_attrs["figures"]["ram_kb"] > 1


@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="the cross compiler is not installed")
def test_accuracy_on_the_device_against_flash(place: Path) -> None:
    run(
        place,
        *("sweeps=pareto", "data=synthetic", "words=[yes,no]", "output_dir=pareto", "sweeper.n_trials=2"),
        *("model=tiny_conv", "sweeper.baselines=[]", "train.steps=[20]", "train.eval_interval=10", *SMALL),
    )
    for trial in trials(place / "pareto"):
        folder = place / "pareto" / "runs" / trial.user_attrs["runs"][0]
        stored = run_folder.read_json(folder / "device_validation.json")
        assert trial.values[0] == stored["accuracy"]
        assert (folder / "export" / "c99" / "kws.c").exists()
        assert 10 < trial.values[1] < 40
