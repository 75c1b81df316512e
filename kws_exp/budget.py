"""Where a run's wall time goes: one line at its end, and metrics, so that whatever grows slower is seen.

The parts are those of ``kws_exp.stages``, kept in ``run.json`` and summed over the lives of a resumed run, less what a
killed process had not written. Imports begin with the process and hold TensorFlow's; tracking is waiting for the
server, at the start and at the end. What is left out is the interpreter's own end, after the last line.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

WORK = "training"  # what the machine's time is for
PARTS = (
    *("imports", "data", "start", "features", WORK, "evaluation"),
    *("export", "proof", "listening", "report", "tracking"),
)
# time.monotonic() at the start of the process: until here it has only computed, so its processor time is the wall's
PROCESS_START = time.monotonic() - time.process_time()


def total(seconds: Mapping[str, float]) -> float:
    """Return the seconds of all parts."""
    return sum(seconds.values())


def not_training(seconds: Mapping[str, float]) -> float:
    """Return the seconds of all parts but training."""
    return total(seconds) - seconds.get(WORK, 0.0)


def line(seconds: Mapping[str, float]) -> str:
    """Return the budget, as in ``52.1 s: training 38.2, all else 13.9 (imports 5.1, data 0.2, proof 8.6)``."""
    parts = [name for name in PARTS if name in seconds] + [name for name in seconds if name not in PARTS]
    rest = ", ".join(f"{name} {seconds[name]:.1f}" for name in parts if name != WORK)
    told = f"{total(seconds):.1f} s: {WORK} {seconds.get(WORK, 0.0):.1f}, all else {not_training(seconds):.1f}"
    return f"{told} ({rest})" if rest else told


def metrics(seconds: Mapping[str, float]) -> dict[str, float]:
    """Return the budget as metrics: ``seconds/imports`` and so on, ``seconds/total``, ``seconds/not_training``."""
    if not seconds:
        return {}
    sums = {"total": total(seconds), "not_training": not_training(seconds)}
    return {f"seconds/{name}": value for name, value in {**seconds, **sums}.items()}


@contextmanager
def stage(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Add the wall time of a block to a part."""
    began = time.monotonic()
    try:
        yield
    finally:
        seconds[name] = seconds.get(name, 0.0) + time.monotonic() - began
