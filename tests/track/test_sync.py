from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from kws_exp import run_folder
from kws_exp.track import __main__ as command
from kws_exp.track import store as stores
from kws_exp.track import sync
from kws_exp.track.process import LOCK
from kws_exp.track.store import Store
from tests import fake_run
from tests.track.test_follow import damaged, runs_by_name, sweep, trial

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


def steps(client: MlflowClient, run_id: str, key: str) -> list[int]:
    return [point.step for point in client.get_metric_history(run_id, key)]


def images(client: MlflowClient, run_id: str) -> list[int]:
    found = (sync.IMAGE_STEP.search(item.path) for item in client.list_artifacts(run_id, "images"))
    return sorted(int(match[1]) for match in found if match)


def test_all_of_a_folder_arrives(output_dir: Path, client: MlflowClient) -> None:
    folder = fake_run.make(output_dir)
    (folder.path / "report.md").write_text("# report")
    run_id = sync.sync(folder)
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "tiny_conv_yes-no-left"
    assert run.data.params["words"] == "[yes,no,left]"
    assert run.data.params["data.dir"] == "null"
    assert run.data.params["optimizer.learning_rate"] == "[0.001]"
    assert run.data.tags["board"] == "nano33"
    assert run.data.tags["kws_exp.overrides"] == "words=[yes,no,left] model=tiny_conv"
    assert run.data.tags["mlflow.source.git.commit"].startswith("0123456789")
    assert "data.dir=FOLDER" in run.data.tags["data.description"]
    assert run.data.metrics["test/accuracy"] == pytest.approx(282 / 315)
    assert run.data.metrics["export/arena_bytes"] == 9616
    assert run.data.metrics["test/accuracy_int8_tflm"] == 0.889
    assert run.data.metrics["seconds/training"] == 41.5
    assert run.data.metrics["verified/cortex-m4/flash"] == 27_528
    assert run.data.metrics["verified/bytes_different"] == 0
    dataset = run.inputs.dataset_inputs[0].dataset
    assert (dataset.name, dataset.digest) == ("synthetic", "89abcdef01234567")
    assert json.loads(dataset.profile)["clips"]["training"] == 864
    assert steps(client, run_id, "train/loss") == list(range(10, 801, 10))
    assert [point.timestamp for point in client.get_metric_history(run_id, "val/accuracy")] == [
        1_795_412_000_400,
        1_795_412_000_800,
    ]
    assert images(client, run_id)[::2] == [400, 800]
    assert {item.path for item in client.list_artifacts(run_id)} >= {"config.yaml", "log.txt", "report.md", "export"}
    words = json.loads(Path(client.download_artifacts(run_id, "per_word.json", str(output_dir))).read_text())
    assert [row[0] for row in words["data"]] == list(fake_run.LABELS)


def test_sending_twice_changes_nothing(output_dir: Path, client: MlflowClient) -> None:
    folder = fake_run.make(output_dir)
    run_id = sync.sync(folder)
    before = {key: steps(client, run_id, key) for key in client.get_run(run_id).data.metrics}
    assert sync.sync(folder) == run_id
    assert {key: steps(client, run_id, key) for key in client.get_run(run_id).data.metrics} == before
    assert len(images(client, run_id)) == 4  # each image has its thumbnail
    assert len(client.get_run(run_id).inputs.dataset_inputs) == 1


def test_a_result_that_a_resumed_run_improved_replaces_the_old(output_dir: Path, client: MlflowClient) -> None:
    folder = fake_run.make(output_dir)
    run_id = sync.sync(folder)
    run_folder.write_json(folder.path / "evaluation.json", {"labels": ["a"], "matrix": [[9]], "loss": 0.1})
    sync.sync(folder)
    assert client.get_run(run_id).data.metrics["test/accuracy"] == 1.0
    first, second = client.get_metric_history(run_id, "test/accuracy")
    assert first.timestamp != second.timestamp


def test_points_after_the_checkpoint_wait_for_the_next(output_dir: Path, client: MlflowClient, store: Store) -> None:
    folder = fake_run.make(output_dir)
    session = sync.open_run(folder, store)
    sync.send_progress(session, 300)
    assert steps(client, session.run_id, "train/loss")[-1] == 300
    sync.send_progress(session, 400)
    assert steps(client, session.run_id, "train/loss") == list(range(10, 401, 10))
    assert images(client, session.run_id) == [400, 400]
    assert client.get_run(session.run_id).info.status == "RUNNING"


