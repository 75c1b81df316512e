"""What the benchmarks share: an experiment by its overrides, the machine in words, and fair timing."""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from kws_exp import config as configuration
from kws_exp import framework, start
from kws_exp.schema import Config


class Timed(NamedTuple):
    """Seconds of one call."""

    wall: float
    cores: float  # of processor time, over all threads of this process


def experiment(*overrides: str) -> Config:
    """Return a checked configuration, as ``python -m kws_exp`` makes of these overrides, with TensorFlow imported."""
    framework.load()
    configuration.initialize()
    config = configuration.from_hydra(configuration.compose(overrides))
    start.check(config)
    return config


def machine() -> str:
    """Describe the machine in a line."""
    framework.load()
    import numpy as np
    import tensorflow as tf

    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())
    flags = next((line for line in lines if line.startswith("flags")), "")
    vectors = next((name for name in ("avx512f", "avx2", "avx") if f" {name} " in flags), platform.machine())
    versions = f"Python {platform.python_version()}, TensorFlow {tf.__version__}, NumPy {np.__version__}"
    return f"{model} ({vectors}), {os.cpu_count()} cores, {platform.system()}, {versions}"


def rounds(ways: Mapping[str, Callable[[], object]], count: int, each: float = 0.3) -> Iterator[dict[str, Timed]]:
    """Time several ways in turn, ``count`` times, so that a noisy machine treats them alike.

    In each round a way is called for ``each`` seconds at least.
    """
    for way in ways.values():
        way()
    for _ in range(count):
        yield {name: _timed(way, each) for name, way in ways.items()}


def _timed(way: Callable[[], object], each: float) -> Timed:
    wall, cores, calls = time.perf_counter(), time.process_time(), 0
    while calls == 0 or time.perf_counter() - wall < each:
        way()
        calls += 1
    return Timed((time.perf_counter() - wall) / calls, (time.process_time() - cores) / calls)


def best(ways: Mapping[str, Callable[[], object]], count: int, each: float = 0.3) -> dict[str, Timed]:
    """Return the least of several rounds: what the machine can do."""
    return _over(rounds(ways, count, each), min)


def usual(ways: Mapping[str, Callable[[], object]], count: int) -> dict[str, Timed]:
    """Return the median of several rounds: what adds up, since no two ways are at their luckiest at once."""
    return _over(rounds(ways, count), statistics.median)


def _over(found: Iterable[dict[str, Timed]], statistic: Callable[[list[float]], float]) -> dict[str, Timed]:
    listed = list(found)
    return {name: Timed(*(statistic([one[name][at] for one in listed]) for at in (0, 1))) for name in listed[0]}


@contextlib.contextmanager
def peak() -> Iterator[list[float]]:
    """Watch this process; give the largest RssAnon seen, in MB of 1,000,000 bytes."""
    seen, ended = [_anonymous()], threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            seen[0] = max(seen[0], _anonymous())

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield seen
    finally:
        ended.set()
        watching.join()


def _anonymous() -> float:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024 / 1e6
