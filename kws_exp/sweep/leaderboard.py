"""What a sweep came to, as Markdown and as CSV.

The one place to get a sweep's table from: :class:`Row`, :class:`Counts`, :func:`rows` and :func:`counts` come
from ``kws_exp.sweep.ranking``.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from csv import writer

from kws_exp.markdown import code, table
from kws_exp.sweep.ranking import COMPLETE, FAIL, PRUNED, REJECTED, Counts, Row, counts, keys, rows, varied, winner
from kws_exp.sweep.wording import duration, setting, settings, short_names, shown, summary, value_of

__all__ = ["Counts", "Row", "counts", "csv", "markdown", "rows", "verdict", "winner"]

STOPPED_SHOWN = 30  # pruned and rejected trials in the report; all of them are in the CSV


def markdown(
    title: str,
    command: str,
    rows: Sequence[Row],
    counts: Counts,
    objectives: Mapping[str, str],
    seconds: float,
    figures: Sequence[str] = (),
) -> str:
    """Return ``report.md``; ``figures`` are names relative to it, PNG files shown and others linked."""
    sections = [
        [f"# {title}", "", verdict(rows, counts, objectives), "", "```sh", command, "```"],
        _table(rows, objectives),
        ["## Trials", "", f"{summary(counts)}; {duration(seconds)} of trials in all."],
        _figures(figures),
        _stopped([row for row in rows if row.state in (PRUNED, REJECTED)]),
        _failed([row for row in rows if row.state == FAIL]),
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def csv(rows: Sequence[Row], objectives: Mapping[str, str]) -> str:
    """Return every row with full names and all digits; the deviations' columns end in ``/deviation``."""
    figures, params = keys(row.figures for row in rows), keys(row.params for row in rows)
    first = next(iter(objectives))
    head = ["trial", "state", "feasible", "front", *objectives, *(f"{name}/deviation" for name in objectives)]
    head += [f"{first}/low", f"{first}/high", *figures, *params, "seconds", "note"]
    empty = [None] * len(objectives)
    text = io.StringIO()
    out = writer(text, lineterminator="\n")
    out.writerow(head)
    for row in rows:
        line: list[object] = [row.number, row.state, row.feasible, row.front]
        line += [*(row.values or empty), *(row.deviation or empty), *(row.interval or (None, None))]
        line += [*map(row.figures.get, figures), *map(row.params.get, params), row.seconds, row.note]
        out.writerow(line)
    return text.getvalue()


def verdict(rows: Sequence[Row], counts: Counts, objectives: Mapping[str, str]) -> str:
    """Return the one sentence that says what won."""
    best = winner(rows)
    if best is None:
        kept = "None of the complete trials keeps within the budget" if counts.complete else "No trial is complete"
        return f"{kept}."
    name, names = next(iter(objectives)), varied(rows)
    values = ", ".join(f"{code(key)} {value_of(best, place, key)}" for place, key in enumerate(objectives))
    which = f"trial {best.number}" + (f" ({', '.join(map(code, settings(best.params, names)))})" if names else "")
    if len(objectives) == 1:
        interval = f", 95 % interval {_interval(best, name)}" if best.interval else ""
        return f"**{values}** is the best, from {which}{interval}."
    front = [row for row in rows if row.front]
    feasible = sum(row.feasible for row in rows if row.state == COMPLETE)
    return (
        f"{len(front)} of {feasible} trials are on the Pareto front: nothing found is better in one objective without "
        f"being worse in another. First on it by {code(name)} is {which} with **{values}**."
    )


def _table(rows: Sequence[Row], objectives: Mapping[str, str]) -> list[str]:
    complete = [row for row in rows if row.state == COMPLETE]
    if not complete:
        return []
    columns = {"trial": [f"**{row.number}**" if row.front else f"{row.number}" for row in complete]}
    for place, name in enumerate(objectives):
        columns[code(name)] = [value_of(row, place, name) for row in complete]
        if place == 0 and any(row.interval for row in complete):
            columns["95 % interval"] = [_interval(row, name) for row in complete]
    for name in keys(row.figures for row in complete):
        columns[code(name)] = [shown(name, row.figures.get(name)) for row in complete]
    columns |= _settings(complete, varied(rows))
    if any(row.seconds for row in complete):
        columns["time"] = [duration(row.seconds) if row.seconds else "-" for row in complete]
    if any(row.note for row in complete):
        columns["note"] = [_plain(row.note) for row in complete]
    lines = ["## Leaderboard", "", *table(list(columns), zip(*columns.values(), strict=True))]
    return [*lines, "", *_legend(complete, objectives)]


def _legend(complete: Sequence[Row], objectives: Mapping[str, str]) -> list[str]:
    said = ["In bold: the Pareto front."] if len(objectives) > 1 else []
    said += ["Mean ± standard deviation over the seeds."] if any(row.deviation for row in complete) else []
    said.append(f"Best first by {code(next(iter(objectives)))}.")
    return [" ".join(said)]


def _settings(rows: Sequence[Row], names: Sequence[str]) -> dict[str, list[str]]:
    """Return one column for the parameters: a sweep has up to twenty, a page has no room for as many columns."""
    if not names:
        return {}
    if len(names) == 1:
        [(name, short)] = short_names(names).items()
        return {short: [_code(setting(row.params[name])) if name in row.params else "-" for row in rows]}
    return {"settings": [" ".join(map(_code, settings(row.params, names))) for row in rows]}


def _figures(names: Sequence[str]) -> list[str]:
    lines = []
    for name in names:
        title = re.sub(r"[_/]+", " ", name.removeprefix("figures/").rpartition(".")[0])
        lines.append(f"![{title}]({name})" if name.endswith(".png") else f"[{title}, interactive]({name})")
    return ["## Figures", "", "\n\n".join(lines)] if lines else []


def _stopped(stopped: Sequence[Row]) -> list[str]:
    if not stopped:
        return []
    names = varied(stopped)
    columns = {"trial": [str(row.number) for row in stopped], **_settings(stopped, names)}
    columns["why"] = [_plain(row.note) or "-" for row in stopped]
    lines = table(list(columns), list(zip(*columns.values(), strict=True))[:STOPPED_SHOWN])
    more = len(stopped) - STOPPED_SHOWN
    return ["## Pruned or over budget", "", *lines, *(["", f"And {more:,} more."] if more > 0 else [])]


def _failed(failed: Sequence[Row]) -> list[str]:
    lines = []
    for row in failed:
        given = ", ".join(map(_code, settings(row.params, list(row.params))))
        lines.append(f"- trial {row.number}{f' ({given})' if given else ''}: {_plain(row.note)}")
    return ["## Failed", "", *lines] if lines else []


def _interval(row: Row, name: str) -> str:
    return " to ".join(shown(name, bound) for bound in row.interval) if row.interval else "-"


def _code(text: str) -> str:
    """Return text as code that may stand in a table."""
    return code(text.replace("`", "'").replace("|", "\\|"))


def _plain(text: str) -> str:
    """Return text on one line, with what Markdown or HTML would take for markup made harmless."""
    return re.sub(r"([\\`*<>|\[\]])", r"\\\1", " ".join(text.split()))
