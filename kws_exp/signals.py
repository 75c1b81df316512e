"""Ctrl-C and SIGTERM as a polite request: the loop finishes its step, saves, and only then stops."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Pruned(Exception):
    """The sweep of a run has ended it, at a validation pass that others did better at."""


def stop() -> None:
    """Ask this process to stop, as another could."""
    os.kill(os.getpid(), signal.SIGTERM)


class StopRequest:
    """Within the block the first signal sets ``requested``; a second one stops at once, as ever.

    Outside the main thread, where Python allows no handlers, the block changes nothing.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._ask) for number in self.SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        self._restore()

    def _restore(self) -> None:
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, handler)
