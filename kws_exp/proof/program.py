"""The exported C program as a function: clips in; features, the network's input and its output out.

The same ``proof_clips.c`` is compiled for the machine at hand and for emulated Cortex-M cores. An export without the
micro front end has a program of the network alone: its clips are the network's inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_exp.c99 import host
from kws_exp.device.program import DETECTOR

DRIVER = Path(__file__).with_name("proof_clips.c")


@dataclass(frozen=True)
class Shapes:
    """What a program takes and gives, of a clip."""

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
        return host.NETWORK if self.network_only else (*DETECTOR, *host.NETWORK)

    @property
    def flags(self) -> tuple[str, ...]:
        """What tells the driver which program it is."""
        return ("-DKWS_NETWORK_ONLY",) if self.network_only else ()

    def encode(self, clips: NDArray[Any]) -> NDArray[np.int8]:
        """Return clips (clips, ...) as the bytes (clips, bytes) that the program reads."""
        flat = np.ascontiguousarray(clips, "i1" if self.network_only else "<i2").reshape(len(clips), -1)
        return flat.view(np.int8)

    def decode(self, output: bytes | NDArray[np.int8]) -> NDArray[np.void]:
        """Return a record (clips,) for each clip of the program's output."""
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
    return host.compile(folder, [*shapes.sources, DRIVER], scratch / "clips", (*host.fast(), *shapes.flags))


def run(program: Path, shapes: Shapes, clips: NDArray[Any]) -> NDArray[np.void]:
    """Return the records (clips,) of clips (clips, ...).

    Raises:
        KwsError: The program failed.
    """
    return shapes.decode(host.feed(program, shapes.encode(clips)))
