"""Ctrl-C and SIGTERM as a polite request: the loop finishes its step, saves, and only then stops.

So does SIGUSR2, with which submitit announces Slurm's limit of time.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

_stopping = threading.Event()


class Pruned(Exception):
    """The sweep of a run has ended it, at a validation pass that others did better at."""


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """Yield an event that asks whatever loop runs within the block to stop, as a signal does, from any thread."""
    _stopping.clear()
    try:
        yield _stopping
    finally:
        _stopping.clear()


class StopRequest:
    """Within the block the first signal makes ``requested`` true; a second one stops at once, as ever.

    Outside the main thread, where Python allows no handlers, only :func:`stoppable` can ask.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGUSR2] if hasattr(signal, "SIGUSR2") else []))

    def __init__(self) -> None:
        self._signalled = False
        self._before: dict[signal.Signals, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether to stop."""
        return self._signalled or _stopping.is_set()

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._ask) for number in self.SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._signalled = True
        self._restore()

    def _restore(self) -> None:
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, handler)
