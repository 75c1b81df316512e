"""What an architecture costs on the device, before it is trained: ``footprint.of(config, cache)``.

Here is the memory of it; :mod:`~kws_exp.footprint.untrained` makes the network, :mod:`~kws_exp.footprint.linked` its
program.

A sweep asks this of every trial, so that one which cannot fit its budget costs a second, and the second time a
millisecond. The network is exported and linked as in a run, only untrained, so the figures are those of the run's
manifest. The surprising fact: training moves two of them. ``latency_ms`` is off by up to a percent. ``flash`` is the
most that there can be: the table of the softmax shrinks from 1,024 bytes to 996, 500, 252 ... when the logits of the
calibration clips come to span 16, 32, 64 ..., and arrays of shifts that happen to be equal are stored once.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import shutil
import subprocess
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from kws_exp import run_folder, schema
from kws_exp.c99 import qemu
from kws_exp.errors import KwsError

FOLDER = "footprints"  # in the cache
_PACKAGE = Path(__file__).parent.parent
# whatever makes or measures the device's files: a change in one of them makes the cached answers void
_MAKERS = ("c99", "device", "export", "features", "models", "proof", "footprint")
_SUFFIXES = (".py", ".c", ".h", ".ld")
_LIBRARIES = ("tensorflow", "keras", "numpy", "tflite-micro")


@dataclass(frozen=True)
class Footprint:
    """The cost of an architecture; sizes are in bytes."""

    parameters: int
    macs: int  # multiply-accumulates of an inference
    int8_bytes: int  # of model_int8.tflite
    flash: int  # of the C program on the Cortex-M4; the network alone where the device cannot compute the features
    ram: int  # likewise, without the stack
    arena: int | None  # of TensorFlow Lite Micro; None where its interpreter is not installed
    latency_ms: float | None  # of an inference on the Cortex-M4, upper end; None if not asked for, or without QEMU


def of(config: schema.Config, cache: Path, latency: bool = False) -> Footprint:
    """Return what the network of ``config`` will cost, from ``cache / "footprints"`` if it was found out before.

    Args:
        config: The experiment; its settings are valid.
        cache: Kept between commands; processes may share it.
        latency: Emulate an inference, which takes QEMU from tenths of a second to several seconds.

    Raises:
        KwsError: There is no compiler for the device, the settings make no network, or the device cannot run it.
    """
    path = cache / FOLDER / f"{key(config, latency)}.json"
    found = _read(path)
    if found is None:
        from kws_exp.footprint import linked

        found = Footprint(**linked.measure(config, latency and emulator()))
        with contextlib.suppress(OSError):  # a cache that cannot be written costs time alone
            path.parent.mkdir(parents=True, exist_ok=True)
            run_folder.write_json(path, asdict(found))
    return found


def check() -> None:
    """See whether sizes can be found out here; a sweep asks before its first trial.

    Raises:
        KwsError: There is no compiler for the device.
    """
    _compiler(shutil.which(qemu.COMPILER))


def key(config: schema.Config, latency: bool = False) -> str:
    """Return the digest, 32 hex digits, of all that decides a footprint.

    Of the model's settings those named dropout are left out: it acts in training only.

    Raises:
        KwsError: There is no compiler for the device.
    """
    network = {name: value for name, value in asdict(config.model).items() if not name.endswith("dropout")}
    parts = {
        "model": network,
        "features": asdict(config.features),
        "labels": config.labels,  # the program holds their texts
        "detector": asdict(config.export.detector),
        "latency": latency and emulator(),
        "compiler": _compiler(shutil.which(qemu.COMPILER)),
        "libraries": _libraries(),
        "makers": _makers(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _read(path: Path) -> Footprint | None:
    """Return a cached answer; None if there is none, or something else."""
    try:
        found = Footprint(**run_folder.read_json(path))
    except (OSError, ValueError, TypeError):
        return None
    optional = (found.arena, found.latency_ms)
    sizes = (found.parameters, found.macs, found.int8_bytes, found.flash, found.ram)
    known = all(isinstance(value, int) for value in sizes)
    return found if known and all(value is None or isinstance(value, int | float) for value in optional) else None


def emulator() -> bool:
    """Whether QEMU is here, without which there is no latency."""
    return shutil.which(qemu.EMULATOR) is not None


@functools.cache
def _compiler(path: str | None) -> str:
    """Return the first line of what the compiler at ``path`` says of itself."""
    missing = [tool for tool in qemu.missing() if tool != qemu.EMULATOR]
    if path is None or missing:
        raise KwsError(
            "what a network costs on a device is found by linking its program for a Cortex-M4, but "
            f"{' and '.join(missing)} cannot be found: install the Debian packages gcc-arm-none-eabi and "
            "libnewlib-arm-none-eabi"
        )
    return subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.partition("\n")[0]


@functools.cache
def _libraries() -> dict[str, str | None]:
    versions: dict[str, str | None] = dict.fromkeys(_LIBRARIES)
    for name in _LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


@functools.cache
def _makers() -> str:
    digest = hashlib.sha256()
    for maker in _MAKERS:
        for path in sorted([_PACKAGE / maker, *(_PACKAGE / maker).rglob("*")]):
            if path.suffix in _SUFFIXES:
                digest.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
