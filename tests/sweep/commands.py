"""Sweeps as commands in processes of their own, and what they leave in the study."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from optuna.trial import FrozenTrial

from kws_exp.sweep import storage

SMALL = (
    "data.synthetic.clips_per_word=40",
    "data.synthetic.other_clips_per_word=4",
    "train.save_interval=10",
    "train.log_interval=10",
)


def start(place: Path, *arguments: str, program: Sequence[str] = ("-m", "kws_exp")) -> subprocess.Popen[str]:
    """Start ``python -m kws_exp`` in ``place``, whose cache all sweeps there share."""
    environment = {**os.environ, "KWS_EXP_CACHE": str(place / "cache"), "HOME": str(place)}
    environment.pop("MLFLOW_TRACKING_URI", None)
    command = [sys.executable, *program, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=place, env=environment, text=True, **pipes)  # type: ignore[call-overload]


@contextlib.contextmanager
def started(place: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command that ends with the block, if not before."""
    process = start(place, *arguments)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def finish(process: subprocess.Popen[str], status: int = 0) -> str:
    """Wait for a command and return what it printed."""
    try:
        output, errors = process.communicate(timeout=400)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == status, output + errors
    assert "Traceback" not in errors, errors
    return output + errors


def run(place: Path, *arguments: str, status: int = 0) -> str:
    """Run a command to its end."""
    return finish(start(place, *arguments), status)


def trials(output_dir: Path) -> list[FrozenTrial]:
    """Return the trials of the only study in a folder; none before there is one."""
    if not (output_dir / "optuna.journal").exists():
        return []
    opened = storage.open_storage(storage.resolve(None, output_dir))
    found = []
    for study in opened.get_all_studies():
        with contextlib.suppress(KeyError):  # a lock study, gone meanwhile
            found += opened.get_all_trials(study._study_id)
    return found


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str], seconds: float = 200) -> None:
    """Wait until something holds while a command runs, which ends if it never does."""
    deadline = time.monotonic() + seconds
    try:
        while not condition():
            assert process.poll() is None, "it ended before that: " + "".join(process.communicate())
            assert time.monotonic() < deadline, "it never came to that"
            time.sleep(0.1)
    except BaseException:
        process.kill()
        process.communicate()
        raise


def workers(parent: int) -> list[int]:
    """Return the processes of a sweep that run its trials: they lead groups of their own."""
    found = subprocess.run(["ps", "-o", "pid=,pgid=", "--ppid", str(parent)], capture_output=True, text=True).stdout
    return [int(pid) for pid, group in map(str.split, found.splitlines()) if pid == group]
