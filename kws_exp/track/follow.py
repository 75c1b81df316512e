"""The tracking process of a sweep: one for all its trials, which know nothing of it.

It is told the folders of runs, looks at each a few times a second, and sends what is new; where a run has ended it
writes the report, which the worker left to it, and sends the rest. A pruned run is KILLED to MLflow, which has no other
word, with the tag ``kws_exp.state`` PRUNED and all of its curve.
"""

from __future__ import annotations

import functools
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from kws_exp import report
from kws_exp.errors import KwsError
from kws_exp.run_folder import FINISHED, KILLED, PRUNED, RUNNING, RunFolder
from kws_exp.track import results, sync
from kws_exp.track import store as stores
from kws_exp.track.store import Store
from kws_exp.track.sync import Session

POLL_SECONDS = 0.3
STATE_TAG = "kws_exp.state"
ATTEMPTS = 4
NICENESS = 5  # the trainers come first
ORPHAN_SECONDS = 2.0  # a worker looks for its parent twice a second


@dataclass
class _Followed:
    folder: RunFolder
    session: Session | None = None
    size: int = -1  # of its curves, when last sent
    attempts: int = 0  # that failed
    ended: bool = False  # and all of it was sent

    @property
    def grown(self) -> bool:
        size = self.folder.curves.stat().st_size if self.folder.curves.exists() else 0
        grown, self.size = size != self.size, size
        return grown


def obey(pipe: Connection, folder: RunFolder, store: Store) -> None:
    """Open the sweep's run, then follow runs until ``finish`` or the end of the pipe."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    group = sync.open_run(folder, store)
    pipe.send((group.run_id, None))
    followed: dict[str, _Followed] = {}
    done: dict[str, str] = {}  # folder -> status that was sent; a run that has been taken up again has another
    try:
        _follow(pipe, group, followed, done, store)
    except (EOFError, ConnectionError):  # the parent was killed, and its workers end by themselves
        time.sleep(ORPHAN_SECONDS)
        _look(followed, done, store)
        for run in followed.values():
            if run.session:
                _attempt(functools.partial(sync.finish, run.session, KILLED))


def send(folder: RunFolder, store: Store) -> str | None:
    """Send a run that has ended, for whom nobody follows it; return what went wrong, in one sentence."""
    return _attempt(lambda: _send(_Followed(folder), store))


def _follow(
    pipe: Connection, group: Session, followed: dict[str, _Followed], done: dict[str, str], store: Store
) -> None:
    last: str | None = None
    while last is None:
        refresh = False
        while pipe.poll(0 if refresh or last else POLL_SECONDS):
            command, value = pipe.recv()
            if command == "follow" and done.get(value) != RunFolder(Path(value)).record().status:
                followed.setdefault(value, _Followed(RunFolder(Path(value))))
            refresh |= command == "sync"
            last = value if command == "finish" else last
            if last:
                break
        trouble = _look(followed, done, store)
        if refresh and last is None:
            trouble = _attempt(lambda: results.send(group)) or trouble
        if last is None and trouble:
            pipe.send((group.run_id, trouble))
    unsent = _look(followed, done, store)
    trouble = _attempt(lambda: results.send(group)) or _attempt(lambda: sync.finish(group, str(last)))
    pipe.send((group.run_id, unsent or trouble))


def _look(followed: dict[str, _Followed], done: dict[str, str], store: Store) -> str | None:
    """Send what is new of each run; return the last trouble."""
    trouble = None
    for path, run in list(followed.items()):
        failed = _attempt(functools.partial(_send, run, store))
        if failed:
            trouble, run.session, run.attempts = failed, None, run.attempts + 1
        if run.ended or run.attempts == ATTEMPTS:
            done[path] = run.folder.record().status
            del followed[path]
    return trouble


def _send(run: _Followed, store: Store) -> None:
    """Send what is new of a run."""
    record = run.folder.record()
    if record.status == RUNNING and not run.grown and run.session:
        return
    if run.session is None:
        run.session = sync.open_run(run.folder, store)
    sync.send_progress(run.session)
    if record.status == RUNNING:
        return
    if record.status == FINISHED:
        report.write(run.folder)
    results.send(run.session)
    run.session.client.set_tag(run.session.run_id, STATE_TAG, record.status)
    sync.finish(run.session, KILLED if record.status == PRUNED else record.status)
    record.tracking_run_id, record.tracking_uri = run.session.run_id, store.uri
    run.folder.write_record(record)
    run.ended = True


def _attempt(work: Callable[[], object]) -> str | None:
    """Do something with the server; return what went wrong, in one sentence."""
    try:
        work()
    except Exception as error:
        traceback.print_exc()
        return str(error) if isinstance(error, KwsError) else stores.reason(error)
    return None
