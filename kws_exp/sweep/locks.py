"""Locks between the processes of a sweep: on one machine by files, on several by what a storage allows once."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection

STALE_SECONDS = 30.0  # of a lock study; what it guards takes a second


def is_held(lock: str) -> bool:
    """Whether the process that holds a file lock of this machine lives."""
    try:
        FileLock(lock).acquire(timeout=0).lock.release()
    except Timeout:
        return True
    return False


@contextlib.contextmanager
def mutex(storage: BaseStorage, name: str) -> Iterator[None]:
    """Let one process at a time through, on whatever machines they are: a study's name is unique in its storage."""
    holder, since = None, time.monotonic()
    while True:
        try:
            made = storage.create_new_study([StudyDirection.MINIMIZE], name)
            break
        except DuplicatedStudyError:
            with contextlib.suppress(KeyError):  # it has just been let go
                found = storage.get_study_id_from_name(name)
                if found != holder:
                    holder, since = found, time.monotonic()
                elif time.monotonic() - since > STALE_SECONDS:  # whoever made it is dead
                    storage.delete_study(found)
            time.sleep(0.1)
    try:
        yield
    finally:
        with contextlib.suppress(KeyError):  # taken for dead
            storage.delete_study(made)


def turn(storage: BaseStorage) -> AbstractContextManager[None]:
    """Let one process at a time change a trial's state.

    Databases lock the row meanwhile, but SQLite has no such lock: of 24 trials, three processes claimed two twice.
    """
    return alone(str(getattr(getattr(storage, "_backend", storage), "url", "")))


@contextmanager
def alone(url: str) -> Iterator[None]:
    """Let the processes of one machine use a SQLite file one after the other."""
    if not url.startswith("sqlite"):
        yield
        return
    path = Path(url.partition("///")[2])
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        yield
