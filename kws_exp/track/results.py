"""What a run is at its end, sent to the tracking server: test scores, tables, files, and the model.

Whatever of it the folder holds is sent, so a failed run shows how far it came. Files overwrite
themselves and unchanged metrics are left out, which makes sending twice harmless; the model is sent once (its id is
a tag).
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kws_exp import budget, report, run_folder
from kws_exp.evaluate import Evaluation
from kws_exp.run_folder import RunFolder
from kws_exp.track import metrics, model, parent, sync
from kws_exp.track.sync import Session

FILES = (
    *("config.yaml", "log.txt", "report.md", "evaluation.json", "misheard.html", "noise.json", "stream.json"),
    *("comparison.csv", "leaderboard.csv", "best.yaml"),
)
FOLDERS = ("figures", "export")
MODEL_TAG = "kws_exp.model_id"
TABLE_TAG = "mlflow.loggedArtifacts"  # makes the page of the run show a JSON file as a table
NOTE_TAG = "mlflow.note.content"  # what the page of the run shows as its description


def end(session: Session, status: str, since: float | None = None) -> None:
    """Send all results and the final status, after writing the report that a sweep's worker has left to us.

    The budget of time goes last, so that it holds what the sending took; only the last two requests are not in it.

    Args:
        session: of the run.
        status: its final one.
        since: ``time.monotonic()`` from which on the run's command waits for us, if it does.
    """
    folder = session.folder
    if status == run_folder.FINISHED and not _is_group(folder) and not (folder.path / "report.md").exists():
        report.write(folder)
    send(session)
    seconds = folder.record().seconds
    if since is not None:
        seconds["tracking"] = seconds.get("tracking", 0.0) + time.monotonic() - since
    _log(session, budget.metrics(seconds))
    sync.finish(session, status)


def send(session: Session) -> None:
    """Send all results that the folder holds."""
    if parent.is_parent(session.folder):
        parent.compare(session.folder)
    _send_metrics(session)
    _send_tables(session)
    _send_files(session)
    session.client.set_tag(session.run_id, NOTE_TAG, _note(session.folder))
    _send_model(session)


def _send_metrics(session: Session) -> None:
    found = metrics.scores(session.folder)
    if parent.is_parent(session.folder):
        found |= parent.best(session.folder)
    _log(session, found)


def _log(session: Session, found: Mapping[str, float]) -> None:
    """Log figures that have no step, as far as the server has others."""
    from mlflow.entities import Metric

    known = session.client.get_run(session.run_id).data.metrics
    now = time.time_ns() // 1_000_000  # a changed value needs a new time: MLflow copies these points to the model
    points = [Metric(key, value, now, 0) for key, value in found.items() if known.get(key) != value]
    session.client.log_batch(session.run_id, metrics=points)


def _send_tables(session: Session) -> None:
    tables: dict[str, dict[str, Any]] = {}
    if (session.folder.path / "evaluation.json").exists():
        tables["per_word.json"] = _per_word(session.folder)
    if parent.is_parent(session.folder):
        tables["comparison.json"] = parent.table(session.folder)
    for name, table in tables.items():
        session.client.log_dict(session.run_id, table, name)
    if tables:
        session.client.set_tag(
            session.run_id, TABLE_TAG, json.dumps([{"path": name, "type": "table"} for name in tables])
        )


def _per_word(folder: RunFolder) -> dict[str, Any]:
    scores = Evaluation.from_json(run_folder.read_json(folder.path / "evaluation.json")).per_class()
    columns = ["label", "clips", "precision", "recall", "f1"]
    return {"columns": columns, "data": [[getattr(score, column) for column in columns] for score in scores]}


def _note(folder: RunFolder) -> str:
    """Return the result and the data in two paragraphs of Markdown; the group's whole table for a group."""
    text = (folder.path / "report.md").read_text(encoding="utf-8") if (folder.path / "report.md").exists() else ""
    if _is_group(folder):
        return text
    headline = text.split("\n\n")[1] if "\n\n" in text else ""
    return f"{headline}\n\n{folder.record().data.get('description', '')}".strip()


def _is_group(folder: RunFolder) -> bool:
    return parent.is_parent(folder) or (folder.path / run_folder.SWEEP).exists()


def _send_files(session: Session) -> None:
    """Send the files that have changed since this session sent them: a sweep's page alone has 5 MB."""
    for path in _files(session.folder.path):
        name = path.relative_to(session.folder.path)
        try:
            found = path.stat()
        except FileNotFoundError:  # drawn anew, and no longer part of it
            continue
        state = (found.st_mtime_ns, found.st_size)
        if session.files.get(name.as_posix()) == state:
            continue
        place = None if name.parent == Path() else name.parent.as_posix()
        session.client.log_artifact(session.run_id, str(path), place)
        session.files[name.as_posix()] = state


def _files(folder: Path) -> list[Path]:
    """Return what is to be sent, without the hidden files that are just being written."""
    below = (path for name in FOLDERS for path in sorted((folder / name).rglob("*")))
    listed = (*(folder / name for name in FILES), *below)
    return [path for path in listed if path.is_file() and not path.name.startswith(".")]


def _send_model(session: Session) -> None:
    exported = all((session.folder.export / name).exists() for name in model.FILES)
    if not exported or MODEL_TAG in session.client.get_run(session.run_id).data.tags:
        return
    registered = session.folder.settings()["tracking"]["registered_model"]
    session.client.set_tag(session.run_id, MODEL_TAG, model.log(session.folder, session.run_id, registered))
