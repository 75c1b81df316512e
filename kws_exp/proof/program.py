"""The exported C program as a function: clips in; features, the network's input and its output out.

The same ``proof_clips.c`` is compiled for the machine at hand and for emulated Cortex-M cores. An export without the
micro front end has a program of the network alone: its clips are the network's inputs.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_exp.c99 import host
from kws_exp.errors import KwsError

DRIVER = Path(__file__).with_name("proof_clips.c")
NETWORK = ("kws_model.c", "kws_kernels.c")
WHOLE = ("kws.c", "kws_frontend.c", "kws_fft.c", "kws_postprocess.c", *NETWORK)


@dataclass(frozen=True)
class Shapes:
    """What a program takes and gives, of a clip."""

    clip: int  # samples, or for a network alone bytes
    inputs: int  # bytes into the network
    classes: int
    network_only: bool

    @property
    def record(self) -> np.dtype[np.void]:
        """What the program writes for a clip."""
        front = [] if self.network_only else [("features", "<u2", (self.inputs,)), ("inputs", "i1", (self.inputs,))]
        return np.dtype([*front, ("outputs", "i1", (self.classes,))])

    @property
    def sources(self) -> tuple[str, ...]:
        """The program's files in ``c99``."""
        return NETWORK if self.network_only else WHOLE

    @property
    def flags(self) -> tuple[str, ...]:
        """What tells the driver which program it is."""
        return ("-DKWS_NETWORK_ONLY",) if self.network_only else ()

    def encode(self, clips: NDArray[Any]) -> bytes:
        """Return clips (clips, ...) as the program reads them."""
        return np.ascontiguousarray(clips, "i1" if self.network_only else "<i2").tobytes()

    def decode(self, output: bytes) -> NDArray[np.void]:
        """Return a record for each clip."""
        return np.frombuffer(output, self.record)


@dataclass
class Compared:
    """How many bytes of each stage were compared, and how many differed."""

    clips: int
    compared: dict[str, int]
    different: dict[str, int]

    @classmethod
    def of(cls, given: NDArray[np.void], expected: dict[str, NDArray[Any]]) -> Compared:
        """Compare the records of a program with arrays (clips, ...) of the same stages."""
        compared, different = {}, {}
        for stage, right in expected.items():
            flat = np.ascontiguousarray(right).reshape(len(right), -1)
            ours, theirs = np.ascontiguousarray(given[stage]).view(np.uint8), flat.view(np.uint8)
            compared[stage], different[stage] = ours.size, int(np.count_nonzero(ours != theirs))
        return cls(len(given), compared, different)

    def add(self, other: Compared) -> None:
        """Add another part of the clips."""
        self.clips += other.clips
        for stage in other.compared:
            self.compared[stage] = self.compared.get(stage, 0) + other.compared[stage]
            self.different[stage] = self.different.get(stage, 0) + other.different[stage]

    @property
    def equal(self) -> bool:
        """Whether there was something to compare, and no byte differed."""
        return self.clips > 0 and not any(self.different.values())


def on_host(folder: Path, shapes: Shapes, scratch: Path) -> Path:
    """Compile the program in ``folder`` for this machine.

    Raises:
        KwsError: There is no compiler, or it refuses the program.
    """
    return host.compile(folder, [*shapes.sources, DRIVER], scratch / "clips", (*host.FAST, *shapes.flags))


def run(program: Path, shapes: Shapes, chunks: Iterable[NDArray[Any]]) -> Iterator[NDArray[np.void]]:
    """Yield the records of each chunk of clips; processes as many as there are cores work side by side.

    Raises:
        KwsError: The program failed.
    """
    processes = min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(processes) as pool:
        for chunk in chunks:
            parts = np.array_split(chunk, min(processes, len(chunk)) or 1)
            yield np.concatenate(list(pool.map(lambda part: _feed(program, shapes, part), parts)))


def _feed(program: Path, shapes: Shapes, clips: NDArray[Any]) -> NDArray[np.void]:
    done = subprocess.run([program], input=shapes.encode(clips), capture_output=True)
    if done.returncode:
        raise KwsError(f"the exported C program ended with status {done.returncode}")
    return shapes.decode(done.stdout)
