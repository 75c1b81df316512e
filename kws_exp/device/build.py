"""Ready to build: Makefile and CMake for the host and Cortex-M, QEMU, an ESP-IDF component and a Zephyr module.

All of them compile the one copy of the sources, ``c99/``, by relative paths, so the folder may be moved as a whole and
may lie under a path with spaces. The surprising fact: the exported folder itself is the Zephyr module, for Zephyr looks
for ``zephyr/module.yml`` in a module's root.
"""

from __future__ import annotations

import json
import shutil
import string
from dataclasses import dataclass
from pathlib import Path

from kws_exp.c99 import qemu
from kws_exp.device.program import Program

TEMPLATES = Path(__file__).with_name("templates")
_PARTS = {"golden": ("selftest.h", "selftest.c", "main.c"), "qemu": ("main.c",), "demo": ("demo.c",)}
_CODE_BYTES = 64 << 10  # of flash that the self-test's program takes beside the weights and the vectors, at most


@dataclass(frozen=True)
class Facts:
    """What the texts around the program tell of it."""

    stem: str  # name of the libraries, from kws_exp.device.names.stem
    title: str  # a line that names the keywords
    vectors: int
    vector_bytes: int  # of flash, each
    model_bytes: int


class Template(string.Template):
    """``@@name`` is replaced: make, CMake and C leave no single character for it."""

    delimiter = "@@"


def write(program: Program, facts: Facts, folder: Path) -> None:
    """Write everything that builds ``program`` into ``folder``.

    Args:
        program: What ``folder/c99`` holds.
        facts: Names and sizes.
        folder: The export.
    """
    for part in ("golden", "qemu", *(["demo"] if program.detector else [])):
        (folder / part).mkdir(exist_ok=True)
        for name in _PARTS[part]:
            shutil.copyfile(TEMPLATES / part / name, folder / part / name)
    for path in (*qemu.RUNTIME.glob("*.[ch]"), qemu.RUNTIME / "link.ld"):
        shutil.copyfile(path, folder / "qemu" / path.name)
    values = {
        "stem": facts.stem,
        "title": json.dumps(facts.title, ensure_ascii=False),
        "option": facts.stem.upper(),
        "cores": " ".join(_short(core) for core in qemu.CORES),
        "core_variables": "\n".join(_core(core, board, facts) for core, board in qemu.CORES.items()),
        "detector": str(int(program.detector)),
        "headers": " ".join(program.headers),
        "sources": " ".join(program.sources),
    }
    for template in sorted(TEMPLATES.glob("projects/**/*")):
        if template.is_file():
            place = template.relative_to(TEMPLATES / "projects").as_posix().replace("STEM", facts.stem)
            render(template, folder / place, values)


def render(template: Path, path: Path, values: dict[str, str]) -> None:
    """Write a template with its values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = Template(template.read_text(encoding="utf-8")).substitute(values)
    path.write_text(text, encoding="utf-8", newline="\n")


def _short(core: str) -> str:
    return core.removeprefix("cortex-")


def _core(core: str, board: qemu.Core, facts: Facts) -> str:
    """Return the variables of a core for make."""
    names = ("FLASH_ORIGIN", "FLASH_LENGTH", "RAM_ORIGIN", "RAM_LENGTH")
    values = zip(names, (*board.flash, *board.ram), strict=True)
    places = [f"-Wl,--defsym={name}={value}" for name, value in values]
    linking = [flag for flag in board.flags if flag.startswith("-Wl,")]
    short = _short(core)
    return "\n".join(
        (
            f"FLAGS_{short} = {' '.join(flag for flag in board.flags if flag not in linking)}",
            f"MACHINE_{short} = {board.machine}",
            f"MHZ_{short} = {board.mhz}",
            f"GOLDEN_{short} = {_vectors_that_fit(board, facts)}",
            f"PLACES_{short} = {' '.join((*linking, *places))}",
        )
    )


def _vectors_that_fit(board: qemu.Core, facts: Facts) -> int:
    room = board.flash[1] - _CODE_BYTES - facts.model_bytes
    return max(1, min(facts.vectors, room // facts.vector_bytes))
