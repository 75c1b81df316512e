"""What the commands of this package print: progress on standard error, figures as a table on standard output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kws_exp.console import ProgressLine
    from kws_exp.proof.finding import Finding
    from kws_exp.stream.match import Figures
    from kws_exp.stream.scoring import Scored

_HEAD = (
    *("word", "said", "hit", "missed", "95 %"),
    *("false accepts", "per hour", "95 %", "wrong", "twice", "latency", "95 %"),
)


@contextmanager
def progress() -> Iterator[ProgressLine]:
    """Give a progress line on standard error: what is printed may be read by a program."""
    from rich.console import Console

    from kws_exp.console import Watch

    with Watch(console=Console(stderr=True, soft_wrap=True)).progress() as line:
        yield line


def show(scored: Scored) -> None:
    """Print what was found, as a table and four sentences."""
    matching = scored.matching
    print_table([*matching.per_word(), matching.figures()])
    count, length = len(scored.sources), f"{matching.hours:.3g} h"
    counted = f"a detection counts until {scored.tolerance:g} s after its word"
    print(f"{count} recording{'s' * (count != 1)}, {length}; {counted}")
    shares = scored.statistics.percentages()
    if shares:
        told = ", ".join(f"{share:.1f} % {name.replace('_', ' ')}" for name, share in shares.items())
        print(f"the classic's detector and rule (test_streaming_accuracy): {told}")
    found = scored.difference
    print(
        f"stream against clips of their own: {found.steps:.2f} of 256 steps in the network's inputs, another label on "
        f"top in {found.top:.1%} of {found.runs:,} runs"
    )
    print(finding(scored.firmware))


def finding(found: Finding) -> str:
    """Return the line on a check."""
    return f"{found.what}: {found.status}{f' ({found.detail})' if found.detail else ''}"


def print_table(rows: Sequence[Figures]) -> None:
    """Print figures, a row each."""
    from rich.table import Table

    from kws_exp.console import Watch

    table = Table(box=None, pad_edge=False)
    for number, head in enumerate(_HEAD):
        table.add_column(head, justify="right" if number else "left")
    for row in rows:
        table.add_row(*_cells(row))
    Watch().say(table)


def _cells(found: Figures) -> Iterator[str]:
    from kws_exp.stream.scoring import with_intervals

    full = with_intervals(found)
    yield found.word or "all"
    yield str(found.utterances)
    yield str(found.hits)
    yield _percent(found.false_reject_rate)
    yield " to ".join(map(_percent, full["false_reject_interval"] or ())) or "-"
    yield str(found.false_accepts)
    yield "-" if found.false_accepts_per_hour is None else f"{found.false_accepts_per_hour:.2f}"
    yield " to ".join(f"{rate:.2f}" for rate in full["false_accepts_per_hour_interval"] or ()) or "-"
    yield str(found.wrong_words)
    yield str(found.duplicates)
    yield "-" if found.latency is None else f"{found.latency.median:.2f} s"
    yield "-" if found.latency is None else f"{found.latency.percentile_95:.2f} s"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
