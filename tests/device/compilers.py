"""Run compilers and what they make."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

STRICT = ("-Wall", "-Wextra", "-Werror", "-pedantic", "-O1")
C99 = ("gcc", "-std=c99", *STRICT)
CPP11 = ("g++", "-std=c++11", *STRICT)


def needs(*tools: str) -> pytest.MarkDecorator:
    missing = [tool for tool in tools if not shutil.which(tool)]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def run(folder: Path, *command: str | Path, data: bytes = b"", status: int | None = 0) -> str:
    """Run a command; return what it prints, complaints included."""
    done = subprocess.run(command, cwd=folder, input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    printed = done.stdout.decode(errors="replace")
    assert status is None or done.returncode == status, printed
    return printed


def program(folder: Path, sources: Sequence[str], *flags: str, compiler: Sequence[str] = C99) -> Path:
    run(folder, *compiler, *flags, *sources, "-o", "program")
    return folder / "program"
