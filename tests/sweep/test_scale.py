"""Sweeps on engines of others: a study in PostgreSQL that three commands share, an MLflow server, Ray.

By hand with 60 trials, as the issue of this package's first release asks; here with as many as keep it short.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import requests
import soundfile
from optuna import load_study
from optuna.samplers import RandomSampler
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.pool import NullPool

from kws_exp import run_folder
from kws_exp.schema import SAMPLE_RATE
from kws_exp.sweep import storage
from kws_exp.sweep.study import is_interrupted
from kws_exp.track.process import only_sender
from tests.sweep import servers
from tests.sweep.commands import finish, run, start, trials, wait_for

if TYPE_CHECKING:
    from mlflow.entities import Run

pytestmark = pytest.mark.slow

TRIALS = 24
TINY = (
    "words=[yes,no]",
    "data.dir=speech",
    "features=average",
    "export=none",
    "train.steps=[4]",
    "train.eval_interval=2",
    "train.batch_size=10",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with recordings: each word is a tone."""
    folder, random = tmp_path_factory.mktemp("work"), np.random.default_rng(1)
    times = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    for word, frequency in {"yes": 400, "no": 900, "go": 2500}.items():
        (folder / "speech" / word).mkdir(parents=True)
        for speaker in range(40):
            tone = 0.3 * np.sin(2 * np.pi * frequency * random.uniform(0.9, 1.1) * times)
            soundfile.write(folder / "speech" / word / f"{speaker}_nohash_0.wav", tone, SAMPLE_RATE)
    return folder


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Databases]:
    with servers.postgres(tmp_path_factory.mktemp("postgres")) as make:
        yield make


