"""The generated C against the interpreter: on this machine over all clips, on emulated cores over some.

What is compared is what each stage gives, byte for byte: the micro front end's features, the network's input and its
output. The right bytes come from training's own front end and from TensorFlow Lite Micro, never from the C.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_exp.c99 import host, qemu
from kws_exp.device.program import FRONT_END, front_end
from kws_exp.errors import KwsError
from kws_exp.features import micro
from kws_exp.proof import cores, latency, program
from kws_exp.proof.finding import DIFFERENT, EQUAL
from kws_exp.proof.program import Compared, Shapes

Chunk = tuple[NDArray[Any], dict[str, NDArray[Any]]]  # clips, and the right bytes of each stage


@dataclass(frozen=True)
class Device:
    """What the generated C was seen to do."""

    scope: str  # from samples, or from the network's input
    host: str  # equal | different | not run: WHY | failed: WHY
    clips: int = 0
    compared: Mapping[str, int] = field(default_factory=dict)  # bytes of each stage
    different: Mapping[str, int] = field(default_factory=dict)
    emulation: str = "not run"  # equal | different | not run: WHY | failed: WHY
    cores: tuple[cores.Core, ...] = ()
    method: str = latency.METHOD


@dataclass(frozen=True)
class Expected:
    """The clips and the right bytes of each stage."""

    pcm: Iterable[NDArray[np.int16]]  # (clips, samples), chunk by chunk; not used for a network alone
    inputs: NDArray[np.int8]  # (clips, frames * channels)
    outputs: NDArray[np.int8]  # (clips, classes)


def shapes(manifest: Mapping[str, Any]) -> Shapes:
    """Return what the program of an export takes and gives."""
    inputs = int(np.prod(manifest["input"]["shape"]))
    network_only = manifest["features"]["name"] != FRONT_END
    return Shapes(inputs, int(np.prod(manifest["output"]["shape"])), network_only)


def compare(
    folder: Path, manifest: Mapping[str, Any], expected: Expected, emulated: Iterable[str], emulated_clips: int
) -> Device:
    """Run the C program in ``folder/c99``.

    Args:
        folder: The export.
        manifest: Its manifest.
        expected: Of all clips.
        emulated: Cores to emulate.
        emulated_clips: How many clips the first core runs; the others run one.
    """
    made = shapes(manifest)
    scope = "from the network's input to its output" if made.network_only else "from samples to the network's output"
    if not (folder / "c99").is_dir():
        return Device(scope, "not run: no C was generated", emulation="not run: no C was generated")
    chunks = iter(_chunks(manifest, made, expected))
    some = _first(chunks, emulated_clips)
    with ThreadPoolExecutor(1) as beside:  # each has stretches in which it keeps one core busy
        running = beside.submit(_on_host, folder, made, chain(some, chunks))
        emulation, results = _on_cores(folder, manifest, made, _joined(some, emulated_clips), list(emulated))
        told, compared = running.result()
    return Device(scope, told, compared.clips, compared.compared, compared.different, emulation, tuple(results))


def _on_host(folder: Path, made: Shapes, chunks: Iterable[Chunk]) -> tuple[str, Compared]:
    """Compare all clips."""
    compared = Compared(0, {}, {})
    if host.compiler() is None:
        return "not run: no C compiler was found", compared
    with tempfile.TemporaryDirectory() as scratch:
        try:
            binary = program.on_host(folder / "c99", made, Path(scratch))
            for clips, right in chunks:
                compared.add(Compared.of(program.run(binary, made, clips), right))
        except KwsError as error:
            return f"failed: {error}", compared
    return EQUAL if compared.equal else DIFFERENT, compared


def _first(chunks: Iterable[Chunk], count: int) -> list[Chunk]:
    """Take chunks until there are ``count`` clips, or all."""
    taken: list[Chunk] = []
    for chunk in chunks:
        taken.append(chunk)
        if sum(len(clips) for clips, _ in taken) >= count:
            break
    return taken


def _joined(chunks: Sequence[Chunk], count: int) -> Chunk:
    """Return the first ``count`` clips of all chunks, with their right bytes."""
    clips = np.concatenate([clips for clips, _ in chunks])[:count]
    return clips, {stage: np.concatenate([right[stage] for _, right in chunks])[:count] for stage in chunks[0][1]}


def _chunks(manifest: Mapping[str, Any], made: Shapes, expected: Expected) -> Iterable[Chunk]:
    """Yield clips and their right bytes, chunk by chunk."""
    if made.network_only:
        yield expected.inputs, {"outputs": expected.outputs}
        return
    features = micro.pcm_features(front_end(manifest))
    start = 0
    for pcm in expected.pcm:
        part = slice(start, start + len(pcm))
        start = part.stop
        yield pcm, {"features": features(pcm), "inputs": expected.inputs[part], "outputs": expected.outputs[part]}


def _on_cores(
    folder: Path,
    manifest: Mapping[str, Any],
    made: Shapes,
    clips: Chunk,
    names: list[str],
) -> tuple[str, list[cores.Core]]:
    if not names:
        return "not run: export.emulated_cores is empty", []
    if not qemu.available():
        return f"not run: {', '.join(qemu.missing())} not found", []
    results = cores.run(folder / "c99", made, manifest["input"]["shape"][1], *clips, names)
    worst = [core for core in results if core.status != EQUAL]
    return (f"{worst[0].name}: {worst[0].status}" if worst else EQUAL), results
