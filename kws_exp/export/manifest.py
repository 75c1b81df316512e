"""``manifest.json``: all that someone with the exported folder alone must know, and a program can read.

The proof comes after the export: ``accuracy``, ``arena`` and ``device`` are null until :func:`add_proof` and
:func:`add_device` fill them in, ``operating_point`` until ``python -m kws_exp.stream choose --write``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kws_exp import run_folder, schema
from kws_exp.export import flatbuffer

NAME = "manifest.json"
SCHEMA_VERSION = 1
_NOT_LISTED = (NAME, "proof.json")  # written last, so without a hash


@dataclass(frozen=True)
class Port:
    """Input or output of the int8 model: ``real = (value - zero_point) * scale``."""

    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int


@dataclass(frozen=True)
class Arena:
    """Working memory of TensorFlow Lite Micro, in bytes."""

    host_bisect: int
    ceiling: int
    default_total: int
    note: str = (
        "host_bisect is the smallest arena found on a 64-bit host; ceiling is host_bisect * 1.15 + 1024, "
        "rounded up to 16: an upper bound for 32-bit devices and their kernels, not a measurement"
    )


@dataclass(frozen=True)
class File:
    """A file of the export."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The content of ``manifest.json``, in its order."""

    schema_version: int
    name: str
    labels: tuple[str, ...]
    sample_rate: int  # Hz
    clip_samples: int
    features: Mapping[str, object]
    detector: Mapping[str, object]  # how scores become detections
    input: Port
    output: Port
    operators: tuple[flatbuffer.Operator, ...]
    parameters: int
    macs: int
    arena: Arena | None
    accuracy: Mapping[str, float] | None
    device: Mapping[str, object] | None  # kws_exp.proof.generated
    operating_point: Mapping[str, object] | None  # how the detector's settings were chosen (kws_exp.stream.install)
    files: Mapping[str, File]
    provenance: Mapping[str, object]


def make(
    folder: Path,
    contents: flatbuffer.Contents,
    config: schema.Config,
    parameters: int,
    provenance: Mapping[str, object],
) -> Manifest:
    """Describe the files in ``folder``, whose int8 model holds ``contents``."""
    described = Manifest(
        schema_version=SCHEMA_VERSION,
        name=config.name or config.model.name,
        labels=config.labels,
        sample_rate=schema.SAMPLE_RATE,
        clip_samples=schema.CLIP_SAMPLES,
        features=asdict(config.features),
        detector=asdict(config.export.detector),
        input=_port(contents.input),
        output=_port(contents.output),
        operators=contents.operators,
        parameters=parameters,
        macs=contents.macs,
        arena=None,
        accuracy=None,
        device=None,
        operating_point=None,
        files=files(folder),
        provenance=dict(provenance),
    )
    if described.output.scale != 1 / 256 or described.output.zero_point != -128:
        raise ValueError(f"scores must have scale 1/256 and zero point -128: {described.output}")
    return described


def write(folder: Path, described: Manifest) -> None:
    """Write ``folder/manifest.json``."""
    run_folder.write_json(folder / NAME, asdict(described))


def add_proof(folder: Path, accuracy: Mapping[str, float], arena: Arena | None) -> dict[str, Any]:
    """Fill in what only running the model could tell; return the whole content."""
    content: dict[str, Any] = run_folder.read_json(folder / NAME)
    content["accuracy"] = dict(accuracy)
    content["arena"] = asdict(arena) if arena else None
    run_folder.write_json(folder / NAME, content)
    return content


def add_device(folder: Path, device: Mapping[str, Any]) -> None:
    """Fill in what the generated C was seen to do, and the hashes of all files that are there by now."""
    content: dict[str, Any] = run_folder.read_json(folder / NAME)
    content["device"] = dict(device)
    content["files"] = {name: asdict(file) for name, file in files(folder).items()}
    run_folder.write_json(folder / NAME, content)


def arena(smallest: int, allocated: int) -> Arena:
    """State the arena found on the host, and the ceiling for a device.

    CMSIS-NN's scratch buffers have taken an arena of a device to 7 % over the host's, hence 15 % and 1 kB.
    """
    ceiling = -(-(smallest * 115 + 102_400) // 1600) * 16
    return Arena(host_bisect=smallest, ceiling=ceiling, default_total=allocated)


def _port(tensor: flatbuffer.Tensor) -> Port:
    if tensor.dtype != "INT8" or tensor.scale is None or tensor.zero_point is None:
        raise ValueError(f"{tensor} is not quantised to int8 as a whole")
    return Port(tensor.shape, "int8", tensor.scale, tensor.zero_point)


def files(folder: Path) -> dict[str, File]:
    """Return size and hash of every file in an export, by its path there."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in _NOT_LISTED)
    return {path.relative_to(folder).as_posix(): _file(path) for path in paths}


def _file(path: Path) -> File:
    content = path.read_bytes()
    return File(len(content), hashlib.sha256(content).hexdigest())
