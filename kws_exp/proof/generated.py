"""The generated C against the interpreter: on this machine over all clips, on emulated cores over some.

What is compared is what each stage gives, byte for byte: the micro front end's features, the network's input and its
output. The right bytes come from training's own front end and from TensorFlow Lite Micro, never from the C.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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
    told, compared, first = _on_host(folder, manifest, made, expected, emulated_clips)
    emulation, results = _on_cores(folder, manifest, made, first, list(emulated))
    return Device(scope, told, compared.clips, compared.compared, compared.different, emulation, tuple(results))


def _on_host(
    folder: Path, manifest: Mapping[str, Any], made: Shapes, expected: Expected, keep: int
) -> tuple[str, Compared, tuple[NDArray[Any], dict[str, NDArray[Any]]]]:
    """Compare all clips; also return the first ``keep`` with their right bytes, for the cores."""
    compared = Compared(0, {}, {})
    kept: list[tuple[NDArray[Any], dict[str, NDArray[Any]]]] = []
    told = "not run: no C compiler was found" if host.compiler() is None else EQUAL
    with tempfile.TemporaryDirectory() as scratch:
        binary = None
        try:
            binary = program.on_host(folder / "c99", made, Path(scratch)) if told == EQUAL else None
            for clips, right in _chunks(manifest, made, expected):
                if sum(len(chunk) for chunk, _ in kept) < keep:
                    kept.append((clips, right))
                elif binary is None:
                    break
                if binary:
                    compared.add(Compared.of(program.run(binary, made, clips), right))
        except KwsError as error:
            told = f"failed: {error}"
    if told == EQUAL and not compared.equal:
        told = DIFFERENT
    clips = np.concatenate([chunk for chunk, _ in kept])[:keep]
    right = {stage: np.concatenate([chunk[stage] for _, chunk in kept])[:keep] for stage in kept[0][1]}
    return told, compared, (clips, right)


def _chunks(
    manifest: Mapping[str, Any], made: Shapes, expected: Expected
) -> Iterable[tuple[NDArray[Any], dict[str, NDArray[Any]]]]:
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
    clips: tuple[NDArray[Any], dict[str, NDArray[Any]]],
    names: list[str],
) -> tuple[str, list[cores.Core]]:
    if not names:
        return "not run: export.emulated_cores is empty", []
    if not qemu.available():
        return f"not run: {', '.join(qemu.missing())} not found", []
    results = cores.run(folder / "c99", made, manifest["input"]["shape"][1], *clips, names)
    worst = [core for core in results if core.status != EQUAL]
    return (f"{worst[0].name}: {worst[0].status}" if worst else EQUAL), results
