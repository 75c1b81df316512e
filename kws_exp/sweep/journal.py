"""Optuna's journal file, made proof against a full disk and a power cut.

Optuna appends a line for each change and reads them all. The surprising fact: a line that was cut short, by a full disk
or a kill in the middle of a write, joins the next one, and from then on the whole study cannot be read. Here such an
end is cut off before the next line is written, and a write that fails leaves nothing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, BinaryIO

from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

BLOCK = 1 << 16  # bytes; more than any line


class Journal(JournalFileBackend):
    """A journal whose last line is always whole."""

    def __init__(self, path: str) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._path, self._guard = path, JournalFileSymlinkLock(path)
        super().__init__(path, self._guard)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append entries, all of them or none."""
        text = "".join(json.dumps(entry, separators=(",", ":")) + "\n" for entry in logs)
        self._guard.acquire()
        try:
            with open(self._path, "r+b", buffering=0) as file:
                end = _whole(file)
                try:
                    _write(file, text.encode())
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(end)
                    raise
        finally:
            self._guard.release()


def _whole(file: BinaryIO) -> int:
    """Cut off what follows the last whole line, and go there."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - BLOCK)
    file.seek(start)
    end = start + file.read(BLOCK).rfind(b"\n") + 1
    if end != size:
        file.truncate(end)
    return file.seek(end)


def _write(file: BinaryIO, content: bytes) -> None:
    """Write all: on a disk that is filling up, a first write may take a part and only the next one fail."""
    while content:
        content = content[file.write(content) :]
