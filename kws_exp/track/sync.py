"""From a run's folder to the tracking server: everything the folder holds, each thing once.

:func:`sync` may be called at any time and any number of times. What the server already has is asked of the
server, never remembered on disk, so a crash between a checkpoint and its copy, or an answer that got lost,
neither loses a point nor doubles one. The surprising fact: the run is found by our own tag, not by its MLflow
id, for a process can be killed after the server made the run and before ``run.json`` says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kws_exp import run_folder
from kws_exp.run_folder import RunFolder, RunRecord
from kws_exp.track import store as stores
from kws_exp.track.store import Store

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

RUN_ID_TAG, STATE_TAG, PARENT_TAG = "kws_exp.run_id", "kws_exp.state", "mlflow.parentRunId"
METRICS_PER_BATCH, PARAMS_PER_BATCH, VALUE_CHARACTERS, DIGEST_CHARACTERS = 1000, 100, 6000, 36  # MLflow's limits
CONFUSION_KEY = "val/confusion"
IMAGE_STEP = re.compile(r"\+step\+(\d+)\+")  # in the names that MLflow gives to images by step


@dataclass
class Session:
    """One run, open on the server, and what the server is known to have of it."""

    client: MlflowClient
    run_id: str
    folder: RunFolder
    last_steps: dict[str, int] = field(default_factory=dict)  # by metric
    last_confusion: int = -1
    described: bool = False  # its data are known there
    files: dict[str, tuple[int, int]] = field(default_factory=dict)  # sent: time of change in ns and bytes, by name


def sync(folder: RunFolder, uri: str | None = None) -> str:
    """Send all of a folder to its tracking server, end and status included; return the run's id there.

    Raises:
        KwsError: the server cannot be used, or another process is sending this folder.
    """
    from kws_exp.track import results

    session = open_run(folder, store_of(folder, uri))
    send_progress(session)
    status = folder.record().status
    results.end(session, run_folder.KILLED if status == run_folder.RUNNING and not folder.lives() else status)
    return session.run_id


def finished_elsewhere(folder: RunFolder, uri: str) -> str | None:
    """Return the id of a sweep's run that is finished on the server, though not by this folder's account; or None.

    So it is where the machine of the folder died, and the other parents of the sweep went on.
    """
    if folder.record().status == run_folder.FINISHED:
        return None
    client = stores.connect(store := store_of(folder, uri))
    experiment = stores.experiment_id(client, store, folder.settings()["tracking"]["experiment"])
    run_id = _find(client, experiment, folder.record().run_id)
    finished = run_id is not None and client.get_run(run_id).info.status == run_folder.FINISHED
    return run_id if finished else None


def store_of(folder: RunFolder, uri: str | None = None) -> Store:
    """Return the store a run was, or by its configuration would be, recorded in."""
    config = folder.settings()
    chosen = uri or folder.record().tracking_uri or config["tracking"]["uri"]
    return stores.resolve(chosen, folder.path.parent.parent)


def open_run(folder: RunFolder, store: Store) -> Session:
    """Make the run on the server, or find it there and set it running again."""
    client = stores.connect(store)
    record, config = folder.record(), folder.settings()
    experiment = stores.experiment_id(client, store, config["tracking"]["experiment"])
    run_id = _find(client, experiment, record.run_id)
    if run_id is None:
        tags = _tags(record, config)
        started = int(record.created * 1000)
        run_id = client.create_run(experiment, started, tags, record.name).info.run_id
        session = Session(client, run_id, folder)
    else:
        session = _reopened(client, run_id, folder)
    _log_parameters(session, config)
    return session


def send_progress(session: Session, until: int | None = None) -> None:
    """Send curve points and confusion matrices up to a step (None: all) that the server does not have."""
    _describe_data(session)
    _send_curves(session, until)
    _send_confusions(session, until)


def finish(session: Session, status: str) -> None:
    """Write the final status; a pruned run is KILLED to MLflow, which has no other word, and PRUNED by our own tag."""
    if status == run_folder.RUNNING:
        session.client.update_run(session.run_id, status=status)
        return
    session.client.set_tag(session.run_id, STATE_TAG, status)
    session.client.set_terminated(session.run_id, run_folder.KILLED if status == run_folder.PRUNED else status)


def remember(folder: RunFolder, run_id: str, uri: str) -> None:
    """Write into ``run.json`` where the run is recorded; read anew, for what was sent may be seconds old."""
    record = folder.record()
    record.tracking_run_id, record.tracking_uri = run_id, uri
    folder.write_record(record)


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return every setting under its dotted name, written as on the command line."""
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + str(key)] = _as_typed(value)[:VALUE_CHARACTERS]
    return flat


