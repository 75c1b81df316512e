"""The parent of a ``--multirun``: a folder like a run's whose content is the comparison of its children.

Its ``multirun.json`` marks it; ``jobs.jsonl`` has a line for each job that failed. :func:`compare` writes
``report.md``, ``comparison.csv`` and ``figures/comparison.png``, so that the one row that the server's list
shows for the whole group (children are folded away) already has the answer.
"""

from __future__ import annotations

import csv
import io
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kws_exp import figures, run_folder
from kws_exp.run_folder import RunFolder, RunRecord
from kws_exp.track import metrics

MARK, JOBS = "multirun.json", "jobs.jsonl"
COLUMNS = {  # of the comparison: metric -> heading
    "test/accuracy": "test accuracy",
    "test/accuracy_low": "95 % from",
    "test/accuracy_high": "to",
    "test/accuracy_int8_tflm": "on TFLM",
    "export/int8_bytes": "int8 bytes",
    "export/arena_bytes": "arena bytes",
    "export/parameters": "parameters",
    "export/macs": "MACs",
    "seconds/training": "training s",
}
SHARES = {heading for key, heading in COLUMNS.items() if key.startswith("test/")}  # shown as percentages


@dataclass(frozen=True)
class Child:
    """One run of the group; ``label`` is what it alone has: the overrides in which the runs differ."""

    record: RunRecord
    label: str
    metrics: dict[str, float]


def is_parent(folder: RunFolder) -> bool:
    """Whether a folder is that of a group."""
    return (folder.path / MARK).exists()


def children(folder: RunFolder) -> list[Child]:
    """Return the runs of a group, best test accuracy first; those without one last, in order of time."""
    parent_id = folder.record().tracking_run_id
    runs = Path(folder.path, run_folder.read_json(folder.path / MARK)["runs"])
    found = [(run, record) for run, record in run_folder.find_all(runs) if record.parent_run_id == parent_id][::-1]
    common = set.intersection(*(set(record.overrides) for _, record in found)) if found else set()
    listed = [Child(record, _label(record, common), metrics.of(run)) for run, record in found]
    return sorted(listed, key=lambda child: -child.metrics.get("test/accuracy", -1.0))


def best(folder: RunFolder) -> dict[str, float]:
    """Return the test scores of the best child, for the group's own row in the list of runs."""
    ranked = children(folder)
    scores = ranked[0].metrics if ranked else {}
    return {key: value for key, value in scores.items() if key.startswith(("test/", "export/"))}


def status(folder: RunFolder) -> str:
    """Return FINISHED if every run and job did, else how the first that did not ended."""
    ended = [child.record.status for child in children(folder)]
    ended += [run_folder.FAILED for _ in run_folder.read_lines(folder.path / JOBS)]
    if not ended:
        return run_folder.FAILED
    return next((state for state in ended if state != run_folder.FINISHED), run_folder.FINISHED)


def table(folder: RunFolder) -> dict[str, Any]:
    """Return the comparison as columns and rows of values."""
    listed = children(folder)
    used = [key for key in COLUMNS if any(key in child.metrics for child in listed)]
    rows = [
        [child.label, child.record.status, *(child.metrics.get(key) for key in used), child.record.tracking_run_id]
        for child in listed
    ]
    return {"columns": ["run", "status", *(COLUMNS[key] for key in used), "run id"], "data": rows}


def compare(folder: RunFolder) -> None:
    """Write the comparison into the group's folder."""
    compared = table(folder)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([compared["columns"], *compared["data"]])
    run_folder.write_text(folder.path / "comparison.csv", text.getvalue())
    runs = [_compared(child) for child in children(folder) if "test/accuracy" in child.metrics]
    if runs:
        figures.save(figures.comparison(runs, folder.record().name), folder.figures / "comparison.png")
    run_folder.write_text(folder.path / "report.md", report(folder))


def report(folder: RunFolder) -> str:
    """Return the comparison as Markdown."""
    record, compared = folder.record(), table(folder)
    shown = compared["columns"][:-1]
    lines = [f"# {record.name}", "", f"`python -m kws_exp --multirun {shlex.join(record.overrides)}`", ""]
    lines += [f"| {' | '.join(shown)} |", f"|{'---|' * len(shown)}"]
    lines += [f"| {' | '.join(map(_cell, shown, row[:-1]))} |" for row in compared["data"]]
    if (folder.figures / "comparison.png").exists():
        lines += ["", "![test accuracy, size and parameters of each run](figures/comparison.png)"]
    failed = run_folder.read_lines(folder.path / JOBS)
    if failed:
        lines += ["", "## Jobs that failed", ""]
        lines += [f"- `{' '.join(job['overrides'])}`: {job['error']}" for job in failed]
    return "\n".join(lines) + "\n"


def _label(record: RunRecord, common: set[str]) -> str:
    return " ".join(item for item in record.overrides if item not in common) or record.name


def _compared(child: Child) -> figures.Compared:
    found = child.metrics
    size, parameters = found.get("export/int8_bytes"), found.get("export/parameters")
    return figures.Compared(
        child.label,
        found["test/accuracy"],
        (found["test/accuracy_low"], found["test/accuracy_high"]),
        None if size is None else int(size),
        None if parameters is None else int(parameters),
    )


def _cell(column: str, value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.1%}" if column in SHARES else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
