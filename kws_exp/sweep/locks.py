"""Locks between the processes of a sweep: on one machine by files, on several by what a storage allows once."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection

from kws_exp.run_folder import is_held

HOLDER = "kws_exp.holder"
# of a lock study on another machine; the longest that one guards is a first migration of MLflow's store, 25 s
STALE_SECONDS = 120.0


def lives_here(mark: Mapping[str, Any] | None) -> bool | None:
    """Whether the process lives that has left its host and its file lock; None if this machine cannot tell."""
    if mark is None or mark["host"] != socket.gethostname() or not os.path.exists(mark["lock"]):
        return None
    return is_held(mark["lock"])


@contextlib.contextmanager
def mutex(storage: BaseStorage, name: str, mine: str) -> Iterator[None]:
    """Let one process at a time through, on whatever machines they are: a study's name is unique in its storage.

    Args:
        storage: Where all of them look.
        name: What they compete for.
        mine: File lock that this process holds while it lives; others on this machine see by it whether it does.
    """
    holder, since = None, time.monotonic()
    while True:
        try:
            made = storage.create_new_study([StudyDirection.MINIMIZE], name)
            storage.set_study_user_attr(made, HOLDER, {"host": socket.gethostname(), "lock": mine})
            break
        except DuplicatedStudyError:
            with contextlib.suppress(KeyError):  # it has just been let go
                found = storage.get_study_id_from_name(name)
                if found != holder:
                    holder, since = found, time.monotonic()
                elif _is_dead(storage.get_study_user_attrs(found).get(HOLDER), time.monotonic() - since):
                    storage.delete_study(found)
            time.sleep(0.1)
    try:
        yield
    finally:
        with contextlib.suppress(KeyError):  # taken for dead
            storage.delete_study(made)


def _is_dead(holder: Mapping[str, Any] | None, seconds: float) -> bool:
    """Whether the holder of a lock study that has not changed for some seconds is gone."""
    return seconds > STALE_SECONDS or lives_here(holder) is False


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
