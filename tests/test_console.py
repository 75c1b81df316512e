"""What is shown, where, and at which verbosity."""

import io
import logging
import time
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from kws_exp.console import Watch


def watch(verbosity: str = "info", terminal: bool = False) -> tuple[Watch, io.StringIO]:
    output = io.StringIO()
    shown = Console(file=output, force_terminal=terminal, width=100, highlight=False, soft_wrap=True)
    return Watch(verbosity, shown), output


@pytest.mark.parametrize(
    ("verbosity", "lines"),
    [("debug", ["d", "i", "w"]), ("info", ["i", "w"]), ("warning", ["w"]), ("error", [])],
)
def test_verbosity(verbosity: str, lines: list[str]) -> None:
    shown, output = watch(verbosity)
    for level in ("debug", "info", "warning"):
        shown.say(level[0], level)
    assert output.getvalue().split() == lines


def test_the_log_gets_messages_tables_and_log_records(tmp_path: Path) -> None:
    shown, output = watch()
    shown.log_to(tmp_path / "log.txt")
    shown.say("[yes] is no markup")
    table = Table("label")
    table.add_row("yes")
    shown.say(table)
    logging.getLogger("kws_exp.data.download").info("Unpacking")
    shown.close()
    logging.getLogger("kws_exp.data.download").info("after the end")
    log = (tmp_path / "log.txt").read_text()
    for text in ("[yes] is no markup", "│ yes", "Unpacking"):
        assert text in log
        assert text in output.getvalue()
    assert "after" not in log


def test_without_a_terminal_progress_is_plain_lines_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, output = watch()
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with shown.progress() as line:
        line.printed = 0.0
        for step in range(0, 101):
            now[0] = step * 0.5
            line.update("training", step, 100, "50 steps/s")
    lines = output.getvalue().splitlines()
    assert lines[0] == "training 20/100 50 steps/s"
    assert len(lines) == 5


def test_on_a_terminal_progress_is_one_live_line() -> None:
    shown, output = watch(terminal=True)
    with shown.progress() as line:
        line.update("decoding", 10, 20)
        line.update("training", 3, 20, "loss 0.5")
        line.bar.refresh()
    assert "loss 0.5" in output.getvalue()
    assert "training 3/20" not in output.getvalue().splitlines()
