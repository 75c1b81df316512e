"""Compile C and run it on the machine at hand: the exported network over a batch of inputs.

The compiler is ``$CC``, else the first of cc, gcc and clang. Generated code is integer arithmetic alone, so its
bytes depend neither on the compiler nor on its flags.
"""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kws_exp.errors import KwsError

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic")
FAST = (*STRICT, "-O3")
NETWORK = ("kws_model.c", "kws_kernels.c")
BATCH = Path(__file__).with_name("kws_batch.c")
_MOST_PROCESSES, _WORTH_A_PROCESS = 8, 16  # inputs


def compiler() -> list[str] | None:
    """Return the command of the host's C compiler, or None if there is none."""
    named = shlex.split(os.environ.get("CC", ""))
    for command in [named] if named else [["cc"], ["gcc"], ["clang"]]:
        if shutil.which(command[0]):
            return command
    return None


def fast() -> tuple[str, ...]:
    """Return the flags of a program that runs here and nowhere else: ds_cnn takes half the time of :data:`FAST`."""
    return _fast(tuple(compiler() or ()))


@functools.cache
def _fast(command: tuple[str, ...]) -> tuple[str, ...]:
    flags = (*FAST, "-march=native")  # which not every compiler knows for every processor
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch, "empty.c").write_text("int kws_empty;\n", encoding="ascii")
        try:
            compile(Path(scratch), ["empty.c"], Path(scratch, "empty.o"), (*flags, "-c"), command)
        except KwsError:
            return FAST
    return flags


def compile(
    folder: Path,
    sources: Sequence[str | Path],
    output: Path,
    flags: Sequence[str] = FAST,
    command: Sequence[str] | None = None,
) -> Path:
    """Compile and link a program.

    Args:
        folder: Where the sources are, and their headers.
        sources: Their names in ``folder``, or full paths.
        output: The program to make.
        flags: The compiler's, before the sources; libraries and linker scripts may stand among them.
        command: The compiler, by default the host's; that of a device is given here.

    Returns:
        ``output``.

    Raises:
        KwsError: There is no compiler, or it refused; the message carries the first line that it complains with.
    """
    command = command or compiler()
    if command is None:
        raise KwsError("No C compiler was found: install one as cc, gcc or clang, or name it in the variable CC.")
    arguments = [*command, *flags, f"-I{folder}", "-o", str(output), *(str(folder / source) for source in sources)]
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, errors="replace")
    except OSError as error:
        raise KwsError(f"The C compiler {shlex.join(command)} does not start: {error}.") from error
    if done.returncode:
        complaints = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()
        raise KwsError(f"The C compiler {shlex.join(command)} failed: {(complaints or ['it printed no reason'])[0]}")
    return output


def run(folder: Path, inputs: NDArray[np.int8], flags: Sequence[str] | None = None) -> NDArray[np.int8]:
    """Compile the network in ``folder`` (:func:`kws_exp.c99.write`) and run every input through it.

    Args:
        folder: The exported network.
        inputs: int8 (clips, ...), each clip of the size of the network's input.
        flags: The compiler's, by default :func:`fast`.

    Returns:
        int8 (clips, classes).

    Raises:
        KwsError: It does not compile, or the program fails.
    """
    with tempfile.TemporaryDirectory() as scratch:
        program = compile(folder, [*NETWORK, BATCH], Path(scratch, "batch"), fast() if flags is None else flags)
        return feed(program, inputs)


def feed(program: Path, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    """Run inputs (clips, ...) through a program that turns each into as many bytes: (clips, bytes).

    The program reads one clip after the other from standard input, and writes its outputs in their order; many
    clips are shared out over processes.
    """
    parts = min(_MOST_PROCESSES, os.cpu_count() or 1, max(1, len(inputs) // _WORTH_A_PROCESS))
    with ThreadPoolExecutor(parts) as pool:
        outputs = pool.map(lambda part: _feed(program, part), np.array_split(inputs, parts))
        return np.concatenate(list(outputs))


def _feed(program: Path, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    done = subprocess.run([program], input=np.ascontiguousarray(inputs).tobytes(), capture_output=True)
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip() or "no reason given"
        raise KwsError(f"{program.name} ended with status {done.returncode}: {reason}")
    return np.frombuffer(done.stdout, np.int8).reshape(len(inputs), -1)
