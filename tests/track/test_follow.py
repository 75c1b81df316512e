from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kws_exp import run_folder
from kws_exp.run_folder import FINISHED, KILLED, PRUNED, RUNNING, RunFolder, RunRecord
from kws_exp.track import follow, sync
from kws_exp.track.process import Tracker
from kws_exp.track.store import Store
from tests import fake_run

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient


def sweep(output_dir: Path) -> RunFolder:
    """Make the folder of a sweep."""
    folder = RunFolder(output_dir / "sweeps" / "smoke")
    folder.path.mkdir(parents=True)
    folder.write_record(RunRecord("smoke", "5" * 32))
    run_folder.write_text(folder.path / "config.yaml", fake_run.CONFIG)
    run_folder.write_text(folder.path / "report.md", "# smoke\n")
    run_folder.write_json(folder.path / run_folder.SWEEP, {"study": "smoke", "metrics": {"trials/complete": 2}})
    return folder


def trial(output_dir: Path, name: str, status: str = FINISHED, parent: str | None = None) -> RunFolder:
    """Make the folder of a trial's run: without files for a device, which take seconds to send."""
    folder = fake_run.make(output_dir, name, status=status, parent_run_id=parent)
    shutil.rmtree(folder.export)
    return folder


def damaged(output_dir: Path, name: str, parent: str | None = None) -> RunFolder:
    """Make the folder of a run that cannot be sent."""
    folder = trial(output_dir, name, parent=parent)
    run_folder.write_text(folder.path / "config.yaml", "words: [yes]\n")
    return folder


def change(folder: RunFolder, status: str) -> None:
    record = folder.record()
    record.status = status
    folder.write_record(record)


def runs_by_name(client: MlflowClient) -> dict[str, Run]:
    return {run.info.run_name: run for run in client.search_runs(["1"])}


def test_a_sweep_sends_its_runs_and_names_what_it_could_not_send(
    output_dir: Path, store: Store, client: MlflowClient
) -> None:
    folder = sweep(output_dir)
    good, pruned = trial(output_dir, "good"), trial(output_dir, "pruned", PRUNED)
    bad, going = damaged(output_dir, "bad"), trial(output_dir, "going", RUNNING)
    tracker = Tracker(folder, store).open()
    tracker.result()
    for run in (bad, good, pruned, going):
        tracker.follow(run.path)
    while not (trouble := tracker.sync(1)):
        time.sleep(0.1)
    assert "tracking" in trouble  # the setting that its configuration lacks
    sentence = tracker.finish(FINISHED)
    assert sentence and f"runs not sent: 1, the first with `python -m kws_exp.track {bad.path}`" in sentence
    found = runs_by_name(client)
    assert {name: run.info.status for name, run in found.items()} == {
        "smoke": "FINISHED",
        "good": "FINISHED",
        "pruned": "KILLED",
        "going": "KILLED",
    }
    assert found["pruned"].data.tags[sync.STATE_TAG] == "PRUNED"
    assert (good.path / "report.md").exists() and not (pruned.path / "report.md").exists()
    assert good.record().tracking_run_id == found["good"].info.run_id


def test_a_run_is_let_go_after_some_attempts_and_taken_up_when_it_has_changed(output_dir: Path, store: Store) -> None:
    runs, bad = follow._Runs(store), damaged(output_dir, "bad")
    path = str(bad.path)
    follow._take_up(runs, path)
    for _ in range(follow.ATTEMPTS):
        assert path in runs.followed
        follow._look(runs)
        assert runs.trouble
    assert not runs.followed
    follow._take_up(runs, path)
    assert not runs.followed
    assert "runs not sent: 1" in (follow._missing(runs) or "")
    run_folder.write_text(bad.path / "config.yaml", fake_run.CONFIG)
    change(bad, PRUNED)
    follow._take_up(runs, path)
    follow._look(runs)
    assert runs.done == {path: PRUNED}
    assert runs.trouble is None and follow._missing(runs) is None


def test_failures_count_only_one_after_another(output_dir: Path, store: Store) -> None:
    runs, going = follow._Runs(store), trial(output_dir, "going", RUNNING)
    follow._take_up(runs, str(going.path))
    for step in range(2 * follow.ATTEMPTS):
        run_folder.write_text(going.path / "config.yaml", fake_run.CONFIG if step % 2 else "words: [yes]\n")
        follow._look(runs)
        runs.followed[str(going.path)].session = None
    assert follow._missing(runs) is None


def test_a_run_whose_folder_is_deleted_ends_and_costs_the_others_nothing(
    output_dir: Path, store: Store, client: MlflowClient
) -> None:
    runs = follow._Runs(store)
    gone, good = trial(output_dir, "gone", RUNNING), trial(output_dir, "good")
    follow._take_up(runs, str(gone.path))
    follow._look(runs)
    shutil.rmtree(gone.path)
    follow._take_up(runs, str(output_dir / "runs" / "never"))
    follow._take_up(runs, str(good.path))
    follow._look(runs)
    assert not runs.followed and runs.trouble is None and follow._missing(runs) is None
    assert {name: run.info.status for name, run in runs_by_name(client).items()} == {"gone": KILLED, "good": FINISHED}


def test_a_tracking_process_that_hangs_never_holds_up_the_sweep(
    output_dir: Path, store: Store, client: MlflowClient
) -> None:
    folder, run = sweep(output_dir), trial(output_dir, "good")
    tracker = Tracker(folder, store).open()
    tracker.result()
    os.kill(tracker._process.pid or 0, signal.SIGSTOP)
    for step in range(5000):
        assert tracker.sync(step) is None
    tracker.follow(run.path)
    os.kill(tracker._process.pid or 0, signal.SIGCONT)
    assert tracker.finish(FINISHED) is None
    assert {name: found.info.status for name, found in runs_by_name(client).items()} == {
        "smoke": FINISHED,
        "good": FINISHED,
    }


def test_a_run_is_told_of_once_until_it_changes(output_dir: Path, store: Store) -> None:
    tracker, run = Tracker(sweep(output_dir), store), trial(output_dir, "run", RUNNING)
    told = []
    for status in (RUNNING, KILLED, RUNNING, FINISHED):  # as of a run that was stopped and taken up again
        change(run, status)
        time.sleep(0.01)  # past the clock tick of the file system
        for _ in range(3):
            tracker.follow(run.path)
        while not tracker._messages.empty():
            told.append(tracker._messages.get())
    assert told == [("follow", str(run.path.resolve()))] * 4
    shutil.rmtree(run.path)
    tracker.follow(run.path)
    assert tracker._messages.empty()


@pytest.mark.parametrize("status", [FINISHED, PRUNED])
def test_a_run_that_nobody_followed_is_sent_whole(
    output_dir: Path, store: Store, client: MlflowClient, status: str
) -> None:
    run = trial(output_dir, "run", status)
    assert follow.send(run, store) is None
    found = runs_by_name(client)["run"]
    assert found.data.tags[sync.STATE_TAG] == status
    assert ("report.md" in {item.path for item in client.list_artifacts(found.info.run_id)}) == (status == FINISHED)
