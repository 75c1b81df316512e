"""A sweep on a real Slurm, one of whose jobs is killed as the kernel does when memory runs out."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.trial import TrialState

from kws_exp import run_folder
from tests.sweep import servers
from tests.sweep.commands import SMALL, finish, start, trials, wait_for

pytestmark = pytest.mark.slow

ON_SLURM = ("hydra/launcher=submitit_slurm", "hydra.launcher.cpus_per_task=1")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module", autouse=True)
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    servers.require(servers.SLURM)
    with (
        servers.mariadb(tmp_path_factory.mktemp("mariadb")) as databases,
        servers.slurm(tmp_path_factory.mktemp("slurm"), databases) as configuration,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SLURM_CONF", configuration)
        yield


def jobs() -> dict[int, int]:
    """Return the processes of the jobs under way, by number of their trial."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text().split("\0")
            environment = dict(item.partition("=")[::2] for item in (process / "environ").read_text().split("\0"))
        except OSError:  # it has ended
            continue
        if "submitit.core._submit" in words and "srun" not in words[0]:
            found[int(environment["SLURM_ARRAY_TASK_ID"])] = int(process.name)
    return found


def test_a_killed_job_costs_one_trial(place: Path) -> None:
    long = ("train.steps=[400]", "train.eval_interval=50", "augment.bank=0", "sweeper.pruner=none")
    process = start(
        place, "sweeps=smoke", "output_dir=killed", "sweeper.n_trials=3", "sweeper.workers=2", *long, *SMALL, *ON_SLURM
    )

    def both_train() -> bool:
        return len([trial for trial in trials(place / "killed") if trial.intermediate_values]) == 2

    wait_for(both_train, process)
    os.kill(jobs()[0], signal.SIGKILL)
    output = finish(process)
    found = trials(place / "killed")
    assert [trial.state.name for trial in found] == ["FAIL", "COMPLETE", "COMPLETE"]
    assert found[0].user_attrs["reason"].startswith("the launcher failed: UncompletedJobError")
    folder = run_folder.RunFolder(place / "killed" / "runs" / found[0].user_attrs["runs"][0])
    assert folder.record().status == run_folder.FAILED
    assert "3/3 trials" in output and "2 complete, 1 failed" in output


def test_jobs_end_with_their_sweep(place: Path) -> None:
    long = ("train.steps=[100000]", "train.eval_interval=50", "augment.bank=0", "sweeper.pruner=none")
    process = start(
        place, "sweeps=smoke", "output_dir=stopped", "sweeper.n_trials=1", "sweeper.workers=1", *long, *SMALL, *ON_SLURM
    )
    wait_for(lambda: any(trial.intermediate_values for trial in trials(place / "stopped")), process)
    process.send_signal(signal.SIGINT)
    output = finish(process, status=130)
    assert "1 trial is left: the same command goes on with it" in output
    deadline = time.monotonic() + 60
    while jobs():
        assert time.monotonic() < deadline
        time.sleep(0.5)
    ended, waiting = trials(place / "stopped")
    assert ended.user_attrs["interrupted"] and waiting.state == TrialState.WAITING
    folder = run_folder.RunFolder(place / "stopped" / "runs" / ended.user_attrs["runs"][0])
    assert folder.record().status == run_folder.KILLED
    assert any(folder.checkpoints.glob("step-*.npz"))