def test_a_crash_between_checkpoint_and_sync_loses_and_doubles_nothing(
    output_dir: Path, client: MlflowClient, store: Store
) -> None:
    folder = fake_run.make(output_dir)
    first = sync.open_run(folder, store)
    sync.send_progress(first, 300)
    # killed here: 400 is on disk but was not sent; the resumed run starts from 500 and makes its points anew
    run_folder.keep_until(folder.curves, 500)
    resumed = sync.open_run(folder, store)
    assert resumed.run_id == first.run_id
    assert resumed.last_steps["train/loss"] == 300
    fake_run.add_points(folder, 510, 800)
    sync.send_progress(resumed, 600)
    # and a resume from a checkpoint older than what was sent
    run_folder.keep_until(folder.curves, 500)
    fake_run.add_points(folder, 510, 800)
    sync.send_progress(sync.open_run(folder, store))
    assert steps(client, first.run_id, "train/loss") == list(range(10, 801, 10))
    assert steps(client, first.run_id, "val/accuracy") == [400, 800]
    assert images(client, first.run_id)[::2] == [400, 800]


def test_many_points_go_in_batches(output_dir: Path, client: MlflowClient) -> None:
    folder = fake_run.make(output_dir)
    fake_run.add_points(folder, 810, 12_000)
    run_folder.write_text(folder.confusions, "")
    run_id = sync.sync(folder)
    assert steps(client, run_id, "train/accuracy") == list(range(10, 12_001, 10))


def test_a_changed_setting_does_not_stop_a_resumed_run(output_dir: Path, client: MlflowClient, store: Store) -> None:
    folder = fake_run.make(output_dir)
    sync.open_run(folder, store)
    text = (folder.path / "config.yaml").read_text()
    run_folder.write_text(folder.path / "config.yaml", text.replace("- 800", "- 900") + "resume: latest\n")
    params = client.get_run(sync.open_run(folder, store).run_id).data.params
    assert (params["train.steps"], params["resume"]) == ("[800]", "latest")


def test_over_a_hundred_parameters_and_one_too_long(output_dir: Path, client: MlflowClient) -> None:
    folder = fake_run.make(output_dir)
    extra = "".join(f"p{i}: {i}\n" for i in range(150)) + f"long: {'x' * 7000}\n"
    run_folder.write_text(folder.path / "config.yaml", fake_run.CONFIG + extra)
    params = client.get_run(sync.sync(folder)).data.params
    assert params["p149"] == "149"
    assert len(params["long"]) == sync.VALUE_CHARACTERS


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED", "PRUNED"])
def test_a_run_that_ended_early_is_recorded_with_what_it_has(
    output_dir: Path, client: MlflowClient, store: Store, status: str
) -> None:
    folder = run_folder.create(output_dir / "runs", "early")
    record = fake_run.make(output_dir, "other").record()
    record.status, record.run_id, record.data = status, "e" * 32, {}
    folder.write_record(record)
    run_folder.write_text(folder.path / "config.yaml", fake_run.CONFIG)
    run = client.get_run(sync.sync(folder))
    assert run.info.status == ("KILLED" if status == "PRUNED" else status)
    assert run.data.tags[sync.STATE_TAG] == status


def test_the_command_sends_a_folder_to_another_server(
    output_dir: Path, migrated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = fake_run.make(output_dir)
    other = f"sqlite:///{tmp_path / 'other.db'}"
    (tmp_path / "other.db").write_bytes(migrated.read_bytes())
    assert command.main([str(folder.path), "--uri", other]) == 0
    record = folder.record()
    assert record.tracking_uri == other
    assert str(record.tracking_run_id) in capsys.readouterr().out


def test_the_command_refuses_what_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(tmp_path)]) == 2
    assert "run.json" in capsys.readouterr().err


