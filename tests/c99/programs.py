"""Small programs around the C runtime, and how to make and run them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kws_exp.c99 import frontend_tables, host
from kws_exp.features import micro, micro_tables

RUNTIME = Path(host.__file__).parent / "runtime"
CHECKED = (*host.STRICT, "-O1", "-g", "-fsanitize=undefined,address", "-fno-sanitize-recover=all")
PLUS_PLUS = ("-std=c++11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O2", "-x", "c++")
GOLDEN = Path(__file__).parents[2] / ".." / "shared" / "reference" / "micro_frontend_golden.npz"

# chunks of samples, each after its length; a negative length begins a new stream
FRONTEND_MAIN = """
#include <stdio.h>
#include "kws_frontend.h"

int main(void)
{
    static kws_frontend frontend;
    static int16_t chunk[1 << 16];
    static uint16_t features[KWS_FRONTEND_CHANNELS];
    static int8_t quantized[KWS_FRONTEND_CHANNELS];
    int32_t count;
    kws_frontend_init(&frontend);
    while (fread(&count, sizeof count, 1, stdin) == 1) {
        if (count < 0) {
            kws_frontend_init(&frontend);
            continue;
        }
        if (fread(chunk, sizeof *chunk, (size_t)count, stdin) != (size_t)count)
            return 1;
        for (size_t taken = 0; taken < (size_t)count;) {
            int finished;
            taken += kws_frontend_push(&frontend, chunk + taken, (size_t)count - taken, features, &finished);
            if (!finished)
                continue;
            kws_frontend_quantize(features, quantized);
            fwrite(features, sizeof features, 1, stdout);
            fwrite(quantized, sizeof quantized, 1, stdout);
        }
    }
    return 0;
}
"""


def make(
    folder: Path,
    main: str,
    sources: Sequence[str],
    flags: Sequence[str] = (*host.STRICT, "-O2"),
    command: Sequence[str] | None = None,
) -> Path:
    """Compile a main program and sources of the runtime, copied to ``folder`` as an export has them."""
    for path in RUNTIME.glob("*.[ch]"):
        shutil.copy(path, folder)
    (folder / "main.c").write_text(main)
    return host.compile(folder, ["main.c", *sources], folder / "program", flags, command)


def feed(program: Path, data: bytes) -> bytes:
    done = subprocess.run([program], input=data, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def frontend(folder: Path, settings: micro.Micro, *more: Sequence[str]) -> Path:
    """Make :data:`FRONTEND_MAIN` for some settings."""
    write_tables(folder, settings)
    return make(folder, FRONTEND_MAIN, ["kws_frontend.c", "kws_fft.c"], *more)


def write_tables(folder: Path, settings: micro.Micro) -> None:
    frontend_tables.write(micro_tables.tables(settings), folder, settings.divisor)


def stream(pcm: NDArray[np.int16], chunks: Sequence[int] = ()) -> bytes:
    """Encode one stream: chunks of the given lengths, then the rest."""
    parts = np.split(pcm, np.minimum(np.cumsum(chunks, dtype=np.int64), len(pcm)))
    return b"".join([b"\xff\xff\xff\xff", *(np.int32(len(part)).tobytes() + part.tobytes() for part in parts)])


def unpack(output: bytes, channels: int) -> tuple[NDArray[np.uint16], NDArray[np.int8]]:
    """Decode what :data:`FRONTEND_MAIN` writes: features and quantised features, (frames, channels)."""
    frame = np.dtype([("features", "<u2", channels), ("quantized", "i1", channels)])
    frames = np.frombuffer(output, frame)
    return frames["features"], frames["quantized"]
