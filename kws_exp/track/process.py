"""The tracking process: MLflow beside the training, never in its way.

:class:`Tracker` is the run's end of a pipe; at the other end a process imports MLflow, opens the run and copies
what the run's folder holds each time a checkpoint is written. Trouble there never stops a run: it is kept, the
next checkpoint tries again, and :meth:`Tracker.finish` tells in one sentence what remains to be sent. The
process ends by itself when the run does, however that ends, because the pipe then closes.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from kws_exp import run_folder
from kws_exp.errors import KwsError
from kws_exp.run_folder import RunFolder
from kws_exp.track import store as stores
from kws_exp.track.store import Store

if TYPE_CHECKING:
    from kws_exp.track.sync import Session

LOG = "tracking.log"  # in the run's folder: what MLflow prints, and the tracebacks of its failures
LOCK = ".tracking.lock"
LOCK_SECONDS = 60.0  # a killed run's tracking process may still be sending a batch
ENDED = "the tracking process ended unexpectedly"


class Tracker:
    """A run's line to its tracking process; only ``result`` and ``finish`` wait.

    Example::

        tracker = Tracker(folder, store.resolve(config.tracking.uri, config.output_dir)).open()
        ...  # import TensorFlow, read the clips
        record.tracking_run_id = tracker.result()
        ...  # after each checkpoint
        tracker.sync(step)
        ...  # at the end
        sentence = tracker.finish("FINISHED")
    """

    def __init__(self, folder: RunFolder, store: Store) -> None:
        self.folder, self.store = folder, store
        self.run_id: str | None = None
        self.trouble: str | None = None  # of the last attempt
        self._told: str | None = None  # the trouble that sync has returned
        self._followed: dict[Path, int] = {}  # when the run.json had changed that was told of, by run
        self._messages: queue.SimpleQueue[tuple[str, object]] = queue.SimpleQueue()

    def open(self) -> Tracker:
        """Start the process; the folder must hold ``run.json`` and ``config.yaml``."""
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, str(self.folder.path.resolve()), self.store))
        with _deaf_to_interrupts():
            self._process.start()
        theirs.close()  # else it would never see the end of the pipe
        self._sender = threading.Thread(target=_forward, args=(self._messages, self._pipe), daemon=True)
        self._sender.start()
        atexit.register(self._pipe.close)  # before multiprocessing's own exit waits for the process
        return self

    def done(self) -> bool:
        """Whether :meth:`result` would answer at once."""
        return self.run_id is not None or self._pipe.poll()

    def result(self) -> str:
        """Wait for the run to be open on the server and return its id there; KwsError when it cannot be."""
        if self.run_id is None:
            try:
                self._receive()
            except (EOFError, OSError):
                self.trouble = f"{ENDED}; see {self.folder.path / LOG}, or run without it: tracking=off"
        if self.run_id is None:
            sentence, self.trouble = self.trouble or ENDED, None  # told now, so not again by finish
            raise KwsError(sentence)
        return self.run_id

    def sync(self, step: int) -> str | None:
        """Ask for everything up to a checkpoint to be sent; return trouble that was not there before, if any."""
        self._messages.put(("sync", step))
        try:
            while self._pipe.poll():
                self._receive()
        except (EOFError, OSError):
            self.trouble = ENDED
        before, self._told = self._told, self.trouble
        return None if before else self.trouble

    def follow(self, path: Path) -> None:
        """Have the process of a sweep send a run, from now until it ends.

        May be called at any time: the process hears of it once, and again when the run's ``run.json`` has changed.
        """
        with contextlib.suppress(FileNotFoundError):  # the user has deleted it
            changed = (path / "run.json").stat().st_mtime_ns
            if self._followed.get(path) != changed:
                self._followed[path] = changed
                self._messages.put(("follow", str(path.resolve())))

    def finish(self, status: str) -> str | None:
        """Send the rest, wait for it, and end the process; return one sentence if something could not be sent."""
        self._messages.put(("finish", status))
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._receive()
        self._process.join()
        self._sender.join()
        self._pipe.close()
        atexit.unregister(self._pipe.close)
        if self._process.exitcode:
            self.trouble = ENDED
        return unsent(self.folder.path, self.trouble) if self.trouble else None

    def _receive(self) -> None:
        self.run_id, self.trouble = self._pipe.recv()


def _forward(messages: queue.SimpleQueue[tuple[str, object]], pipe: Connection) -> None:
    """Pass messages on, in a thread: a pipe holds 278 of them, then ``send`` waits for a process that may hang."""
    command = ""
    with contextlib.suppress(OSError):  # the process has ended
        while command != "finish":
            command, value = messages.get()
            pipe.send((command, value))


def unsent(folder: Path, trouble: str) -> str:
    """Return the sentence for a run whose copy on the server is incomplete."""
    return (
        f"tracking failed ({trouble}), but everything is on disk in {folder}; send it again with "
        f"`python -m kws_exp.track {folder}`"
    )


@contextlib.contextmanager
def only_sender(folder: RunFolder) -> Iterator[None]:
    """Hold the right to send a folder; KwsError when another process has it."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder.path / LOCK, timeout=LOCK_SECONDS):
            yield
    except Timeout as error:
        raise KwsError(f"{folder.path} is being tracked by another process; wait for it to end") from error


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Start a process so that a later Ctrl-C, which a terminal sends to all, passes it by from its first moment."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(pipe: Connection, path: str, store: Store) -> None:
    """Be the tracking process."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the run hears them, and says how it ended
        signal.signal(number, signal.SIG_IGN)
    folder = RunFolder(Path(path))
    _redirect_output(folder.path / LOG)
    with contextlib.suppress(EOFError, OSError):  # the run is gone
        try:
            with only_sender(folder):
                _obedient(folder)(pipe, folder, store)
        except KwsError as error:
            pipe.send((None, str(error)))


def _obedient(folder: RunFolder) -> Callable[[Connection, RunFolder, Store], None]:
    if not (folder.path / run_folder.SWEEP).exists():
        return _obey
    from kws_exp.track import follow

    return follow.obey


def _obey(pipe: Connection, folder: RunFolder, store: Store) -> None:
    """Open the run, then send what is asked for until ``finish`` or the end of the pipe."""
    from kws_exp.track import model, results, sync

    gc.disable()  # what an import makes stays for good: looking through it time and again makes 2.4 s 2.9 s
    opened = sync.open_run(folder, store)
    pipe.send((opened.run_id, None))
    if folder.settings().get("export", {}).get("enabled"):
        model.prepare()
    gc.freeze()
    gc.enable()
    session: Session | None = opened
    command = ""
    while command != "finish":
        command, value = pipe.recv()
        while command == "sync" and pipe.poll():  # several checkpoints were written meanwhile
            command, value = pipe.recv()
        trouble, since = None, time.monotonic()
        try:
            session = session or sync.open_run(folder, store)
            sync.send_progress(session, value if command == "sync" else None)
            if command == "finish":
                results.end(session, value, since)
        except Exception as error:
            traceback.print_exc()
            if command == "finish" and session:
                with contextlib.suppress(Exception):  # at least the status
                    sync.finish(session, value)
            session, trouble = None, str(error) if isinstance(error, KwsError) else stores.reason(error)
        pipe.send((opened.run_id, trouble))


def _redirect_output(path: Path) -> None:
    """Keep MLflow's lines off the terminal, where the progress is."""
    file = path.open("a", encoding="utf-8", buffering=1)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # a stream without a file, as under pytest
            os.dup2(file.fileno(), stream.fileno())
    sys.stdout = sys.stderr = file
