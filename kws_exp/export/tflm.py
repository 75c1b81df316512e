"""``python -m kws_exp.export.tflm MODEL INPUTS.npy RESULT.npz``: int8 inputs through TensorFlow Lite Micro.

The interpreter gives the reason of a failure on C's stderr only, and may die of a segmentation fault in an
arena that is too small, so each size is tried in a fork. The arena is that of a 64-bit host: the tail of it,
made of pointers, is smaller on a device.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FLOOR, _STEP, _CEILING = 1024, 16, 1 << 26  # bytes of arena tried


def smallest_arena(fits: Callable[[int], bool]) -> int:
    """Return the smallest multiple of 16 bytes, from 1 kB on, for which ``fits`` holds (it is monotone)."""
    high = _FLOOR
    while not fits(high):
        high *= 2
    low = high // 2  # does not fit, or is below the floor
    while high > _FLOOR and high - low > _STEP:
        middle = (low + high) // (2 * _STEP) * _STEP
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def main(model: Path, inputs: Path, result: Path) -> None:
    """Run every input, then look for the smallest arena."""
    content = model.read_bytes()
    clips = np.load(inputs, allow_pickle=False)
    try:
        interpreter = _interpreter(content, _CEILING)
        outputs = np.concatenate([_infer(interpreter, clip) for clip in clips])
    except RuntimeError as error:
        sys.exit(str(error))
    allocated = _allocated(interpreter)
    arena = smallest_arena(lambda size: _loads(content, size))
    if not np.array_equal(_infer(_interpreter(content, arena), clips[0])[0], outputs[0]):
        raise ValueError(f"another output in an arena of {arena} bytes")
    np.savez(result, outputs=outputs, smallest_arena=arena, allocated=allocated)


def _interpreter(model: bytes, arena: int) -> Any:
    from tflite_micro import runtime

    return runtime.Interpreter.from_bytes(model, arena_size=arena)


def _infer(interpreter: Any, clip: NDArray[np.int8]) -> NDArray[np.int8]:
    interpreter.set_input(clip[np.newaxis], 0)
    interpreter.invoke()
    output: NDArray[np.int8] = interpreter.get_output(0)
    return output


def _loads(model: bytes, arena: int) -> bool:
    """Try an arena in a fork, which may crash; whatever it prints is of no use."""
    process = os.fork()
    if process:
        return os.waitpid(process, 0)[1] == 0
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        _interpreter(model, arena)
    except RuntimeError:
        os._exit(1)
    os._exit(0)


def _allocated(interpreter: Any) -> int:
    """Read the total from what the interpreter prints on file descriptor 2, past Python's ``sys.stderr``."""
    with tempfile.TemporaryFile() as captured:
        kept = os.dup(2)
        os.dup2(captured.fileno(), 2)
        try:
            interpreter.print_allocations()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        captured.seek(0)
        printed = captured.read().decode(errors="replace")
    found = re.search(r"Arena allocation total (\d+) bytes", printed)
    if found is None:
        raise ValueError(f"tflite-micro printed no arena total: {printed!r}")
    return int(found[1])


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
