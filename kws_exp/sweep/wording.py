"""How a sweep's names and figures are written: short names, percents, durations."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kws_exp.sweep.ranking import Counts, Row


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Map dotted names to their last part where no other ends in it, else to themselves."""
    names = list(names)
    ends = Counter(name.rpartition(".")[2] for name in names)
    return {name: end if ends[end := name.rpartition(".")[2]] == 1 else name for name in names}


def settings(params: Mapping[str, object], names: Sequence[str]) -> list[str]:
    """Return the parameters among ``names`` as ``name=value``, with names short where all of ``names`` allow it."""
    short = short_names(names)
    return [f"{short[name]}={setting(params[name])}" for name in names if name in params]


def setting(value: object) -> str:
    """Return a parameter's value as one would type it, with about three digits."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.6g}"
    return str(value)


def value_of(row: Row, place: int, name: str) -> str:
    """Return an objective's value, with its deviation where there were several seeds."""
    if not row.values:
        return "-"
    value = shown(name, row.values[place])
    if not row.deviation:
        return value
    spread = row.deviation[place]
    return f"{value} ± {shown(name, spread) if is_share(name) or spread >= 100 else f'{spread:.2g}'}"


def shown(name: str, value: float | None) -> str:
    """Return a figure as people read it: shares in percent, about four digits of other numbers."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return str(value)
    if is_share(name):
        return f"{value:.1%}"
    whole = value == round(value) or abs(value) >= 1000
    return f"{value:,.0f}" if whole and abs(value) < 1e15 else f"{value:#.4g}".rstrip(".")


def is_share(name: str) -> bool:
    """Whether a figure is a part of one and is shown in percent."""
    return "accuracy" in name


def duration(seconds: float) -> str:
    """Return a time such as ``1 h 05 min``, ``3 min 20 s`` or ``12 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def summary(counts: Counts) -> str:
    """Return the counts as words, such as ``41 complete, 12 pruned, 2 failed``."""
    words = [f"{counts.complete:,} complete"]
    named = {
        "pruned": counts.pruned,
        "over budget and not trained": counts.rejected,
        "failed": counts.failed,
        "interrupted and tried again": counts.interrupted,
        "running": counts.running,
        "waiting": counts.waiting,
    }
    return ", ".join(words + [f"{number:,} {name}" for name, number in named.items() if number])
