"""``python tests/sweep/fatal.py ARGUMENTS``: kws_exp, whose parent dies as soon as it has told how a trial ended."""

from __future__ import annotations

import os
import signal
from unittest.mock import patch

from optuna.trial import Trial

from kws_exp.__main__ import main
from kws_exp.sweep import loop
from kws_exp.sweep.outcome import Outcome
from kws_exp.sweep.study import Study

tell = Study.tell


def tell_and_die(study: Study, trial: Trial, outcome: Outcome) -> None:
    """Do what comes before, and nothing of what comes after."""
    tell(study, trial, outcome)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    loop.FOLLOW_SECONDS = float("inf")  # a trial may begin and end between two looks
    with patch.object(Study, "tell", tell_and_die):
        main()
