"""The tracking process of a sweep: one for all its trials, which know nothing of it.

It is told the folders of runs, looks at each a few times a second, and sends what is new; where a run has ended it
writes the report, which the worker left to it, and sends the rest. A run that fails to be sent four times in a row is
let go, and named at the end; a run whose folder was deleted is let go without a word.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from kws_exp.errors import KwsError
from kws_exp.run_folder import KILLED, RUNNING, RunFolder
from kws_exp.track import results, sync
from kws_exp.track import store as stores
from kws_exp.track.store import Store
from kws_exp.track.sync import Session

POLL_SECONDS = 0.3
ATTEMPTS = 4
NICENESS = 5  # the trainers come first
ORPHAN_SECONDS = 2.0  # a worker looks for its parent twice a second


@dataclass
class _Followed:
    folder: RunFolder
    session: Session | None = None
    size: int = -1  # of its curves, when last sent
    status: str = ""  # when last looked at
    attempts: int = 0  # that failed, one after another
    ended: bool = False  # and all of it was sent

    @property
    def grown(self) -> bool:
        size = self.folder.curves.stat().st_size if self.folder.curves.exists() else 0
        grown, self.size = size != self.size, size
        return grown


@dataclass
class _Runs:
    """What the process knows of the runs, by folder."""

    store: Store
    followed: dict[str, _Followed] = field(default_factory=dict)
    done: dict[str, str] = field(default_factory=dict)  # status; a run that has been taken up again has another
    unsent: dict[str, str] = field(default_factory=dict)  # why the last attempt failed, whether or not it was let go
    trouble: str | None = None  # since a run was last sent whole


def obey(pipe: Connection, folder: RunFolder, store: Store) -> None:
    """Open the sweep's run, then follow runs until ``finish`` or the end of the pipe."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    group = sync.open_run(folder, store)
    pipe.send((group.run_id, None))
    runs = _Runs(store)
    try:
        status = _follow(pipe, group, runs)
    except (EOFError, ConnectionError):  # the parent was killed, and its workers end by themselves
        time.sleep(ORPHAN_SECONDS)
        _end(runs)
        return
    _end(runs)
    trouble = _attempt(lambda: results.send(group))
    trouble = _attempt(lambda: sync.finish(group, status)) or trouble
    pipe.send((group.run_id, _missing(runs) or trouble))


def send(folder: RunFolder, store: Store) -> str | None:
    """Send a run that has ended, for whom nobody follows it; return what went wrong, in one sentence."""
    return _attempt(lambda: _send(_Followed(folder), store))


def _follow(pipe: Connection, group: Session, runs: _Runs) -> str:
    """Send what is new until ``finish``; return the sweep's final status."""
    told: str | None = None
    while True:
        refresh = False
        while pipe.poll(0 if refresh else POLL_SECONDS):
            command, value = pipe.recv()
            if command == "finish":
                return str(value)
            if command == "follow":
                _take_up(runs, value)
            refresh |= command == "sync"
        _look(runs)
        if refresh:
            runs.trouble = _attempt(lambda: results.send(group)) or runs.trouble
        if runs.trouble != told:
            told = runs.trouble
            pipe.send((group.run_id, told))


def _take_up(runs: _Runs, path: str) -> None:
    folder = RunFolder(Path(path))
    with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
        if runs.done.get(path) != folder.record().status:
            runs.followed.setdefault(path, _Followed(folder))


def _look(runs: _Runs) -> None:
    """Send what is new of each run, and let go of those that have ended, are gone, or cannot be sent."""
    trouble, ended = None, False
    for path, run in list(runs.followed.items()):
        session, failed = run.session, _attempt(functools.partial(_send, run, runs.store))
        if failed and not (run.folder.path / "run.json").exists():
            _forget(runs, path, session)
            continue
        if failed:
            trouble = runs.unsent[path] = failed
            run.session, run.attempts = None, run.attempts + 1
        else:
            runs.unsent.pop(path, None)
        ended |= run.ended
        if run.ended or run.attempts == ATTEMPTS:
            runs.done[path] = run.status
            del runs.followed[path]
    runs.trouble = trouble or (None if ended else runs.trouble)


def _forget(runs: _Runs, path: str, session: Session | None) -> None:
    """Let go of a run whose folder was deleted."""
    del runs.followed[path]
    runs.unsent.pop(path, None)
    if session:
        _attempt(lambda: sync.finish(session, KILLED))


def _end(runs: _Runs) -> None:
    """Send the last; what has not ended by now never will in this sweep."""
    _look(runs)
    for run in runs.followed.values():
        if run.session:
            _attempt(functools.partial(sync.finish, run.session, KILLED))


def _missing(runs: _Runs) -> str | None:
    """Return how many runs the server does not have whole, and how to send the first; None if it has all."""
    if not runs.unsent:
        return None
    path, reason = next(iter(runs.unsent.items()))
    return f"{reason}; runs not sent: {len(runs.unsent)}, the first with `python -m kws_exp.track {path}`"


def _send(run: _Followed, store: Store) -> None:
    """Send what is new of a run."""
    run.status = run.folder.record().status
    if run.status == RUNNING and not run.grown and run.session:
        return
    if run.session is None:
        run.session = sync.open_run(run.folder, store)
    sync.send_progress(run.session)
    if run.status == RUNNING:
        run.attempts = 0
        return
    results.end(run.session, run.status)
    sync.remember(run.folder, run.session.run_id, store.uri)
    run.ended = True


def _attempt(work: Callable[[], object]) -> str | None:
    """Do something with the server; return what went wrong, in one sentence."""
    try:
        work()
    except Exception as error:
        traceback.print_exc()
        return str(error) if isinstance(error, KwsError) else stores.reason(error)
    return None
