"""``arduino/NAME.zip``: an Arduino library by revision 2.2 of its specification, complete in itself.

The specification: arduino.github.io/arduino-cli, "Library specification". The surprising fact: every file of an archive
carries a time, so the same library would be other bytes a second later; here all files are of 1980, where zip's time
begins.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from kws_exp.device.build import TEMPLATES, Facts, Template
from kws_exp.device.program import Program

_EPOCH = (1980, 1, 1, 0, 0, 0)
_UMBRELLA = """\
// All that the library has.
#pragma once

#include "{header}"
"""


def write(program: Program, facts: Facts, folder: Path) -> None:
    """Write ``folder/arduino/STEM.zip`` from the sources in ``folder/c99``."""
    (folder / "arduino").mkdir(exist_ok=True)
    (folder / "arduino" / f"{facts.stem}.zip").write_bytes(_archive(_files(program, facts, folder)))


def _files(program: Program, facts: Facts, folder: Path) -> dict[str, str]:
    header, example = ("kws.h", "KeywordSpotting") if program.detector else ("kws_model.h", "NetworkAlone")
    values = {"stem": facts.stem, "title": facts.title}
    files = {
        "library.properties": _render("library.properties", values),
        f"examples/{example}/{example}.ino": _render(f"{example}.ino", values),
        f"src/{facts.stem}.h": _UMBRELLA.format(header=header),
    }
    sources = (*program.sources, *program.headers)
    files |= {f"src/{name}": (folder / "c99" / name).read_text(encoding="utf-8") for name in sources}
    return {f"{facts.stem}/{name}": text for name, text in files.items()}


def _render(name: str, values: Mapping[str, str]) -> str:
    return Template((TEMPLATES / "arduino" / name).read_text(encoding="utf-8")).substitute(values)


def _archive(files: Mapping[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            entry.create_system = 3  # Unix, wherever this runs
            archive.writestr(entry, text.encode())
    return content.getvalue()
