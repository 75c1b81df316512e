"""What the user sees: messages and progress on the terminal, the same messages in the run's ``log.txt``.

On a terminal progress is one live line; into a file or a pipe it is plain lines, at most one every ten seconds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

LEVELS = ("debug", "info", "warning", "error")
PLAIN_WIDTH = 120
PLAIN_SECONDS = 10.0  # between progress lines where there is no terminal


@dataclass
class Watch:
    """The one way to the terminal and to the log; pass it to whatever has something to say."""

    verbosity: str = "info"
    console: Console = field(default_factory=lambda: _console())
    log: IO[str] | None = None

    def log_to(self, path: Path) -> None:
        """Write all further messages to ``path`` too, and show what our modules log."""
        self.log = path.open("a", encoding="utf-8", buffering=1)
        logger = logging.getLogger("kws_exp")
        logger.setLevel(logging.INFO)
        logger.handlers = [_Shown(self)]

    def close(self) -> None:
        """Close the log."""
        logging.getLogger("kws_exp").handlers = []
        if self.log:
            self.log.close()
            self.log = None

    def say(self, message: RenderableType, level: str = "info") -> None:
        """Print a line, or a table, if ``verbosity`` allows its level."""
        if LEVELS.index(level) < LEVELS.index(self.verbosity):
            return
        self.console.print(message, markup=False) if isinstance(message, str) else self.console.print(message)
        if self.log:
            Console(file=self.log, width=110, highlight=False, soft_wrap=True).print(message, markup=False)

    @contextmanager
    def progress(self) -> Iterator[ProgressLine]:
        """Give a progress line that can be updated until the block ends."""
        quiet = LEVELS.index(self.verbosity) > LEVELS.index("info")
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} {task.fields[note]}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=quiet or not self.console.is_terminal,
        )
        with bar:
            yield ProgressLine(self, bar)


def _console() -> Console:
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = PLAIN_WIDTH  # where rich would take 80
    return console


class _Shown(logging.Handler):
    """Shows log records as messages."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self.watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        self.watch.say(record.getMessage(), record.levelname.lower())


@dataclass
class ProgressLine:
    """A live line on a terminal, plain lines elsewhere."""

    watch: Watch
    bar: Progress
    task: TaskID | None = None
    stage: str = ""
    printed: float = field(default_factory=time.monotonic)

    def update(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Show that ``done`` of ``total`` units of a stage are ready; a new stage replaces the old one."""
        if self.task is None or stage != self.stage:
            if self.task is not None:
                self.bar.remove_task(self.task)
            self.task, self.stage = self.bar.add_task(stage, total=total, note=note), stage
        self.bar.update(self.task, completed=done, total=total, note=note)
        now = time.monotonic()
        if not self.watch.console.is_terminal and now - self.printed >= PLAIN_SECONDS:
            self.printed = now
            self.watch.say(f"{stage} {done:,}/{total:,} {note}".rstrip())
