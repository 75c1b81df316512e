"""Workers: processes that import TensorFlow once and run one trial after the other, each in a slot of its own.

A slot is loky's executor with one process, so that a process which crashes, or is killed for memory, takes no other's
trial with it; the slot then gets a new one. The surprising fact: a worker must notice by itself that its parent was
killed, or it would go on training what the next parent has begun again.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import signal
import sys
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from loky import ProcessPoolExecutor

from kws_exp.cpu import VARIABLE
from kws_exp.sweep import trial
from kws_exp.sweep.outcome import FAILED, Outcome
from kws_exp.sweep.trial import Job

WATCH_SECONDS = 0.5  # between looks at the parent
STOP_SECONDS = 15.0  # to finish a step and write a checkpoint


@dataclass
class Slot:
    """One worker and what it is at."""

    number: int
    threads: int
    log: Path
    executor: ProcessPoolExecutor | None = None
    future: Future[Outcome] | None = None
    pid: int | None = None
    since: float = 0.0

    def start(self) -> None:
        """Have a process that is ready, or about to be."""
        if self.executor is None:
            settings = (self.threads, str(self.log), os.getpid())
            self.executor = ProcessPoolExecutor(1, initializer=_begin, initargs=settings)
            self._ready: Future[int] = self.executor.submit(os.getpid)

    def submit(self, job: Job) -> None:
        """Give it a trial."""
        self.start()
        assert self.executor is not None
        self.future, self.since = self.executor.submit(trial.run, job), time.monotonic()

    @property
    def busy(self) -> bool:
        """Whether it has a trial."""
        return self.future is not None

    def done(self, limit: float | None) -> Outcome | None:
        """Return the outcome of its trial once it has one; a trial past ``limit`` seconds ends with the process."""
        assert self.future is not None
        seconds = time.monotonic() - self.since
        if self.future.done():
            outcome = self._result(seconds)
        elif limit is not None and seconds > limit:
            reason = f"it took longer than sweeper.trial_timeout={limit:g} s; its last lines are in {self.log}"
            outcome = Outcome(FAILED, reason=reason, seconds=seconds)
            self.kill()
        else:
            return None
        self.future = None
        return outcome

    def _result(self, seconds: float) -> Outcome:
        assert self.future is not None
        try:
            return self.future.result()
        except BaseException as error:  # of loky, when the process is gone
            self.kill()
            return Outcome(FAILED, reason=f"its process ended ({_ending(error)}); see {self.log}", seconds=seconds)

    def stop(self) -> None:
        """Ask the process to end its trial at the next step, with a checkpoint."""
        with contextlib.suppress(Exception):
            os.kill(self._ready.result(timeout=0), signal.SIGTERM)

    def kill(self) -> None:
        """End the process and all that it has started."""
        if self.executor is not None:
            self.executor.shutdown(wait=True, kill_workers=True)
            self.executor = None


def _ending(error: BaseException) -> str:
    """Return what loky knows of a process's end, such as "SIGKILL(-9)", in a few words."""
    text = str(error)
    if "SIGKILL" in text:
        return "killed, as the kernel does when memory runs out"
    found = text.partition("{")[2].partition("}")[0] or text.strip().partition("\n")[0]
    return f"{type(error).__name__}: {found}"


def _begin(threads: int, log: str, parent: int) -> None:
    """Prepare a worker: its share of the cores, its output in a file, its own ears for Ctrl-C."""
    os.environ[VARIABLE] = str(threads)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if hasattr(os, "setpgrp"):
        os.setpgrp()  # a terminal's Ctrl-C goes to the parent alone, which asks us
    file = Path(log).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115 (open as long as the process lives)
    for stream in (1, 2):
        os.dup2(file.fileno(), stream)
    sys.stdout = sys.stderr = file
    faulthandler.enable(file)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _prepare()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)


def _prepare() -> None:
    """Import what every trial needs, while the parent reads the data."""
    from hydra import initialize_config_dir

    from kws_exp import config as configuration
    from kws_exp import framework

    configuration.register()
    initialize_config_dir(str(configuration.CONFIG_ROOT / "conf"), version_base="1.3")
    framework.load()
    import optuna  # noqa: F401

    from kws_exp import run  # noqa: F401

    gc.collect()
    gc.freeze()  # Keras collects garbage between two models: 0.3 s over all that TensorFlow is, 0.02 without
