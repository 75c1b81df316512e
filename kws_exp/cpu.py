"""How many cores this process may use: all, unless a sweep divides them among its workers."""

from __future__ import annotations

import os

VARIABLE = "KWS_EXP_CORES"  # environment variable, which what a worker starts inherits


def cores() -> int:
    """Return the number of cores for threads and processes of this process."""
    given = os.environ.get(VARIABLE, "")
    return int(given) if given.isdecimal() and int(given) else os.cpu_count() or 1
