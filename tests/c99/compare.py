"""The two sides of every comparison: TensorFlow Lite Micro and the generated C."""

from __future__ import annotations

import atexit
import functools
import math
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kws_exp import c99
from kws_exp.c99 import host
from kws_exp.export import interpreters
from tests.c99.handmade import Zoo

SANITIZED = (*host.STRICT, "-Wconversion", "-Wshadow", "-O1", "-fsanitize=undefined,address", "-fno-sanitize-recover")
EVERY_VALUE = np.arange(-128, 128).astype(np.int8).reshape(1, 256)

needed = pytest.mark.skipif(
    host.compiler() is None or not interpreters.tflm_available(), reason="needs a C compiler and tflite-micro"
)


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
    """Return random inputs (count, size), the first of them all -128, the second all 127.

    Each has eight stretches of other levels: behind a pool over the whole clip, plain noise always looks the same.
    """
    random = np.random.default_rng(4)
    levels = np.repeat(random.uniform(-128, 128, (count, 8)), -(-size // 8), axis=1)[:, :size]
    drawn = random.normal(levels, random.uniform(0, 80, (count, 1))).clip(-128, 127).astype(np.int8)
    drawn[0], drawn[1] = -128, 127
    return drawn


def check(zoo: Zoo, folder: Path, inputs: NDArray[np.int8] | None = None) -> None:
    """Assert that the C gives every byte of a zoo's outputs; and for random inputs, that these are not all clamped."""
    model = zoo.save_all(folder / "model.tflite")
    drawn = clips(math.prod(zoo.tensors[0].shape), 24) if inputs is None else inputs
    expected = tflm(model, drawn)
    assert zoo.unequal(generated(model, drawn), expected) == []
    assert inputs is not None or len(np.unique(expected)) > 100
