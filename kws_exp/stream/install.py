"""An operating point into an export: its manifest, its C, and whatever tells of them.

Everything that comes of the manifest is made anew (:func:`kws_exp.device.write`), so that ``kws_settings.h``, the
Arduino library and the model card say the same, and ``python -m kws_exp.verify`` finds all equal. The surprising fact:
a shorter averaging window needs less RAM, so the program is linked anew for every core whose sizes are told.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kws_exp import __version__, device, run_folder
from kws_exp.c99 import qemu
from kws_exp.device import golden
from kws_exp.errors import KwsError
from kws_exp.export import manifest
from kws_exp.proof import cores, generated
from kws_exp.stream.events import OperatingPoint


def write(folder: Path, point: OperatingPoint, chosen: Mapping[str, Any]) -> None:
    """Put an operating point into an export folder; what is there stays as it is until all is ready.

    Args:
        folder: Holds a whole export.
        point: For the labels and the hop of this export.
        chosen: What the manifest says of the choice, as JSON has it.

    Raises:
        KwsError: The export is of another version, which might make other C, or the folder cannot be written to.
    """
    folder = folder.resolve()
    described = run_folder.read_json(folder / manifest.NAME)
    _check_version(folder, described)
    described |= {"detector": {**described["detector"], **point.settings()}, "operating_point": dict(chosen)}
    aside = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        shutil.copytree(folder, aside)
        _make(aside, described)
        _swap(folder, aside)
    except OSError as error:
        raise KwsError(f"{folder} must be a folder with room to write to, but fails ({error.strerror})") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _make(folder: Path, described: dict[str, Any]) -> None:
    """Make a copy of an export what its new manifest says."""
    vectors = folder / "golden" / golden.VECTORS
    if vectors.is_file():  # where nothing could be proved, there is no C either
        device.write(folder, {**described, "device": None}, golden.load(vectors))
    run_folder.write_json(folder / manifest.NAME, described)
    proved = described["device"]
    if proved and (folder / "c99").is_dir():
        proved |= {"cores": _sizes(folder, described, proved["cores"])}
        proof = run_folder.read_json(folder / "proof.json")
        proof["device"]["cores"] = proved["cores"]
        run_folder.write_json(folder / "proof.json", proof)
    manifest.add_device(folder, proved)


def _sizes(folder: Path, described: Mapping[str, Any], known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what is known of the cores, with the sizes of the new program; None where nothing here can link it."""
    shapes, sized = generated.shapes(described), []
    links = not [tool for tool in qemu.missing() if tool != qemu.EMULATOR]
    with tempfile.TemporaryDirectory() as scratch:
        for core in known:
            if core["flash"] and links:
                files: list[str | Path] = [*shapes.sources, cores.LISTEN]
                elf, flags = Path(scratch, core["name"]), ("-O2", *shapes.flags)
                program = qemu.build(folder / "c99", files, core["name"], elf, flags)
                sized.append({**core, **asdict(qemu.size(program))})
            else:  # of a core that failed they are 0
                sized.append({**core, "flash": core["flash"] and None, "ram": core["ram"] and None})
    return sized


def _swap(folder: Path, aside: Path) -> None:
    before = folder.with_name(f".{folder.name}.before")
    shutil.rmtree(before, ignore_errors=True)
    folder.rename(before)
    try:
        aside.rename(folder)
    except OSError:
        before.rename(folder)
        raise
    shutil.rmtree(before, ignore_errors=True)


def _check_version(folder: Path, described: Mapping[str, Any]) -> None:
    version = described["provenance"].get("versions", {}).get("kws-exp", __version__)
    if version != __version__:
        raise KwsError(
            f"an operating point is written by the kws-exp that exported, but {folder} is by {version} and this is "
            f"{__version__}: install kws-exp=={version}, or export again"
        )
