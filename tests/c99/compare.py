"""The two sides of every comparison, and the flags that the generated code must stand."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kws_exp import c99
from kws_exp.c99 import host
from kws_exp.export import interpreters

SANITIZED = (*host.STRICT, "-Wconversion", "-Wshadow", "-O1", "-fsanitize=undefined,address", "-fno-sanitize-recover")


def tflm(model: Path, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    """Run inputs (clips, ...), whatever their shape, through TensorFlow Lite Micro: (clips, values)."""
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(model.read_bytes(), arena_size=1 << 25)
    shape = interpreter.get_input_details(0)["shape"]
    outputs = []
    for clip in inputs:
        interpreter.set_input(clip.reshape(shape), 0)
        interpreter.invoke()
        outputs.append(interpreter.get_output(0).ravel())
    return np.stack(outputs)


def generated(model: Path, inputs: NDArray[np.int8], flags: tuple[str, ...] = SANITIZED) -> NDArray[np.int8]:
    """Run the same through the generated C, made beside the model; the layers are compiled once for all models."""
    folder = model.with_suffix("")
    folder.mkdir(exist_ok=True)
    c99.write(model, folder)
    program = host.compile(folder, ["kws_model.c", _layers(flags), host.BATCH], folder / "batch", flags)
    return host.feed(program, inputs)


@functools.cache
def _layers(flags: tuple[str, ...]) -> Path:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    return host.compile(c99.RUNTIME, ["kws_kernels.c"], folder / "kws_kernels.o", (*flags, "-c"))


def clips(size: int, count: int) -> NDArray[np.int8]:
    """Return random inputs (count, size), the first of them all -128, the second all 127."""
    drawn = np.random.default_rng(4).integers(-128, 128, (count, size)).astype(np.int8)
    drawn[0], drawn[1] = -128, 127
    return drawn

needed = pytest.mark.skipif(
    host.compiler() is None or not interpreters.tflm_available(), reason="needs a C compiler and tflite-micro"
)
