"""Recordings scored: all that ``python -m kws_exp.stream score`` prints and writes.

The surprising fact: the classic's four percentages are of its own detector (RecognizeCommands as in
``test_streaming_accuracy.py``), at its own threshold; they tell how a network compares with what others published, and
nothing of the operating point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from kws_exp import figures, run_folder
from kws_exp.evaluate import wilson
from kws_exp.proof.finding import Finding
from kws_exp.stream import classic, curve, detect, firmware, labels, match, recording, sources
from kws_exp.stream.events import Detection, OperatingPoint, Stream, Utterance, keywords
from kws_exp.stream.match import Figures, Matching
from kws_exp.stream.scores import Difference, Progress, difference, silent
from kws_exp.stream.sources import Source
from kws_exp.stream.spotter import Spotter

COMPARED_SECONDS = 600  # of the first recording, each run of the network on a clip of its own


@dataclass(frozen=True, eq=False)
class Scored:
    """Recordings at the operating point of an export."""

    sources: tuple[Source, ...]
    streams: tuple[Stream, ...]
    detections: tuple[tuple[Detection, ...], ...]  # of each recording, silence and unknown included
    matchings: tuple[Matching, ...]
    point: OperatingPoint
    tolerance: float  # seconds
    statistics: classic.Statistics
    difference: Difference
    firmware: Finding

    @property
    def matching(self) -> Matching:
        """All recordings together."""
        return match.merge(self.matchings)


def score(
    folder: Path, found: Sequence[Source], spotter: Spotter, tolerance: float, progress: Progress = silent
) -> Scored:
    """Score recordings with the model of an export folder, which is open.

    Raises:
        KwsError: A recording or its labels cannot be read, or do not go together.
    """
    point = OperatingPoint.of(spotter.detector, spotter.labels)
    streams = tuple(sources.load(source, spotter, progress) for source in found)
    fired = tuple(tuple(detect.detect(stream.scores, point)) for stream in streams)
    matchings = tuple(
        match.match(events, stream.utterances, spotter.labels, stream.hours, tolerance)
        for events, stream in zip(fired, streams, strict=True)
    )
    heard = [(source.audio, events) for source, events in zip(found, fired, strict=True)]
    first = islice(recording.blocks(found[0].audio), int(COMPARED_SECONDS / recording.BLOCK_SECONDS))
    return Scored(
        tuple(found),
        streams,
        fired,
        matchings,
        point,
        tolerance,
        _classic(streams),
        difference(first, spotter),
        firmware.compare(folder, heard, progress),
    )


def to_json(scored: Scored) -> dict[str, Any]:
    """Return all figures and events, without the curve."""
    matching = scored.matching
    return {
        "tolerance_s": scored.tolerance,
        "hours": matching.hours,
        "operating_point": scored.point.settings(),
        "all": with_intervals(matching.figures()),
        "words": [with_intervals(one) for one in matching.per_word()],
        "classic": asdict(scored.statistics) | {"percentages": scored.statistics.percentages()},
        "stream_against_clips": asdict(scored.difference),
        "c_program": scored.firmware._asdict(),
        "recordings": [
            {"audio": str(source.audio), "labels": source.labels and str(source.labels), "seconds": stream.seconds}
            | _events(one)
            for source, stream, one in zip(scored.sources, scored.streams, scored.matchings, strict=True)
        ],
    }


def with_intervals(found: Figures) -> dict[str, Any]:
    """Return figures with the 95 % intervals of both rates: Wilson's, and the exact one of a Poisson count."""
    accepts = curve.poisson(np.array(found.false_accepts)) / found.hours if found.hours else None
    return found.to_json() | {
        "false_reject_interval": wilson(found.misses, found.utterances) if found.utterances else None,
        "false_accepts_per_hour_interval": None if accepts is None else accepts.tolist(),
    }


def write(scored: Scored, folder: Path) -> None:
    """Write ``scores.json``, ``det.json``, ``det.png`` and each recording's detections as a label file.

    Raises:
        OSError: The folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run_folder.write_json(folder / "scores.json", to_json(scored))
    write_curves(scored.streams, scored.point, scored.matching.figures(), folder, scored.tolerance)
    taken: set[str] = set()
    for source, matching in zip(scored.sources, scored.matchings, strict=True):
        name = next(name for name in _names(source.name) if name not in taken)
        taken.add(name)
        events = (event.detection for event in matching.events)
        labels.write(folder / f"{name}.txt", (Utterance(one.word, one.seconds, one.seconds) for one in events))


def write_curves(
    streams: Sequence[Stream],
    point: OperatingPoint,
    chosen: Figures,
    folder: Path,
    tolerance: float,
    limit: float | None = None,
) -> None:
    """Write ``det.json`` and ``det.png``: the curve around an operating point, which is marked."""
    curves = curve.det(streams, point, tolerance)
    run_folder.write_json(folder / "det.json", [one.to_json() for one in curves])
    words = ", ".join(keywords(streams[0].scores.labels))
    aside = folder / ".det.png.part"
    figures.save(curve.draw(curves, f"Detection error trade-off: {words}", chosen, limit), aside)
    aside.replace(folder / "det.png")


def _classic(streams: Sequence[Stream]) -> classic.Statistics:
    """Add up what the classic's own detector does on each recording."""
    found = [
        classic.statistics(stream.utterances, classic.detect(stream.scores, classic.STREAMING_TEST))
        for stream in streams
    ]
    return classic.Statistics(*(sum(getattr(one, item.name) for one in found) for item in fields(classic.Statistics)))


def _events(matching: Matching) -> dict[str, Any]:
    events = [
        asdict(event.detection) | {"kind": event.kind, "said": event.utterance and asdict(event.utterance)}
        for event in matching.events
    ]
    return {"detections": events, "missed": [asdict(one) for one in matching.misses]}


def _names(name: str) -> Any:
    yield name
    yield from (f"{name}-{number}" for number in range(2, 1_000_000))
