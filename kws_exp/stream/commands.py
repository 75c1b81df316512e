"""What ``python -m kws_exp.stream`` does; see :mod:`kws_exp.stream.__main__`.

The surprising fact: ``make`` reads no model. It needs the run's ``config.yaml``, because words, data and seed decide
which clips that run did not train on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kws_exp import model_argument
from kws_exp.errors import KwsError
from kws_exp.run_folder import RunFolder
from kws_exp.stream import sources, terminal

if TYPE_CHECKING:
    from kws_exp.schema import Config
    from kws_exp.stream.choose import Choice
    from kws_exp.stream.events import Stream
    from kws_exp.stream.sources import Source

CONFIG = "config.yaml"  # of a run's folder


def make(chosen: argparse.Namespace) -> None:
    """Compose a recording.

    Raises:
        KwsError: There is no such run, its data cannot be had, or a setting is out of range.
    """
    from kws_exp import data
    from kws_exp.stream import make as making
    from kws_exp.stream.compose import Recipe

    config, digest = _config(chosen)
    seed = config.seed if chosen.seed is None else chosen.seed
    recipe = Recipe(chosen.minutes, chosen.gap, chosen.unknown, chosen.snr_db, partition=chosen.partition, seed=seed)
    with terminal.progress() as line:
        dataset = data.load(config, line.update)
        made = making.write(chosen.out, dataset, recipe, line.update)
    if digest not in (None, dataset.digest):
        print(f"note: these are not the clips of the run (digest {digest}, now {dataset.digest})")
    words = [one.word for one in made.utterances]
    counts = ", ".join(f"{words.count(label)} {label}" for label in dataset.labels if label in words)
    print(f"{chosen.out}: {made.samples / 16_000 / 60:g} minutes of the {recipe.partition} partition, with {counts}")


def score(chosen: argparse.Namespace) -> None:
    """Score recordings; print and write what is found.

    Raises:
        KwsError: A model, a recording or its labels cannot be read, or do not go together.
    """
    from kws_exp.stream import scoring, spotter

    folder = model_argument.folder(chosen)
    found = sources.find(chosen.recordings, chosen.labels, chosen.no_keywords)
    with terminal.progress() as line, spotter.opened(folder) as model:
        scored = scoring.score(folder, found, model, chosen.tolerance, line.update)
    if chosen.out:
        _written(chosen.out, lambda out: scoring.write(scored, out))
    if chosen.json:
        print(json.dumps(scoring.to_json(scored), indent=2, ensure_ascii=False))
    else:
        terminal.show(scored)


def choose(chosen: argparse.Namespace) -> None:
    """Choose an operating point on validation recordings; keep the trade-off, and write the point if that is wanted.

    Raises:
        KwsError: As :func:`score`; or a recording is for testing, or holds no keyword.
    """
    from kws_exp.stream import chosen as results
    from kws_exp.stream import spotter
    from kws_exp.stream.choose import choose as search

    folder = model_argument.folder(chosen)
    found = sources.find(chosen.recordings, chosen.labels, chosen.no_keywords)
    results.refuse_testing(found)
    with terminal.progress() as line:
        with spotter.opened(folder) as model:
            streams = [sources.load(source, model, line.update) for source in found]
        choice = search(streams, chosen.max_false_accepts_per_hour, tolerance=chosen.tolerance, progress=line.update)
    described = results.describe(choice, found, chosen.tolerance)
    out = chosen.out or folder.resolve().parent / results.FOLDER
    _written(out, lambda place: results.write(choice, streams, described, place))
    terminal.print_table([*choice.matching.per_word(), choice.matching.figures()])
    for sentence in results.sentences(choice, model.labels):
        print(sentence)
    print(f"the whole trade-off: {out}")
    if chosen.write:
        write_point(folder, found, streams, choice, results.brief(described))


def write_point(
    folder: Path, found: Sequence[Source], streams: Sequence[Stream], choice: Choice, brief: Mapping[str, Any]
) -> None:
    """Write a chosen point into an export, and run its C program over what it was chosen on.

    Raises:
        KwsError: The point does not keep its limit, or as :func:`kws_exp.stream.install.write`.
    """
    from kws_exp.stream import chosen as results
    from kws_exp.stream import install

    if not choice.met:
        raise KwsError(
            f"a point that is written into an export must keep the limit of {choice.limit:g} false accepts an hour, "
            "but this one does not: raise --max-false-accepts-per-hour, or train the network against what fires"
        )
    with terminal.progress() as line:
        line.update("writing the export", 0, 1)
        install.write(folder, choice.point, brief)
        agreed = results.agree(folder, found, streams, choice.point, line.update)
    print(f"written into {folder}; {terminal.finding(agreed)}")


def _config(chosen: argparse.Namespace) -> tuple[Config, str | None]:
    """Return the configuration of a run, given as such or by its export folder, and the digest of its data."""
    from kws_exp import config

    named = Path(chosen.model)
    folder = named if (named / CONFIG).is_file() else model_argument.folder(chosen).resolve().parent
    if not (folder / CONFIG).is_file():
        raise KwsError(
            f"a stream is made of what a run did not train on, which its {CONFIG} tells, but {folder} has none: give "
            "the run's folder or id instead of a copy of its export"
        )
    settings = config.load(folder / CONFIG)
    if chosen.data:
        settings.data.dir = chosen.data
    try:
        digest = RunFolder(folder).record().data.get("digest")
    except (OSError, ValueError):
        digest = None
    return settings, digest


def _written(folder: Path, write: Callable[[Path], None]) -> None:
    try:
        write(folder)
    except OSError as error:
        raise KwsError(f"--out must be a folder to write to, but {folder} fails ({error.strerror})") from error
