"""Signs of life, given beside the work: by a parent to the other parents, by a launcher's job to its sweep."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def repeated(work: Callable[[], None], seconds: float) -> Iterator[None]:
    """Do something every so many seconds until the block ends, from its beginning on, whatever it raises."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.is_set():
            with suppress(Exception):  # the storage is away for a moment
                work()
            ended.wait(seconds)

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
