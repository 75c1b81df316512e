"""The figures of an untrained network: exported, linked for a Cortex-M4, tried in TensorFlow Lite Micro, emulated.

The surprising fact: the weights are not compiled. A megabyte of them takes two seconds to write out and to read as C,
and how many bytes they will be is known; so the program is linked with a few of each layer, and the others are added.
"""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from kws_exp import c99, schema
from kws_exp.c99 import frontend_tables, network, plan, qemu, settings, source
from kws_exp.c99.kernels import Call, Conv2dLayer, DepthwiseConv2dLayer, FullyConnectedLayer
from kws_exp.device import program
from kws_exp.export import flatbuffer, interpreters, manifest
from kws_exp.features import micro_tables
from kws_exp.footprint import untrained
from kws_exp.proof import cores, generated
from kws_exp.proof import latency as timing
from kws_exp.proof.program import DRIVER

KEPT = 64  # weights of a layer, and up to 3 more: the linker fills every array up to 4 bytes
INPUTS = 2  # emulated


def measure(config: schema.Config, latency: bool) -> dict[str, Any]:
    """Return the fields of :class:`kws_exp.footprint.Footprint`.

    Raises:
        KwsError: The settings make no network, or the device cannot run it.
    """
    model = untrained.build(config)
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(2) as beside:
        folder = Path(scratch)
        file = folder / "model_int8.tflite"
        file.write_bytes(untrained.int8(model, config.features))
        contents = flatbuffer.read(file)
        flatbuffer.check(contents)
        described = asdict(manifest.make(folder, contents, config, model.count_params(), {}))
        arena = beside.submit(_arena, file, contents)
        emulated = beside.submit(_latency, file, described) if latency else None
        size = _size(file, described, folder)
        return {
            "parameters": described["parameters"],
            "macs": described["macs"],
            "int8_bytes": contents.file_bytes,
            "flash": size.flash,
            "ram": size.ram,
            "arena": arena.result(),
            "latency_ms": emulated.result() if emulated else None,
        }


def _size(model: Path, described: dict[str, Any], folder: Path) -> qemu.Size:
    """Link the program as :mod:`kws_exp.proof.cores` does, but for the weights."""
    shapes = generated.shapes(described)
    left_out = _write(model, described, folder, detector=not shapes.network_only)
    sources = [folder / name if name == "kws_model.c" else c99.RUNTIME / name for name in shapes.sources]
    flags = ("-O2", *shapes.flags, f"-I{c99.RUNTIME}")
    size = qemu.size(qemu.build(folder, [*sources, cores.LISTEN], cores.MAIN_CORE, folder / "listen.elf", flags))
    return qemu.Size(size.flash + left_out, size.ram)


def _write(model: Path, described: dict[str, Any], folder: Path, detector: bool) -> int:
    """Write what is generated of the program; return how many bytes of weights are not in it."""
    whole = network.read(model)
    planned = plan.make(whole)
    shortened = [_shortened(call, number) for number, call in enumerate(whole.calls)]
    short = replace(whole, calls=tuple(call for call, _ in shortened))
    (folder / "kws_model.h").write_text(source.header(whole, planned), encoding="ascii")
    (folder / "kws_model.c").write_text(source.source(short, planned), encoding="ascii")
    if detector:
        front_end = program.front_end(described)
        tables = micro_tables.tables(front_end)
        frontend_tables.write(tables, folder, front_end.divisor, described["sample_rate"])
        settings.write(program.detector_settings(described), folder)
    return sum(left_out for _, left_out in shortened)


def _shortened(call: Call, number: int) -> tuple[Call, int]:
    """Return a call with the first of its weights, and how many are missing: a multiple of 4.

    Its shifts become those of no other call, lest they are equal by chance and written once: training moves them.
    """
    layer = call.parameters
    if not isinstance(layer, Conv2dLayer | DepthwiseConv2dLayer | FullyConnectedLayer):
        return call, 0
    size = layer.weights.size
    kept = min(size, KEPT + size % 4)
    result = replace(layer.result, shift=np.full_like(layer.result.shift, number % 128))
    return replace(call, parameters=replace(layer, weights=layer.weights.ravel()[:kept], result=result)), size - kept


def _arena(model: Path, contents: flatbuffer.Contents) -> int | None:
    """Return the smallest arena of TensorFlow Lite Micro, if its interpreter is installed."""
    if not interpreters.tflm_available():
        return None
    return interpreters.tflm(model, np.zeros(contents.input.shape, np.int8)).smallest_arena


def _latency(model: Path, described: dict[str, Any]) -> float:
    """Return the longest that an inference may take on the Cortex-M4, in milliseconds."""
    shapes = replace(generated.shapes(described), network_only=True)
    inputs = np.random.default_rng(untrained.SEED).integers(-128, 128, (INPUTS, shapes.inputs), np.int8)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        c99.write(model, folder)
        flags = ("-O2", *shapes.flags, "-DKWS_EMULATED")
        elf = qemu.build(folder, [*shapes.sources, DRIVER], cores.MAIN_CORE, folder / "clips.elf", flags)
        done = qemu.run(elf, cores.MAIN_CORE, inputs.tobytes())
    return timing.estimate(cores.MAIN_CORE, round(float(np.mean(done.instructions)))).high
