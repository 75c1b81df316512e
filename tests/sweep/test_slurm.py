"""A sweep on a real Slurm: one of its jobs is killed, as the kernel does for memory; or the sweep itself is stopped."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.trial import TrialState

from kws_exp import run_folder
from tests.sweep import servers
from tests.sweep.commands import SMALL, finish, started, trials, wait_for

pytestmark = pytest.mark.slow

SWEEP = (
    *("sweeps=smoke", "hydra/launcher=submitit_slurm", "hydra.launcher.cpus_per_task=1", "sweeper.pruner=none"),
    *("train.eval_interval=50", "augment.bank=0", *SMALL),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with a cache that the tests of this module share."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module", autouse=True)
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cluster, which the commands find by its variable."""
    servers.require(servers.SLURM)
    with (
        servers.mariadb(tmp_path_factory.mktemp("mariadb")) as databases,
        servers.slurm(tmp_path_factory.mktemp("slurm"), databases) as configuration,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SLURM_CONF", configuration)
        yield


def jobs() -> list[int]:
    """Return the processes of this cluster's jobs."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text().split("\0")
            variables = (process / "environ").read_text().split("\0")
        except OSError:  # it has ended
            continue
        ours = f"SLURM_CONF={os.environ['SLURM_CONF']}" in variables
        if ours and "submitit.core._submit" in words and not words[0].endswith(("srun", "bash")):
            found.append(int(process.name))
    return found


def training(place: Path) -> int:
    """Return how many trials have been validated at least once."""
    return sum(bool(trial.intermediate_values) for trial in trials(place))


def test_a_killed_job_costs_one_trial(place: Path) -> None:
    there = place / "killed"
    command = (*SWEEP, "output_dir=killed", "sweeper.n_trials=3", "sweeper.workers=2", "train.steps=[1500]")
    with started(place, *command) as process:
        wait_for(lambda: training(there) == 2, process)
        os.kill(jobs()[0], signal.SIGKILL)
        output = finish(process)
    found = trials(there)
    (failed,) = (trial for trial in found if trial.state == TrialState.FAIL)
    assert [trial.state for trial in found if trial is not failed] == [TrialState.COMPLETE] * 2
    assert failed.user_attrs["reason"].startswith("the launcher failed: UncompletedJobError")
    folder = run_folder.RunFolder(there / "runs" / failed.user_attrs["runs"][0])
    assert folder.record().status == run_folder.FAILED
    assert "3/3 trials" in output and "2 complete, 1 failed" in output


def test_jobs_end_with_their_sweep(place: Path) -> None:
    there = place / "stopped"
    command = (*SWEEP, "output_dir=stopped", "sweeper.n_trials=1", "sweeper.workers=1", "train.steps=[100000]")
    with started(place, *command) as process:
        wait_for(lambda: training(there) == 1, process)
        process.send_signal(signal.SIGINT)
        output = finish(process, status=130)
    assert "1 trial is left: the same command goes on with it" in output
    servers.wait_for(lambda: not jobs())
    ended, waiting = trials(there)
    assert ended.user_attrs["interrupted"] and waiting.state == TrialState.WAITING
    folder = run_folder.RunFolder(there / "runs" / ended.user_attrs["runs"][0])
    assert folder.record().status == run_folder.KILLED
    assert any(folder.checkpoints.glob("step-*.npz"))
