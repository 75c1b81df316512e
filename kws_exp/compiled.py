"""The decorator of the loops that Numba compiles: where whole-array NumPy is too slow and holds the interpreter's lock.

The surprising fact: Numba's cache does not notice that a compiled function in another file has changed, so compiled
functions that call each other stand in one file.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from numba import njit


def compiled(function: Any) -> Any:
    """Compile a function when it is first called, and keep the machine code where a folder can be written.

    Without bounds checks, and without the interpreter's lock, so that threads run side by side.
    """
    settings = partial(njit, nogil=True, error_model="numpy", boundscheck=False)
    try:
        return settings(cache=True)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written: seconds a process
        return settings()(function)