def _as_typed(value: object) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_as_typed, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def _find(client: MlflowClient, experiment: str, run_id: str) -> str | None:
    found = client.search_runs([experiment], f"tags.`{RUN_ID_TAG}` = '{run_id}'", max_results=1)
    return str(found[0].info.run_id) if found else None


def _reopened(client: MlflowClient, run_id: str, folder: RunFolder) -> Session:
    """Take up a run again, from what the server says it has."""
    client.update_run(run_id, status=run_folder.RUNNING)
    known, parent = client.get_run(run_id), folder.record().parent_run_id
    if parent and parent != known.data.tags.get(PARENT_TAG):
        client.set_tag(run_id, PARENT_TAG, parent)
    images = [IMAGE_STEP.search(item.path) for item in client.list_artifacts(run_id, "images")]
    return Session(
        client,
        run_id,
        folder,
        {key: max(p.step for p in client.get_metric_history(run_id, key)) for key in known.data.metrics},
        max((int(found[1]) for found in images if found), default=-1),
    )


def _tags(record: RunRecord, config: Mapping[str, Any]) -> dict[str, str]:
    tags = {
        RUN_ID_TAG: record.run_id,
        "mlflow.source.type": "PROJECT",
        "mlflow.source.name": "kws_exp",
        "mlflow.source.git.commit": record.git.get("commit", ""),
        PARENT_TAG: record.parent_run_id or "",
        "kws_exp.overrides": " ".join(record.overrides),
        **{f"git.{key}": value for key, value in record.git.items() if key != "commit"},
        **{f"version.{key}": value for key, value in record.versions.items()},
        **{key: str(value) for key, value in (config.get("tags") or {}).items()},
    }
    return {key: value for key, value in tags.items() if value}


def _log_parameters(session: Session, config: Mapping[str, Any]) -> None:
    """Log the settings that the server lacks: it refuses to change one, as ``resume`` itself would."""
    from mlflow.entities import Param

    known = session.client.get_run(session.run_id).data.params
    flat = flatten({key: value for key, value in config.items() if key != "tags"})
    params = [Param(key, value) for key, value in flat.items() if key not in known]
    for start in range(0, len(params), PARAMS_PER_BATCH):
        session.client.log_batch(session.run_id, params=params[start : start + PARAMS_PER_BATCH])


def _describe_data(session: Session) -> None:
    """Log which clips the run used, once they are known."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, RunTag

    data = session.folder.record().data
    if session.described or not data:
        return
    if not session.client.get_run(session.run_id).inputs.dataset_inputs:
        dataset = Dataset(
            name=data["source"],
            digest=data["digest"][:DIGEST_CHARACTERS],
            source_type="code",
            source=json.dumps({"tags": {"description": data["description"]}}),
            profile=json.dumps({"words": data["words"], "clips": _totals(data["counts"])}),
        )
        session.client.log_inputs(
            session.run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])]
        )
    tags = {"data.source": data["source"], "data.description": data["description"], "data.digest": data["digest"]}
    session.client.log_batch(session.run_id, tags=[RunTag(key, value) for key, value in tags.items()])
    session.described = True


def _totals(counts: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    return {partition: sum(by_label.values()) for partition, by_label in counts.items()}


def _send_curves(session: Session, until: int | None) -> None:
    from mlflow.entities import Metric

    rows = [row for row in run_folder.read_lines(session.folder.curves) if until is None or row["step"] <= until]
    points = [
        Metric(key, float(value), int(row["time"]), row["step"])
        for row in rows
        for key, value in row.items()
        if key not in ("step", "time") and row["step"] > session.last_steps.get(key, -1)
    ]
    points.sort(key=lambda point: point.step)  # a batch is sent whole or not at all, so no step below a sent one lacks
    for start in range(0, len(points), METRICS_PER_BATCH):
        batch = points[start : start + METRICS_PER_BATCH]
        session.client.log_batch(session.run_id, metrics=batch)
        session.last_steps |= {point.key: point.step for point in batch}


def _send_confusions(session: Session, until: int | None) -> None:
    from kws_exp import figures
    from kws_exp.evaluate import Evaluation
    from kws_exp.schema import SILENCE, UNKNOWN

    labels = (SILENCE, UNKNOWN, *session.folder.settings().get("words", ()))
    for row in run_folder.read_lines(session.folder.confusions):
        step = row["step"]
        if step <= session.last_confusion or (until is not None and step > until):
            continue
        evaluation = Evaluation(labels, tuple(tuple(counts) for counts in row["matrix"]))
        image = figures.pixels(figures.confusion(evaluation, f"validation, step {step:,}"))
        session.client.log_image(session.run_id, image, key=CONFUSION_KEY, step=step)
        session.last_confusion = step
