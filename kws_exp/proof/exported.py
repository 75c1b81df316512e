"""The proof repeated on an exported folder alone: its golden vectors through every file that computes.

Used by ``python -m kws_exp.verify``. The golden vectors say what is right, so each part is compared with them: the
front end in Python, the model file in TensorFlow Lite Micro, and the C, here and on emulated cores. Random inputs then
go through the model file and the C, since sixteen clips do not reach every weight.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_exp import __version__, device
from kws_exp.c99 import host
from kws_exp.device import golden
from kws_exp.device.golden import Golden
from kws_exp.device.program import front_end
from kws_exp.errors import KwsError
from kws_exp.export import interpreters
from kws_exp.export.quantize import quantize
from kws_exp.features import micro
from kws_exp.proof import generated
from kws_exp.proof.finding import DIFFERENT, EQUAL, Finding

RANDOM_INPUTS = 500


def check(folder: Path, manifest: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the findings one after the other."""
    name = f"golden/{golden.VECTORS}"
    try:
        vectors = golden.load(folder / name)
    except (OSError, ValueError) as error:
        yield Finding(name, f"cannot be read: {error}")
        return
    yield _sources(folder, manifest, vectors)
    yield from _front_end(manifest, vectors)
    yield from _network(folder, manifest, vectors)
    yield from _program(folder, manifest, vectors)


def _sources(folder: Path, manifest: Mapping[str, Any], vectors: Golden) -> Finding:
    """Make the device's files anew, from the model, the manifest and the vectors, and compare."""
    what = "files made anew from model_int8.tflite, manifest.json and the vectors"
    version = manifest["provenance"].get("versions", {}).get("kws-exp", __version__)
    if version != __version__:
        return Finding(what, f"not run: the export is by kws-exp {version}, this is {__version__}")
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copyfile(folder / "model_int8.tflite", Path(scratch, "model_int8.tflite"))
        try:
            device.write(Path(scratch), {**manifest, "device": None}, vectors)
        except (KwsError, ValueError) as error:
            return Finding(what, f"failed: {error}")
        made = [path.relative_to(scratch) for path in sorted(Path(scratch).rglob("*")) if path.is_file()]
        different = [
            place.as_posix()
            for place in made
            if not (folder / place).is_file() or (folder / place).read_bytes() != Path(scratch, place).read_bytes()
        ]
    return Finding(what, f"{', '.join(different)} differ" if different else EQUAL, f"{len(made)} files")


def _front_end(manifest: Mapping[str, Any], vectors: Golden) -> Iterator[Finding]:
    if vectors.pcm is None or vectors.features is None:
        yield Finding("features", "not run: the device does not compute them")
        return
    settings, port = front_end(manifest), manifest["input"]
    features = micro.pcm_features(settings)(vectors.pcm)
    yield _equal("features of the golden clips, in Python", features, vectors.features)
    levels = micro.quantize(features, settings).reshape(len(features), -1)
    yield _equal("the network's input, in Python", levels, vectors.inputs)
    real = micro.dequantize(levels, settings)
    yield _equal("the same by the model's scale", quantize(real, port["scale"], port["zero_point"]), levels)


def _network(folder: Path, manifest: Mapping[str, Any], vectors: Golden) -> Iterator[Finding]:
    model, c = "model_int8.tflite in TensorFlow Lite Micro", "c99/kws_model.c on random inputs"
    if not interpreters.tflm_available():
        yield Finding(model, "not run: tflite-micro is not installed")
        return
    count = len(vectors.inputs)
    drawn = np.random.default_rng(0).integers(-128, 128, (RANDOM_INPUTS, vectors.inputs.shape[1]), np.int8)
    inputs = np.concatenate([vectors.inputs, drawn])
    try:
        shaped = inputs.reshape(len(inputs), *manifest["input"]["shape"][1:])
        right = interpreters.tflm(folder / "model_int8.tflite", shaped).outputs
    except KwsError as error:
        yield Finding(model, f"failed: {error}")
        return
    yield _equal(model, right[:count], vectors.outputs)
    if host.compiler() and (folder / "c99").is_dir():
        try:
            yield _equal(c, host.run(folder / "c99", inputs), right)
        except KwsError as error:
            yield Finding(c, f"failed: {error}")


def _program(folder: Path, manifest: Mapping[str, Any], vectors: Golden) -> Iterator[Finding]:
    cores = [core["name"] for core in (manifest.get("device") or {}).get("cores", [])]
    pcm = [] if vectors.pcm is None else [vectors.pcm]
    expected = generated.Expected(pcm, vectors.inputs, vectors.outputs)
    found = generated.compare(folder, manifest, expected, cores, len(vectors.inputs))
    sizes = ", ".join(f"{stage} {count:,} bytes" for stage, count in found.compared.items())
    yield Finding(f"c99 on this machine, {found.scope}", found.host, sizes)
    for core in found.cores:
        yield Finding(f"c99 on an emulated {core.name}", core.status, f"{core.clips} clips")
    if not found.cores:
        yield Finding("c99 on emulated cores", found.emulation if cores else "not run: nor were they in the run")


def _equal(what: str, given: NDArray[Any], right: NDArray[Any]) -> Finding:
    different = int(np.count_nonzero(given.reshape(right.shape) != right))
    told = f"{right.size:,} values"
    return Finding(what, DIFFERENT, f"{different:,} of {told}") if different else Finding(what, EQUAL, told)
