"""What a run's report says of continuous audio, made of ``stream.json`` alone (:mod:`kws_exp.stream.stage`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kws_exp import run_folder
from kws_exp.markdown import code, table
from kws_exp.run_folder import RunFolder

FIGURE = "det.png"
HEAD = ("word", "said", "missed", "95 % interval", "false accepts an hour", "95 % interval", "latency, median")


def lines(folder: RunFolder) -> list[str]:
    """Return the lines of the section; none if the run was not evaluated on streams."""
    path = folder.path / run_folder.STREAM
    if not path.exists():
        return []
    found = run_folder.read_json(path)
    words = [*found["test_words"], {**found["test"], "word": None}]
    return [
        "## Continuous audio",
        "",
        f"Operating point, chosen on a validation stream of {found['settings']['minutes']:g} minutes: "
        f"{found['chosen']['sentence']}. On as long a test stream:",
        "",
        *table(HEAD, map(_row, words)),
        "",
        f"![false rejects against false accepts an hour](figures/{FIGURE})",
    ]


def _row(figures: Mapping[str, Any]) -> Sequence[str]:
    latency, missed = figures["latency"], figures["false_reject_rate"]
    accepts, interval = figures["false_accepts_per_hour"], figures["false_accepts_per_hour_interval"]
    return (
        code(figures["word"]) if figures["word"] else "all",
        f"{figures['utterances']:,}",
        "" if missed is None else f"{missed:.1%}",
        "" if missed is None else "{:.1%} to {:.1%}".format(*figures["false_reject_interval"]),
        "" if accepts is None else f"{accepts:.2f}",
        "" if interval is None else "{:.2f} to {:.2f}".format(*interval),
        f"{latency['median']:.2f} s" if latency else "",
    )
