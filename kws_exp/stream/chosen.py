"""A chosen operating point on disk, and in words.

    operating_point.json  the point, its figures, those of the quarters held out with the bound that they show, and the
                          points that miss fewer words than any with as few false accepts
    tradeoff.npz          every point that was tried: kws_exp.stream.choose.Choice.tradeoff
    det.json, det.png     a common threshold of all words swept around the point

The surprising fact: the points of ``operating_point.json`` with other numbers of false accepts are as good as found on
the way; for another limit, choose again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kws_exp import run_folder
from kws_exp.data import TESTING, VALIDATION
from kws_exp.errors import KwsError
from kws_exp.proof.finding import Finding
from kws_exp.stream import firmware, scoring
from kws_exp.stream.choose import Choice
from kws_exp.stream.detect import detect
from kws_exp.stream.events import OperatingPoint, Stream
from kws_exp.stream.scores import Progress, silent
from kws_exp.stream.sources import Source

FOLDER = "operating_point"
_BRIEF = (
    *("sentence", "max_false_accepts_per_hour", "hours", "tolerance_s", "figures", "held_out", "upper_per_hour"),
    "recordings",
)


def refuse_testing(found: Sequence[Source]) -> None:
    """Refuse a composed stream of the testing partition.

    Raises:
        KwsError: There is one.
    """
    for source in found:
        if source.partition == TESTING:
            raise KwsError(
                "an operating point is chosen on validation recordings, so that the test stays one, but "
                f"{source.audio.parent} is of the {TESTING} partition: make one with --partition {VALIDATION}"
            )


def describe(choice: Choice, found: Sequence[Source], tolerance: float) -> dict[str, Any]:
    """Return the content of ``operating_point.json``."""
    return {
        "sentence": choice.sentence,
        "max_false_accepts_per_hour": choice.limit,
        "met": choice.met,
        "hours": choice.matching.hours,
        "tolerance_s": tolerance,
        "operating_point": choice.point.settings(),
        "figures": scoring.with_intervals(choice.matching.figures()),
        "words": [scoring.with_intervals(one) for one in choice.matching.per_word()],
        "held_out": scoring.with_intervals(choice.held_out.figures()) if choice.held_out else None,
        "upper_per_hour": choice.upper_per_hour,
        "recordings": [{"name": source.name, "partition": source.partition} for source in found],
        "front": [_row(row) for row in choice.front()],
    }


def brief(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of it goes into a manifest."""
    return {key: described[key] for key in _BRIEF}


def write(choice: Choice, streams: Sequence[Stream], described: Mapping[str, Any], folder: Path) -> None:
    """Write all files.

    Raises:
        OSError: The folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / ".tradeoff.part"
    with aside.open("wb") as file:
        np.savez_compressed(file, tradeoff=choice.tradeoff)
    aside.replace(folder / "tradeoff.npz")
    tolerance, figures = described["tolerance_s"], choice.matching.figures()
    scoring.write_curves(streams, choice.point, figures, folder, tolerance, choice.limit)
    run_folder.write_json(folder / "operating_point.json", described)


def agree(
    folder: Path, found: Sequence[Source], streams: Sequence[Stream], point: OperatingPoint, progress: Progress = silent
) -> Finding:
    """Run the C program of an export at its operating point over recordings, and compare what fires."""
    heard = [(source.audio, detect(one.scores, point)) for source, one in zip(found, streams, strict=True)]
    return firmware.compare(folder, heard, progress)


def sentences(choice: Choice, labels: Sequence[str]) -> Iterator[str]:
    """Yield the point in words, then what it does."""
    point = choice.point
    thresholds = ", ".join(f"{label} {value}" for label, value in zip(labels, point.thresholds, strict=True))
    again = "a word may follow itself" if point.repeat else "a word comes again only after another label"
    yield (
        f"window {point.average_window_ms} ms, suppression {point.suppression_ms} ms, minimum count "
        f"{point.minimum_count}, {again}; thresholds of 255: {thresholds}"
    )
    yield choice.sentence


def _row(row: np.void) -> dict[str, Any]:
    values = {name: row[name].tolist() for name in row.dtype.names or ()}
    return values | {"latency": values["latency"] if np.isfinite(values["latency"]) else None}
