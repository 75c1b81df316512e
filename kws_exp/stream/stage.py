"""Continuous audio as a stage of a run: an operating point chosen on a validation stream, scored on a test stream.

Both streams are composed in memory, block by block, so that nothing but figures is kept:

    stream.json       the choice with its figures, those on the test stream, and the curve of the test stream
    figures/det.png   that curve

The surprising fact: the export is left as it is. Thresholds are chosen for a place, and composed audio is none;
``python -m kws_exp.stream choose --write`` puts a point into an export when somebody wants it there.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from kws_exp import figures, run_folder
from kws_exp.data import TESTING, VALIDATION, Dataset
from kws_exp.run_folder import RunFolder
from kws_exp.schema import SAMPLE_RATE, Stream
from kws_exp.stream import chosen, compose, curve, events, scores, scoring, spotter
from kws_exp.stream.choose import choose, matched
from kws_exp.stream.match import TOLERANCE, Figures
from kws_exp.stream.scores import Progress, silent
from kws_exp.stream.section import FIGURE
from kws_exp.stream.spotter import Spotter


def evaluate(
    folder: RunFolder, settings: Stream, dataset: Dataset, seed: int, progress: Progress = silent
) -> dict[str, float]:
    """Choose and score; write what was found into the run's folder.

    Args:
        folder: Of a run whose export is complete.
        settings: Length and noise of both streams, and the limit of false accepts.
        dataset: Of the run.
        seed: Of the streams.
        progress: Told how far it is.

    Returns:
        Figures on the test stream, by the name of their metric; the latency is missing without a hit.

    Raises:
        KwsError: The held-out partitions lack words or noise, or a setting is out of range.
    """
    with spotter.opened(folder.export) as model:
        validation, testing = (
            _composed(model, dataset, settings, name, seed, progress) for name in (VALIDATION, TESTING)
        )
    choice = choose([validation], settings.max_false_accepts_per_hour, progress=progress)
    matching = matched([testing], choice.point)
    found, curves = matching.figures(), curve.det([testing], choice.point)
    content: dict[str, Any] = {
        "settings": asdict(settings),
        "chosen": chosen.describe(choice, [], TOLERANCE),
        "test": scoring.with_intervals(found),
        "test_words": [scoring.with_intervals(one) for one in matching.per_word()],
        "curve": [one.to_json() for one in curves],
        "metrics": _metrics(found),
    }
    run_folder.write_json(folder.path / run_folder.STREAM, content)
    title = f"Continuous audio: {', '.join(events.keywords(dataset.labels))}"
    figures.save(curve.draw(curves, title, found, settings.max_false_accepts_per_hour), folder.figures / FIGURE)
    return dict(content["metrics"])


def _composed(
    model: Spotter, dataset: Dataset, settings: Stream, partition: str, seed: int, progress: Progress
) -> events.Stream:
    """Compose a stream and score it on the way."""
    made = compose.plan(dataset, compose.Recipe.of(settings, partition, seed))
    parts = []
    for part in scores.stream(compose.render(made, dataset), model):
        parts.append(part)
        progress(f"seconds of {partition} audio", round(part.seconds[-1]), made.samples // SAMPLE_RATE)
    seconds, values = (np.concatenate([getattr(part, name) for part in parts]) for name in ("seconds", "values"))
    return events.Stream(events.Scores(model.labels, seconds, values), made.utterances, made.samples / SAMPLE_RATE)


def _metrics(found: Figures) -> dict[str, float]:
    values = {
        "stream/false_reject_rate": found.false_reject_rate,
        "stream/false_accepts_per_hour": found.false_accepts_per_hour,
        "stream/latency": found.latency.median if found.latency else None,
    }
    return {name: value for name, value in values.items() if value is not None}
