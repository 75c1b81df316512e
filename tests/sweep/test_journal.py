"""The journal: a last line that was cut short costs that line alone, and a write that fails costs nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.storages import JournalStorage
from optuna.trial import TrialState

from kws_exp.sweep.journal import Journal


def study(path: Path) -> optuna.Study:
    return optuna.create_study(study_name="one", storage=JournalStorage(Journal(str(path))), load_if_exists=True)


@given(cut=st.integers(1, 60))
def test_a_line_cut_short_is_forgotten_and_the_study_goes_on(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("journal") / "optuna.journal"
    first = study(path)
    first.tell(first.ask(), 0.5)
    whole = path.read_bytes()
    first.tell(first.ask(), 0.6)
    added = len(path.read_bytes()) - len(whole)
    path.write_bytes(path.read_bytes()[: len(whole) + max(0, added - cut)])
    again = study(path)
    again.tell(again.ask(), 0.7)
    values = [trial.value for trial in study(path).trials if trial.state == TrialState.COMPLETE]
    assert values[0] == 0.5 and values[-1] == 0.7


def test_a_write_that_fails_leaves_a_whole_journal(tmp_path: Path) -> None:
    """In a process that may not make files any larger, as on a disk without room."""
    path = tmp_path / "optuna.journal"
    first = study(path)
    first.tell(first.ask(), 0.5)
    code = f"""
import os, resource, signal
from pathlib import Path
from tests.sweep.test_journal import study
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
trial = study(Path({str(path)!r})).ask()
resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize({str(path)!r}) + 100,) * 2)
try:
    trial.set_user_attr("long", "x" * 1000)
except OSError as error:
    print("refused", error.errno)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("refused"), done.stdout + done.stderr
    assert path.read_bytes().endswith(b"\n")
    assert next(trial.state for trial in study(path).trials) == TrialState.COMPLETE
