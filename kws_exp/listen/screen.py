"""What the terminal shows: a bar for each label, with a mark at its threshold, and a line for each word that fires.

Where there is no terminal only the lines are printed. The surprising fact: silence and unknown fire too, which is what
lets a word fire again, but only keywords get a line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from kws_exp.listen.detector import Moment
from kws_exp.stream.events import NEVER, Detection, keywords

WIDTH = 40  # characters of a bar
LEVELS = 256  # of a score
REDRAWS = 10  # a second


def show(moments: Iterable[Moment], labels: Sequence[str], thresholds: Sequence[int], console: Console) -> int:
    """Show moments until they end; return how many keywords fired."""
    words, fired = keywords(labels), 0
    with Live(console=console, refresh_per_second=REDRAWS, transient=True) as live:
        for moment in moments:
            if console.is_terminal:
                live.update(bars(moment, labels, thresholds))
            if moment.detection and moment.detection.word in words:
                fired += 1
                console.print(line(moment.detection))
    return fired


def line(detection: Detection) -> Text:
    """Return the line of a detection: time in seconds, word, score from 0 to 1."""
    return Text.assemble(
        f"{detection.seconds:8.2f} s  ", (detection.word, "bold"), f"  {detection.score / LEVELS:.3f}", no_wrap=True
    )


def bars(moment: Moment, labels: Sequence[str], thresholds: Sequence[int]) -> Table:
    """Return a row for each label: its name, the bar of its averaged score, the number."""
    table = Table(
        box=None, show_header=False, pad_edge=False, caption=f"{moment.seconds:.1f} s", caption_justify="left"
    )
    for label, score, threshold in zip(labels, moment.averages.tolist(), thresholds, strict=True):
        table.add_row(label, _bar(score, threshold), f"{score / LEVELS:.2f}")
    return table


def _bar(score: int, threshold: int) -> Text:
    length, mark = score * WIDTH // LEVELS, threshold * WIDTH // LEVELS
    cells = ["█" if cell < length else "·" for cell in range(WIDTH)]
    if threshold < NEVER:
        cells[mark] = "┃"
    bar = Text("".join(cells))
    bar.stylize("green" if score > threshold else "blue", 0, length)
    bar.stylize("dim", length)
    if threshold < NEVER:
        bar.stylize("bold yellow", mark, mark + 1)
    return bar
