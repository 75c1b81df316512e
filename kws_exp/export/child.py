"""Run one of this project's modules in a Python process of its own, so that its crash is a message here.

TensorFlow's converter and the TensorFlow Lite Micro interpreter are C++: what they cannot handle ends in a
segmentation fault more often than in an exception.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from kws_exp.errors import KwsError

# TensorFlow's own log and Python's warnings and traceback frames bury the line that says what happened.
_NOISE = re.compile(r"^(WARNING|[IW]0000|  |Traceback|.*Warning: |\s*$)")


def run(module: str, *arguments: str | Path, what: str) -> None:
    """Run ``python -m module arguments``.

    Args:
        module: Full name of a module of this package.
        arguments: Its command line.
        what: Subject of the error message, as in "TensorFlow's converter".

    Raises:
        KwsError: The process failed; the message carries the end of its stderr.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, env=_environment(), capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise KwsError(f"{what} {_ending(done.returncode)}: {_tail(done.stderr)}")


def _environment() -> dict[str, str]:
    root = str(Path(__file__).parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        "CUDA_VISIBLE_DEVICES": "-1",  # a GPU adds seconds of start-up and another rounding
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "OPENBLAS_NUM_THREADS": "1",  # Python warns of a fork (kws_exp.export.tflm) beside threads
        "TF_USE_LEGACY_KERAS": "1",  # spares the import of Keras: TensorFlow's then takes 1.9 s, not 4.0 s
    }


def _ending(code: int) -> str:
    if code >= 0:
        return f"failed (exit status {code})"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"crashed ({name})"


def _tail(stderr: str, lines: int = 8) -> str:
    told = [line.strip() for line in stderr.splitlines() if not _NOISE.match(line)]
    return "; ".join(told[-lines:])[-1500:] or "it printed no reason"
