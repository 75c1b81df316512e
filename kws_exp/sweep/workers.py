"""Workers: processes that import TensorFlow once and run one trial after the other, each in a slot of its own.

A slot is an executor of the standard library with one process, so that a process which crashes, or is killed for
memory, takes no other's trial with it; the slot then gets a new one. The surprising fact: a worker must notice by
itself that its parent was killed, or it would go on training what the next parent has begun again.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from kws_exp.cpu import VARIABLE
from kws_exp.sweep import trial
from kws_exp.sweep.outcome import FAILED, Outcome, told
from kws_exp.sweep.trial import Job

WATCH_SECONDS = 0.5  # between looks at the parent
KILLED = -9  # exit code after SIGKILL
START_SECONDS = 300.0  # to import TensorFlow: 5 on an idle machine, 60 on one that swaps
JOIN_SECONDS = 20.0  # for a process whose pipe has closed; on a busy machine the kernel took more than 2 to end one
STOP_SECONDS = 15.0  # to finish a step and write a checkpoint


@dataclass
class Slot:
    """One worker and what it is at."""

    number: int
    threads: int
    log: Path
    config_dirs: Sequence[str] = ()
    executor: ProcessPoolExecutor | None = None
    process: BaseProcess | None = None
    ready: Future[int] | None = None  # once TensorFlow is imported
    future: Future[Outcome] | None = None
    since: float = 0.0
    asked: float = 0.0  # when the process was asked for

    def start(self) -> None:
        """Have a process that is ready, or about to be."""
        if self.executor is None:
            settings = (self.threads, str(self.log), os.getpid(), self.config_dirs)
            context = multiprocessing.get_context("spawn")
            self.executor = ProcessPoolExecutor(1, context, _begin, settings)
            before = multiprocessing.active_children()
            self.ready = self.executor.submit(os.getpid)  # what makes it start the process
            started = (child for child in multiprocessing.active_children() if child not in before)
            self.process = next(started, None)
            self.asked = time.monotonic()

    def submit(self, job: Job) -> None:
        """Give it a trial; a process that has died since its last one is replaced."""
        for _ in range(2):
            self.start()
            assert self.executor is not None
            try:
                self.future, self.since = self.executor.submit(trial.run, job), time.monotonic()
                return
            except BrokenProcessPool:
                self.kill()
        raise RuntimeError(f"no worker process can be started; see {self.log}")

    @property
    def busy(self) -> bool:
        """Whether it has a trial."""
        return self.future is not None

    def done(self, limit: float | None) -> Outcome | None:
        """Return the outcome of its trial once it has one; a trial past ``limit`` seconds ends with the process."""
        assert self.future is not None and self.ready is not None
        if not self.ready.done():
            self.since = time.monotonic()
        seconds = time.monotonic() - self.since
        if self.future.done():
            outcome = self._result(self.future, seconds)
        elif not self.ready.done() and time.monotonic() - self.asked > START_SECONDS:
            reason = f"its process did not start within {START_SECONDS:g} s; see {self.log}"
            outcome = Outcome(FAILED, reason=reason, seconds=seconds)
            self.kill()
        elif limit is not None and seconds > limit:
            reason = f"it took longer than sweeper.trial_timeout={limit:g} s; its last lines are in {self.log}"
            outcome = Outcome(FAILED, reason=reason, seconds=seconds)
            self.kill()
        else:
            return None
        self.future = None
        return outcome

    def _result(self, future: Future[Outcome], seconds: float) -> Outcome:
        try:
            return future.result()
        except BrokenProcessPool:
            ending = _ending(self.process)
            self.kill()
            return Outcome(FAILED, reason=f"its process {ending}; see {self.log}", seconds=seconds)
        except Exception as error:  # such as an outcome that could not be sent
            return Outcome(FAILED, reason=f"{told(error)}; see {self.log}", seconds=seconds)

    def stop(self) -> None:
        """Ask the process to end its trial at the next step, with a checkpoint."""
        if self.process and self.process.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End the process and all that it has started."""
        executor, process = self.executor, self.process
        self.executor = self.process = None
        if process is not None and process.pid:
            with contextlib.suppress(ProcessLookupError, AttributeError):  # Windows has no groups
                os.killpg(process.pid, signal.SIGKILL)  # its group, if it has come as far as to lead one
            with contextlib.suppress(ValueError):
                process.kill()
        if executor is not None:
            executor.shutdown(wait=True, cancel_futures=True)


def _ending(process: BaseProcess | None) -> str:
    """Return how a process ended, in a few words."""
    if process is not None:
        process.join(JOIN_SECONDS)
    exitcode = process.exitcode if process else None
    if exitcode == KILLED:
        return "was killed, as the kernel does when memory runs out"
    if exitcode is not None and exitcode < 0:
        return f"crashed ({signal.Signals(-exitcode).name})"
    return "does not answer" if exitcode is None else f"ended with status {exitcode}"


def _begin(threads: int, log: str, parent: int, config_dirs: Sequence[str]) -> None:
    """Prepare a worker: its share of the cores, its output in a file, its own ears for Ctrl-C."""
    os.environ[VARIABLE] = str(threads)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # else the first worker takes all of a GPU's memory
    if hasattr(os, "setpgrp"):
        os.setpgrp()  # a terminal's Ctrl-C goes to the parent alone, which asks us
    file = Path(log).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115 (open as long as the process lives)
    for stream in (1, 2):
        os.dup2(file.fileno(), stream)
    sys.stdout = sys.stderr = file
    faulthandler.enable(file)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _prepare(config_dirs)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)


def _prepare(config_dirs: Sequence[str] = ()) -> None:
    """Import what every trial needs, while the parent reads the data."""
    from kws_exp import config as configuration
    from kws_exp import framework

    configuration.initialize(config_dirs)
    framework.load()
    import optuna  # noqa: F401

    from kws_exp import run  # noqa: F401

    gc.collect()
    gc.freeze()  # Keras collects garbage between two models: 0.3 s over all that TensorFlow is, 0.02 without
