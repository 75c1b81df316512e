"""``python -m kws_exp words=[yes,no,left]``: the command line.

Hydra composes, ``kws_exp.config`` types, ``kws_exp.validate`` checks, ``kws_exp.run`` works. Exit status: 0,
2 for a mistake of the user (one sentence, no traceback), 130 after Ctrl-C. TensorFlow is imported only once
all settings are known to be good, so that help and errors answer at once.
"""

from __future__ import annotations

import io
import os
import sys
from dataclasses import fields
from typing import TYPE_CHECKING

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from kws_exp import config as configuration
from kws_exp import start, usage
from kws_exp.errors import KwsError, complain
from kws_exp.schema import Sweeper

if TYPE_CHECKING:
    from kws_exp.sweep.outcome import Outcome

INTERRUPTED = 130  # what a shell reports after Ctrl-C
SWEEPER = "hydra_plugins.kws_optuna.KwsOptunaSweeper"
WANTS_TRACEBACK = os.environ.get("HYDRA_FULL_ERROR") == "1"


@hydra.main(version_base="1.3", config_path=str(configuration.CONFIG_ROOT / "conf"), config_name="config")
def task(composed: configuration.Composed) -> float | Outcome | None:
    """Check one composed configuration and run it; return its validation accuracy, or how a sweep's trial ended."""
    hydra_config = HydraConfig.get()
    try:
        config, sweeper = configuration.both(composed)
        ours = hydra_config.mode == RunMode.MULTIRUN and hydra_config.sweeper._target_ == SWEEPER
        if ours and sweeper.trial is not None:  # a job that a launcher runs for a sweep
            from kws_exp.sweep import launch

            return launch.job(config, sweeper)
        _check_single(sweeper)
        started = start.begin(config, list(hydra_config.overrides.task))
        from kws_exp import run

        return run.run(started).get("accuracy")
    except KwsError as error:
        if hydra_config.mode == RunMode.MULTIRUN:
            raise  # Hydra names the job and goes on with the others
        sys.exit(complain(str(error)))


def _check_single(sweeper: Sweeper) -> None:
    """Refuse settings of a sweep in a run that is no part of one."""
    defaults = Sweeper()
    given = (item.name for item in fields(Sweeper) if getattr(sweeper, item.name) != getattr(defaults, item.name))
    name = next(given, None)
    if name == "trial":
        raise KwsError(f"sweeper.trial={sweeper.trial} is set by a sweep, for its jobs: leave it out")
    if name is not None:
        value = getattr(sweeper, name)
        shown = f"={value}" if isinstance(value, int | float) else ""
        raise KwsError(
            f"sweeper.{name}{shown} is for sweeps, and this is a single run: add sweeps=tune or another of sweeps/, or "
            "--multirun hydra/sweeper=kws_optuna, or leave it out"
        )


def main() -> None:
    """Run the command line; the entry point of the ``kws-exp`` script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a word that the console cannot show must not end a run
    os.environ["HYDRA_FULL_ERROR"] = "1"  # makes Hydra raise instead of printing, so that we word the message
    if {"--help", "-h"} & set(sys.argv[1:]):
        print(usage.text(configuration.CONFIG_ROOT, configuration.GROUPS))
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
        if WANTS_TRACEBACK or not configuration.is_composition_error(error):
            raise
        sys.exit(complain(configuration.explain(error)))


if __name__ == "__main__":
    main()
