"""The folder of one run: everything a run produces lies here first, and the tracking server gets copies.

``mlruns/runs/NAME/`` holds

    run.json          identity and state: see :class:`RunRecord`
    config.yaml       the resolved configuration
    log.txt           what the terminal showed
    curves.jsonl      one line a point: {"step": 400, "time": ms, "val/accuracy": 0.91, ...}
    confusions.jsonl  one line a validation pass: {"step": 400, "matrix": [[...], ...]}
    checkpoints/      step-00000400.npz ..., best.npz
    evaluation.json   the test partition (kws_exp.evaluate.Evaluation)
    export/           the device's files, manifest.json and proof.json
    misheard.html     the misclassified test clips, to be listened to (kws_exp.misheard), counted in misheard.json
    noise.json        accuracy on the test partition against the signal-to-noise ratio
    figures/ report.md

Because the folder is complete in itself, a tracking server that fails costs nothing but its copy.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from kws_exp.errors import KwsError

NAME_CHARACTERS = 80  # of a run's name in its folder's: file systems end at 255 bytes
RUNNING, FINISHED, FAILED, KILLED = "RUNNING", "FINISHED", "FAILED", "KILLED"
SWEEP = "sweep.json"  # marks the folder of a sweep (kws_exp.sweep.group)
STREAM = "stream.json"  # how a run does on continuous audio (kws_exp.stream.stage)
PRUNED = "PRUNED"  # ended by its sweep, for good
LOCK, PARENT_LOCK = ".run.lock", ".parent-"  # held by the process of a run; by each of a sweep's, with its own name


@dataclass
class RunRecord:
    """What ``run.json`` says of a run."""

    name: str
    run_id: str  # 32 hex digits, ours; the tracking run carries it as tag "kws_exp.run_id"
    status: str = RUNNING
    created: float = field(default_factory=time.time)  # Unix seconds
    tracking_run_id: str | None = None
    tracking_uri: str | None = None
    parent_run_id: str | None = None
    overrides: list[str] = field(default_factory=list)
    git: dict[str, str] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)  # kws_exp.data.Dataset.summary()
    versions: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)  # wall time by stage


@dataclass(frozen=True)
class RunFolder:
    """Paths and small reads and writes of one run's folder."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def export(self) -> Path:
        """Folder of the device's files."""
        return self.path / "export"

    @property
    def figures(self) -> Path:
        """Folder of PNG files."""
        return self.path / "figures"

    @property
    def curves(self) -> Path:
        """File of curve points."""
        return self.path / "curves.jsonl"

    @property
    def confusions(self) -> Path:
        """File of validation confusion matrices."""
        return self.path / "confusions.jsonl"

    def record(self) -> RunRecord:
        """Read ``run.json``."""
        known = {item.name for item in fields(RunRecord)}
        content = read_json(self.path / "run.json")
        return RunRecord(**{key: value for key, value in content.items() if key in known})

    def settings(self) -> dict[str, Any]:
        """Read ``config.yaml`` as plain values."""
        content: dict[str, Any] = yaml.safe_load((self.path / "config.yaml").read_text(encoding="utf-8"))
        return content

    def lives(self) -> bool:
        """Whether a process of this machine trains the run, or is a parent of the sweep."""
        return any(is_held(path) for path in (self.path / LOCK, *self.path.glob(f"{PARENT_LOCK}*")))

    def write_record(self, record: RunRecord) -> None:
        """Replace ``run.json``."""
        write_json(self.path / "run.json", asdict(record))


def create(parent: Path, name: str) -> RunFolder:
    """Make a new folder ``parent/DATE_TIME_NAME`` that no other process has, whatever starts at once."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KwsError(f"output_dir must be a folder to write to, but {parent} fails ({error.strerror})") from error
    stem = f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{re.sub(r'[^A-Za-z0-9._-]+', '-', name)[:NAME_CHARACTERS]}"
    for suffix in ("", *(f"_{secrets.token_hex(2)}" for _ in range(100))):
        path = parent / (stem + suffix)
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return RunFolder(path)
    raise FileExistsError(f"no free folder name for {stem} in {parent}")


def find_all(parent: Path) -> Iterator[tuple[RunFolder, RunRecord]]:
    """Yield the runs below ``parent``, newest first; folders without a readable record are passed over."""
    records = []
    for path in parent.glob("*/run.json"):
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            records.append((RunFolder(path.parent), RunFolder(path.parent).record()))
    yield from sorted(records, key=lambda item: item[1].created, reverse=True)


def is_held(lock: str | Path) -> bool:
    """Whether the process that holds a file lock of this machine lives."""
    if not os.path.exists(lock):
        return False
    try:
        FileLock(lock).acquire(timeout=0).lock.release()
    except Timeout:
        return True
    return False


def write_text(path: Path, text: str) -> None:
    """Write a file aside and move it into place, so that a reader sees the old or the new, never half."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(text, encoding="utf-8")
    os.replace(aside, path)


def write_json(path: Path, content: object) -> None:
    """Write JSON as :func:`write_text` does."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def append_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append rows to a JSON-lines file."""
    if rows:
        with path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read a JSON-lines file; a last line cut short by a crash is left out."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            rows.append(json.loads(line))
    return rows


def keep_until(path: Path, step: int) -> None:
    """Drop the rows after ``step`` from a JSON-lines file: what a resumed run will make again."""
    kept = [json.dumps(row) + "\n" for row in read_lines(path) if row["step"] <= step]
    write_text(path, "".join(kept))
