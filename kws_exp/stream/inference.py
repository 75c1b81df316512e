"""An int8 model over a stream of frames, with the device's arithmetic, as fast as this machine can.

The network is made into C anew from the model file (:mod:`kws_exp.c99`), so that nothing is compiled or run that came
with a folder, and loaded as a library, with layers made for this machine (kws_wide.c); without a compiler, or for a
model that the C does not cover, TensorFlow Lite Micro's interpreter gives the same bytes some hundred times slower. The
surprising fact: the generated network works in memory of its own, so that two threads need the library twice, as two
files.
"""

from __future__ import annotations

import ctypes
import queue
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from kws_exp import c99
from kws_exp.c99 import host
from kws_exp.c99.network import Network
from kws_exp.errors import KwsError
from kws_exp.export import interpreters

WINDOWS = Path(__file__).with_name("kws_windows.c")
WIDE = ("kws_model.c", Path(__file__).with_name("kws_wide.c"), WINDOWS)

Infer = Callable[[NDArray[np.int8], int], NDArray[np.int8]]
"""Frames (n, width) and a hop to outputs (1 + (n - frames) // hop, labels); any thread may call it."""


@contextmanager
def network(model: Path, frames: int, threads: int = 1) -> Iterator[Infer]:
    """Give the network of an int8 ``.tflite`` file, which takes ``frames`` frames, to at most ``threads`` threads.

    Raises:
        KwsError: There is neither a compiler nor TensorFlow Lite Micro's interpreter, or both refuse the model.
    """
    if host.compiler() is None:
        yield _interpreted(model, frames)
        return
    # Windows does not remove a library that is loaded
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        try:
            infer = _compiled(model, frames, Path(scratch), threads)
        except KwsError:
            if not interpreters.tflm_available():
                raise
            infer = _interpreted(model, frames)
        yield infer


def _compiled(model: Path, frames: int, folder: Path, threads: int) -> Infer:
    made = c99.write(model, folder)
    library, flags = folder / "network.so", (*host.fast(), "-fPIC", "-shared")
    try:
        host.compile(folder, WIDE, library, (*flags, "-ffp-contract=fast"))
    except KwsError:  # a compiler without vector types, which gcc and clang have
        host.compile(folder, [*host.NETWORK, WINDOWS], library, flags)
    free: queue.SimpleQueue[ctypes.CDLL] = queue.SimpleQueue()
    for number in range(threads):
        copy = folder / f"{number}.so"
        copy.write_bytes(library.read_bytes())
        free.put(ctypes.CDLL(str(copy)))

    def infer(given: NDArray[np.int8], hop: int) -> NDArray[np.int8]:
        loaded = free.get()
        try:
            return _run(loaded, made, np.ascontiguousarray(given), frames, hop)
        finally:
            free.put(loaded)

    return infer


def _run(loaded: ctypes.CDLL, made: Network, given: NDArray[np.int8], frames: int, hop: int) -> NDArray[np.int8]:
    _, width = given.shape
    if frames * width != made.input.size:
        raise ValueError(f"{frames} frames of {width} for a network of {made.input.size} inputs")
    outputs = np.empty((_runs(given, frames, hop), made.output.size), np.int8)
    loaded.kws_windows(
        given.ctypes.data_as(ctypes.c_void_p),
        ctypes.c_size_t(len(outputs)),
        ctypes.c_size_t(hop * width),
        outputs.ctypes.data_as(ctypes.c_void_p),
    )
    return outputs


def _interpreted(model: Path, frames: int) -> Infer:
    if not interpreters.tflm_available():
        raise KwsError(
            "the device's arithmetic needs a C compiler, but none was found, nor tflite-micro (Linux on x86-64): "
            "install cc, gcc or clang, or name a compiler in the variable CC"
        )

    def infer(given: NDArray[np.int8], hop: int) -> NDArray[np.int8]:
        windows = sliding_window_view(given, frames, axis=0)[::hop].transpose(0, 2, 1)
        return interpreters.tflm(model, windows[: _runs(given, frames, hop), ..., np.newaxis]).outputs

    return infer


def _runs(given: NDArray[np.int8], frames: int, hop: int) -> int:
    return 1 + (len(given) - frames) // hop
