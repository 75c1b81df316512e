"""``python -m kws_exp words=[yes,no,left]``: the command line.

Hydra composes, ``kws_exp.config`` types, ``kws_exp.validate`` checks, ``kws_exp.run`` works. Exit status: 0,
2 for a mistake of the user (one sentence, no traceback), 130 after Ctrl-C. TensorFlow is imported only once
all settings are known to be good, so that help and errors answer at once.
"""

from __future__ import annotations

import io
import os
import sys
import time
from typing import TYPE_CHECKING

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from kws_exp import budget, start, usage
from kws_exp import config as configuration
from kws_exp.config import wording
from kws_exp.errors import KwsError, complain
from kws_exp.validate import check_single

if TYPE_CHECKING:
    from kws_exp.sweep.outcome import Outcome

INTERRUPTED = 130  # what a shell reports after Ctrl-C
WANTS_TRACEBACK = os.environ.get("HYDRA_FULL_ERROR") == "1"


@hydra.main(version_base="1.3", config_path=str(configuration.CONFIG_ROOT / "conf"), config_name="config")
def task(composed: configuration.Composed) -> float | Outcome | None:
    """Check one composed configuration and run it; return its validation accuracy, or how a sweep's trial ended."""
    hydra_config = HydraConfig.get()
    since = time.monotonic() if hydra_config.mode == RunMode.MULTIRUN else budget.PROCESS_START
    try:
        config, sweeper = configuration.both(composed)
        if sweeper.trial is not None and sweeper.study is not None:  # a job that a launcher runs for a sweep
            from kws_exp.sweep import remote

            return remote.job(config, sweeper)
        check_single(sweeper)
        started = start.begin(config, list(hydra_config.overrides.task))
        from kws_exp import run

        return run.run(started, since=since).get("accuracy")
    except KwsError as error:
        if hydra_config.mode == RunMode.MULTIRUN:
            raise  # Hydra names the job and goes on with the others
        sys.exit(complain(str(error)))


def main() -> None:
    """Run the command line; the entry point of the ``kws-exp`` script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a word that the console cannot show must not end a run
    os.environ["HYDRA_FULL_ERROR"] = "1"  # makes Hydra raise instead of printing, so that we word the message
    if {"--help", "-h"} & set(sys.argv[1:]):
        print(usage.text(configuration.CONFIG_ROOT, wording.GROUPS))
        return
    try:
        configuration.register()
        configuration.register_experiment(sys.argv[1:])
        task()
    except KwsError as error:
        sys.exit(complain(str(error)))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except configuration.COMPOSITION_ERRORS as error:
        if WANTS_TRACEBACK or not wording.is_composition_error(error):
            raise
        sys.exit(complain(wording.explain(error)))


if __name__ == "__main__":
    main()