def test_the_command_needs_a_folder_to_write_to(output_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = fake_run.make(output_dir)
    (folder.path / LOCK).mkdir()
    assert command.main([str(folder.path)]) == 2
    assert f"kws_exp: {folder.path} must be writable, but fails (Is a directory)" in capsys.readouterr().err


def test_the_command_sends_a_sweep_with_the_runs_of_its_trials(
    output_dir: Path, client: MlflowClient, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = sweep(output_dir)
    parent = sync.sync(folder)
    record = folder.record()
    record.tracking_run_id, record.status = parent, "FINISHED"
    folder.write_record(record)
    trial(output_dir, "pruned", "PRUNED", parent)
    trial(output_dir, "elsewhere", parent="of another sweep")
    broken, done = damaged(output_dir, "broken", parent), trial(output_dir, "done", parent=parent)
    assert command.main([str(folder.path)]) == 2
    said = capsys.readouterr()
    assert f"1 of 3 runs of the sweep could not be sent, the first of them {broken.path}" in said.err
    run_folder.write_text(broken.path / "config.yaml", fake_run.CONFIG)
    assert command.main([str(folder.path)]) == 0
    found = runs_by_name(client)
    assert {name: run.info.status for name, run in found.items()} == {
        "smoke": "FINISHED",
        "pruned": "KILLED",
        "broken": "FINISHED",
        "done": "FINISHED",
    }
    parents = {run.data.tags[sync.PARENT_TAG] for name, run in found.items() if name != "smoke"}
    assert parents == {parent}
    assert (done.path / "report.md").exists()


def test_the_part_of_a_dead_machine_is_added_to_a_sweep_that_others_have_finished(
    output_dir: Path, client: MlflowClient
) -> None:
    folder = sweep(output_dir)
    record = folder.record()
    record.status = "FINISHED"
    folder.write_record(record)
    record.tracking_run_id = sync.sync(folder)
    record.status = "RUNNING"  # as far as that machine knew
    folder.write_record(record)
    run_folder.write_json(folder.path / run_folder.SWEEP, {"study": "smoke", "metrics": {"trials/complete": 1}})
    trial(output_dir, "ended", parent=record.tracking_run_id)
    trial(output_dir, "under way", "RUNNING", record.tracking_run_id)
    assert command.main([str(folder.path)]) == 0
    found = runs_by_name(client)
    assert {name: run.info.status for name, run in found.items()} == {
        "smoke": "FINISHED",
        "ended": "FINISHED",
        "under way": "KILLED",
    }
    assert found["smoke"].data.metrics["trials/complete"] == 2
    client.update_run(str(record.tracking_run_id), status="RUNNING")  # given again, for more trials, when it died
    assert command.main([str(folder.path)]) == 0
    again = runs_by_name(client)["smoke"]
    assert (again.info.status, again.data.metrics["trials/complete"]) == ("KILLED", 1)


def test_a_run_under_way_is_sent_as_running_only_while_its_process_lives(
    output_dir: Path, client: MlflowClient
) -> None:
    folder = trial(output_dir, "run", "RUNNING")
    with FileLock(folder.path / run_folder.LOCK):
        run_id = sync.sync(folder)
        assert client.get_run(run_id).info.status == "RUNNING"
    assert sync.sync(folder) == run_id
    assert client.get_run(run_id).info.status == "KILLED"
    assert folder.record().status == "RUNNING"  # to be resumed


def test_on_another_server_a_sweep_and_its_runs_stay_together(
    output_dir: Path, migrated: Path, client: MlflowClient, tmp_path: Path
) -> None:
    folder = sweep(output_dir)
    run = trial(output_dir, "run", parent=sync.sync(folder))
    record = folder.record()
    record.tracking_run_id = run.record().parent_run_id
    folder.write_record(record)
    (tmp_path / "other.db").write_bytes(migrated.read_bytes())
    other = f"sqlite:///{tmp_path / 'other.db'}"
    assert command.main([str(run.path), "--uri", other]) == 0  # by itself, before
    assert command.main([str(folder.path), "--uri", other]) == 0
    there = folder.record().tracking_run_id
    assert there != record.tracking_run_id
    assert (run.record().parent_run_id, run.record().tracking_uri) == (there, other)
    assert stores.connect(Store(other)).get_run(run.record().tracking_run_id).data.tags[sync.PARENT_TAG] == there


def test_a_sweep_without_a_tracking_run_is_refused(output_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(sweep(output_dir).path)]) == 2
    assert "tracking=off: send its runs one by one" in capsys.readouterr().err


def test_settings_are_written_as_on_the_command_line() -> None:
    flat = sync.flatten({"a": {"b": [1, 0.5], "c": None}, "d": True, "e": "x", "f": []})
    assert flat == {"a.b": "[1,0.5]", "a.c": "null", "d": "true", "e": "x", "f": "[]"}
