"""The exported C program on emulated Cortex-M cores: the same bytes, what they cost, and how long it may take.

Flash and RAM are those of a linked program that does nothing but listen (``listen.c``), with its start-up code and
without a stack. Instructions are exact, but an instruction takes a cycle on no core: :mod:`kws_exp.proof.latency`
makes a range of times of them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_exp.c99 import qemu
from kws_exp.errors import KwsError
from kws_exp.proof import latency
from kws_exp.proof.finding import DIFFERENT, EQUAL
from kws_exp.proof.latency import Range
from kws_exp.proof.program import DRIVER, Compared, Shapes

MAIN_CORE = "cortex-m4"  # which runs all clips; the others run one
LISTEN = Path(__file__).with_name("listen.c")
BUILDS = 2  # at a time


@dataclass(frozen=True)
class Core:
    """What the program does on a core."""

    name: str
    status: str  # equal | different | failed: WHY
    clips: int
    different: dict[str, int]  # bytes of each stage
    flash: int  # bytes
    ram: int  # bytes, without the stack
    inference_instructions: int
    frame_instructions: int | None  # of the front end; None where it is not on the device
    inference_ms: Range
    frame_ms: Range | None


def run(
    folder: Path,
    shapes: Shapes,
    frames: int,
    clips: NDArray[Any],
    expected: dict[str, NDArray[Any]],
    names: Sequence[str],
) -> list[Core]:
    """Run clips on each core and compare.

    Args:
        folder: ``c99`` of the export.
        shapes: Of its program.
        frames: Of the front end in a clip.
        clips: (clips, ...), what the program takes.
        expected: (clips, ...) of each stage.
        names: Keys of :data:`kws_exp.c99.qemu.CORES`.
    """
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(BUILDS) as pool:

        def one(name: str) -> Core:
            count = len(clips) if name == MAIN_CORE else 1
            few = {stage: values[:count] for stage, values in expected.items()}
            try:
                return _run(folder, shapes, frames, clips[:count], few, name, Path(scratch))
            except KwsError as error:
                nothing = Range(0, 0)
                return Core(name, f"failed: {error}", 0, {}, 0, 0, 0, None, nothing, None)

        return list(pool.map(one, names))


def _run(
    folder: Path,
    shapes: Shapes,
    frames: int,
    clips: NDArray[Any],
    expected: dict[str, NDArray[Any]],
    name: str,
    scratch: Path,
) -> Core:
    flags = ("-O2", *shapes.flags)
    shared = qemu.objects(folder, shapes.sources, name, scratch, flags)  # nearly all: compiled twice, they take 0.7 s
    proof = qemu.build(folder, [*shared, DRIVER], name, scratch / f"{name}.elf", (*flags, "-DKWS_EMULATED"))
    listener = qemu.build(folder, [*shared, LISTEN], name, scratch / f"{name}-listen.elf", flags)
    done = qemu.run(proof, name, shapes.encode(clips).tobytes())
    if done.status:
        raise KwsError(f"the program ended with status {done.status}")
    compared = Compared.of(shapes.decode(done.output), expected)
    # a clip has the counts of all that is done with it and of the network, or the latter alone
    *whole, network = np.reshape(done.instructions, (len(clips), -1)).mean(axis=0).tolist()
    inference = round(network)
    frame = round((whole[0] - inference) / frames) if whole else None
    size = qemu.size(listener)
    return Core(
        name=name,
        status=EQUAL if compared.equal else DIFFERENT,
        clips=len(clips),
        different=compared.different,
        flash=size.flash,
        ram=size.ram,
        inference_instructions=inference,
        frame_instructions=frame,
        inference_ms=latency.estimate(name, inference),
        frame_ms=None if frame is None else latency.estimate(name, frame),
    )