@pytest.fixture(scope="module")
def server(databases: servers.Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An MLflow server on PostgreSQL: its address."""
    folder, (port,) = tmp_path_factory.mktemp("mlflow"), servers.free_ports(1)
    address = f"http://127.0.0.1:{port}"
    stores = [
        *("--backend-store-uri", storage.resolve(databases("mlflow"), folder)),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    command = [sys.executable, "-m", "mlflow", "server", *stores, "--port", str(port), "--workers", "1"]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with servers.server(command, folder / "log", lambda: answers(address), **quiet):
        yield address


def answers(address: str) -> bool:
    """Whether an MLflow server is up."""
    try:
        return requests.get(f"{address}/health", timeout=5).ok
    except requests.ConnectionError:
        return False


def database(url: str) -> RDBStorage:
    """Open a database so that no connection stays open."""
    return RDBStorage(storage.resolve(url, ""), engine_kwargs={"poolclass": NullPool})


def of_study(url: str, name: str) -> list[FrozenTrial]:
    """Return the trials of a study in a database."""
    opened = database(url)
    return opened.get_all_trials(opened.get_study_id_from_name(name))


def done(place: Path) -> list[int]:
    """Return how many runs each of the three has trained."""
    return [len(list(place.glob(f"machine-{number}/runs/*/evaluation.json"))) for number in range(3)]


def families(address: str) -> tuple[list[Run], list[Run]]:
    """Return the runs that a server has: those without a parent, and their children."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(address)
    runs = client.search_runs([client.get_experiment_by_name("kws_exp").experiment_id], max_results=1000)
    alone = [one for one in runs if "mlflow.parentRunId" not in one.data.tags]
    return alone, [one for one in runs if one not in alone]


@dataclass(frozen=True)
class Shared:
    """What three commands with one study have left, of which one was killed half-way."""

    url: str
    command: tuple[str, ...]
    printed: list[str]  # by the two that went on
    trials: list[FrozenTrial]
    counted: list[FrozenTrial]


@pytest.fixture(scope="module")
def shared(place: Path, databases: servers.Databases, server: str) -> Shared:
    url = databases("optuna")
    command = (*TINY, "model=single_fc", "sweeper.study=shared", f'sweeper.storage="{url}"', f"tracking.uri={server}")
    space = ("optimizer.learning_rate=interval(0.001,0.1)", f"sweeper.n_trials={TRIALS}", "sweeper.workers=1")
    sweep = ("--multirun", "hydra/sweeper=kws_optuna", *command, *space)
    parents = [start(place, *sweep, f"output_dir=machine-{number}") for number in range(3)]
    wait_for(lambda: max(done(place)) >= TRIALS // 3, parents[0])
    number = int(np.argmax(done(place)))
    killed = parents.pop(number)
    killed.kill()
    killed.communicate()
    printed = [finish(parent) for parent in parents]
    with only_sender(run_folder.RunFolder(place / f"machine-{number}" / "sweeps" / "shared")):
        pass  # its tracking process has sent what it was told of
    found = of_study(url, "shared")
    return Shared(url, command, printed, found, [trial for trial in found if not is_interrupted(trial)])


def test_three_commands_share_a_study_and_one_is_killed(shared: Shared, place: Path) -> None:
    assert all(f"{TRIALS}/{TRIALS} trials" in printed for printed in shared.printed)
    assert [trial.state for trial in shared.counted] == [TrialState.COMPLETE] * TRIALS
    assert len(shared.trials) - TRIALS <= 1  # the trial that the killed one had is the only one made again
    assert len({trial.params["optimizer.learning_rate"] for trial in shared.counted}) == TRIALS
    assert len({trial.user_attrs["parent"] for trial in shared.counted}) >= 2  # the third may have come too late
    folders = [path.name for path in place.glob("machine-*/runs/*")]
    runs = [name for trial in shared.counted for name in trial.user_attrs["runs"]]
    assert len(runs) == len(set(runs)) == TRIALS and set(runs) <= set(folders)


def test_three_commands_have_one_parent_run_and_each_trial_one_child(shared: Shared, server: str) -> None:
    (group,), children = families(server)
    assert group.info.status == "FINISHED" and group.data.metrics["trials/complete"] == TRIALS
    assert {one.data.tags["mlflow.parentRunId"] for one in children} == {group.info.run_id}
    assert {one.info.status for one in children} <= {"FINISHED", "KILLED"}
    names = [one.info.run_name for one in children]
    assert [names.count(f"trial-{trial.number:04d}") for trial in shared.counted] == [1] * TRIALS
    assert len(names) - TRIALS <= 1


def test_a_job_that_does_not_see_the_folder_of_its_sweep_is_tracked(shared: Shared, place: Path, server: str) -> None:
    before = families(server)[1]
    claimed = load_study(study_name="shared", storage=database(shared.url), sampler=RandomSampler(1)).ask()
    rate = claimed.suggest_float("optimizer.learning_rate", 0.001, 0.1)
    job = (f"optimizer.learning_rate=[{rate}]", f"sweeper.trial={claimed.number}", "output_dir=elsewhere")
    run(place, *shared.command, *job)
    (group,), children = families(server)
    (new,) = (one for one in children if one.info.run_id not in {known.info.run_id for known in before})
    assert new.info.run_name == f"trial-{claimed.number:04d}" and new.info.status == "FINISHED"
    assert new.data.tags["mlflow.parentRunId"] == group.info.run_id and new.data.metrics["test/accuracy"] > 0


RAY = ("hydra/launcher=ray", "+hydra.launcher.ray.init.num_cpus=2", "model=single_fc,tiny_conv", "tracking=off")


def test_hydras_own_sweeper_runs_its_jobs_on_ray(place: Path) -> None:
    run(place, "--multirun", *RAY, "output_dir=basic", *TINY)
    found = [record for _, record in run_folder.find_all(place / "basic" / "runs")]
    assert {(record.name, record.status) for record in found} == {
        ("single_fc_yes-no", run_folder.FINISHED),
        ("tiny_conv_yes-no", run_folder.FINISHED),
    }


def test_our_sweeper_runs_its_trials_on_ray(place: Path) -> None:
    pruned = ("sweeper.n_trials=4", "sweeper.workers=2", "optimizer.learning_rate=interval(0.001,0.1)")
    output = run(place, "--multirun", "hydra/sweeper=kws_optuna", *RAY, *pruned, "output_dir=ours", *TINY)
    assert "4/4 trials" in output and "4 complete" in output
    found = trials(place / "ours")
    assert [trial.state for trial in found] == [TrialState.COMPLETE] * 4
    assert all(list(trial.intermediate_values) == [2, 4] for trial in found)
    assert len(list((place / "ours" / "runs").iterdir())) == 4
