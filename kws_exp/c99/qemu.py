"""Compile C for Cortex-M cores and run it in QEMU, with the number of instructions that it took.

A program that is run here reads its input, writes its output and reports its counts through
``runtime/qemu/semihost.h``; main()'s value is its status. It needs Debian's gcc-arm-none-eabi,
libnewlib-arm-none-eabi and qemu-system-arm, or the same of elsewhere. The surprising fact: QEMU has no cycles to
count, but its clock can be made to tick with the instructions, and then a timer counts them (``counter.h``).
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kws_exp.c99 import host
from kws_exp.errors import KwsError

COMPILER, EMULATOR, SIZE = "arm-none-eabi-gcc", "qemu-system-arm", "arm-none-eabi-size"
RUNTIME = Path(__file__).parent / "runtime" / "qemu"
SOURCES = (RUNTIME / "startup.c", RUNTIME / "semihost.c")
FLAGS = (*host.STRICT, "-mthumb", "-ffunction-sections", "-fdata-sections", f"-I{RUNTIME}")
LINK = ("-nostartfiles", "--specs=nano.specs", "-Wl,--gc-sections", "-T", str(RUNTIME / "link.ld"))
FAILED = {98: "could not use one of its files", 99: "ran into a fault"}  # semihost.c, startup.c


@dataclass(frozen=True)
class Core:
    """A board of QEMU's: its memories are (origin, length) in bytes."""

    machine: str
    flags: tuple[str, ...]
    mhz: int  # of SysTick: it ticks every 1000 / mhz instructions
    flash: tuple[int, int] = (0x0, 4 << 20)
    ram: tuple[int, int] = (0x20000000, 4 << 20)


CORES = {
    # QEMU has no Cortex-M0+; a Cortex-M3 executes its instructions as they are
    "cortex-m0plus": Core("mps2-an385", ("-mcpu=cortex-m0plus",), 25),
    "cortex-m3": Core("mps2-an385", ("-mcpu=cortex-m3",), 25),
    "cortex-m4": Core("mps2-an386", ("-mcpu=cortex-m4",), 25),
    "cortex-m7": Core("mps2-an500", ("-mcpu=cortex-m7",), 25),
    "cortex-m33": Core("mps2-an505", ("-mcpu=cortex-m33",), 20, (0x10000000, 4 << 20), (0x38000000, 4 << 20)),
    # hard: for its vector registers; it starts at 0, where the memory is too small for the largest networks
    "cortex-m55": Core(
        "mps3-an547",
        ("-mcpu=cortex-m55", "-mfloat-abi=hard", "-Wl,--defsym=VECTORS_ORIGIN=0x0"),
        32,
        (0x01000000, 2 << 20),
        (0x20000000, 512 << 10),
    ),
}


@dataclass(frozen=True)
class Run:
    """What a program did."""

    status: int  # main()'s value
    output: bytes
    instructions: tuple[int, ...]  # of each measurement, to within a tick of 32 to 50


@dataclass(frozen=True)
class Size:
    """Bytes of a linked program; the stack is not counted."""

    flash: int
    ram: int


def missing() -> list[str]:
    """Return the tools that are not there."""
    tools = [tool for tool in (COMPILER, EMULATOR) if not shutil.which(tool)]
    return tools if COMPILER in tools or _has_library() else [*tools, "newlib for arm-none-eabi"]


def available() -> bool:
    """Return whether programs can be built and run."""
    return not missing()


def _has_library() -> bool:
    found = subprocess.run([COMPILER, "-print-file-name=nano.specs"], capture_output=True, text=True, check=True)
    return Path(found.stdout.strip()).is_absolute()


def build(
    folder: Path, sources: Sequence[str | Path], core: str, output: Path, flags: Sequence[str] = ("-O2",)
) -> Path:
    """Compile and link a program for a core.

    Args:
        folder: Where the sources are, and their headers.
        sources: Their names in ``folder``, or full paths, also of what :func:`objects` made; what starts them is added.
        core: A key of :data:`CORES`.
        output: The ELF file to make.
        flags: Further flags of the compiler.

    Returns:
        ``output``.

    Raises:
        KwsError: It does not compile.
    """
    board = CORES[core]
    memories = {"FLASH": board.flash, "RAM": board.ram}
    places = [
        f"-Wl,--defsym={name}_{what}={value}"
        for name, memory in memories.items()
        for what, value in zip(("ORIGIN", "LENGTH"), memory, strict=True)
    ]
    every = [*FLAGS, *board.flags, *flags, *LINK, *places]
    return host.compile(folder, [*sources, *SOURCES], output, every, [COMPILER])


def objects(
    folder: Path, sources: Sequence[str | Path], core: str, scratch: Path, flags: Sequence[str] = ("-O2",)
) -> list[Path]:
    """Compile what several programs for a core share, into ``scratch``; arguments and errors as of :func:`build`."""
    every = [*FLAGS, *CORES[core].flags, *flags, "-c"]
    return [
        host.compile(folder, [source], scratch.resolve() / f"{core}-{Path(source).stem}.o", every, [COMPILER])
        for source in sources
    ]


def run(elf: Path, core: str, data: bytes = b"", timeout: float = 600) -> Run:
    """Run a program to its end.

    Args:
        elf: Of :func:`build`.
        core: The core that it was built for.
        data: Its input.
        timeout: Seconds.

    Raises:
        KwsError: QEMU does not run it, or it ends by a fault.
    """
    command = [EMULATOR, "-M", CORES[core].machine, "-kernel", str(elf.resolve()), "-icount", "shift=0"]
    command += ["-display", "none", "-monitor", "none", "-serial", "none"]
    command += ["-semihosting-config", "enable=on,target=native"]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "input.bin").write_bytes(data)
        try:
            done = subprocess.run(
                command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout
            )
        except subprocess.TimeoutExpired as error:
            raise KwsError(f"{elf.name} did not end within {timeout:g} s on an emulated {core}.") from error
        if done.returncode in FAILED or (done.returncode and done.stderr):
            reason = FAILED.get(done.returncode) or done.stderr.strip().splitlines()[-1]
            raise KwsError(f"{elf.name} on an emulated {core}: {reason}")
        ticks = np.frombuffer(_content(Path(folder, "counts.bin")), "<u4").astype(np.int64)
        instructions = tuple((ticks * 1000 // CORES[core].mhz).tolist())
        return Run(done.returncode, _content(Path(folder, "output.bin")), instructions)


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def size(elf: Path) -> Size:
    """Return what a program takes: code, constants and initial values in flash, variables in RAM."""
    done = subprocess.run([SIZE, str(elf)], capture_output=True, text=True, check=True)
    text, data, bss = map(int, done.stdout.splitlines()[1].split()[:3])
    return Size(flash=text + data, ram=data + bss)
