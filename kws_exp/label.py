"""``python -m kws_exp.label MODEL FILE|DIR...``: what a model hears, in clips and in recordings of any length.

Give a run (its folder, its id, or ``latest``), an export folder or a registered model, then wav, flac or ogg files of
any rate, or folders of them. A clip, of at most a second, is heard as in training: its top labels are printed. A longer
recording is heard as on the device: the words that fire are printed, with the time. Scores are from 0 to 1. Status 0:
all were heard; 1: some of several files were not, and each says why; 2: nothing was.

The surprising fact: a second and a sample of the same audio may be heard otherwise than the second alone, because the
device does not know where a word begins, and its noise estimate does not start anew.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kws_exp import model_argument
from kws_exp.errors import KwsError, complain

if TYPE_CHECKING:
    from kws_exp.console import ProgressLine
    from kws_exp.stream.spotter import Spotter

LEVELS = 256  # of a score


@dataclass(frozen=True)
class Label:
    """One label, of a clip as a whole or fired at a time of a recording."""

    label: str
    score: float  # 0 to 1; of a recording, averaged over the device's window
    seconds: float | None = None  # from the start; None: of a clip


@dataclass(frozen=True)
class Heard:
    """What was heard in a file."""

    file: str
    length: float  # seconds
    clip: bool
    labels: tuple[Label, ...]


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit status."""
    chosen = _parser().parse_args(arguments)
    heard, failed = [], 0
    try:
        if chosen.top < 1:
            raise KwsError(f"--top must be at least 1, but is {chosen.top}: give --top 1")
        folder = model_argument.folder(chosen)
        paths, lacking = _paths(map(Path, chosen.audio))
        from kws_exp.stream import spotter, terminal

        with terminal.progress() as line, spotter.opened(folder) as model:
            for path in paths:
                try:
                    heard.append(listen(path, model, chosen.top, line))
                except KwsError as error:
                    failed += 1
                    complain(str(error))
    except KwsError as error:
        return complain(str(error))
    _show(heard, chosen.form)
    return 0 if not failed + lacking else 1 if heard else 2


def listen(path: Path, model: Spotter, top: int = 3, line: ProgressLine | None = None) -> Heard:
    """Return the ``top`` labels of a clip, or the keywords that fire along a recording.

    Raises:
        KwsError: The file cannot be read.
    """
    from kws_exp.schema import CLIP_SAMPLES
    from kws_exp.stream import recording

    found = recording.inspect(path)
    clip = found.samples <= CLIP_SAMPLES
    labels = _labels(path, model, top) if clip else _detections(path, model, line)
    return Heard(str(path), found.seconds, clip, tuple(labels))


def _labels(path: Path, model: Spotter, top: int) -> Iterator[Label]:
    import numpy as np

    from kws_exp.data.audio import fit
    from kws_exp.stream import recording, scores

    samples = fit(np.concatenate(list(recording.blocks(path))))
    levels = scores.classify(samples[np.newaxis], model)[0].astype(int) + LEVELS // 2
    for index in np.argsort(-levels, kind="stable")[:top]:
        yield Label(model.labels[index], float(levels[index] / LEVELS))


def _detections(path: Path, model: Spotter, line: ProgressLine | None) -> Iterator[Label]:
    from kws_exp.stream import scores
    from kws_exp.stream.detect import detect
    from kws_exp.stream.events import OperatingPoint, keywords

    found = scores.score(path, model, progress=line.update if line else scores.silent)
    for event in detect(found, OperatingPoint.of(model.detector, model.labels)):
        if event.word in keywords(model.labels):
            yield Label(event.word, event.score / LEVELS, event.seconds)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kws_exp.label", description=(__doc__ or "").split("\n\n")[1])
    model_argument.add(parser)
    parser.add_argument("audio", metavar="FILE|DIR", nargs="+", help="wav, flac or ogg files, or folders of them")
    parser.add_argument("--top", type=int, default=3, metavar="N", help="labels of a clip (default: 3)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", dest="form", action="store_const", const="json", help="print a list of objects")
    form.add_argument("--csv", dest="form", action="store_const", const="csv", help="print file,seconds,label,score")
    return parser


def _paths(places: Iterator[Path]) -> tuple[list[Path], int]:
    """Return the recordings in all places, and how many places have none; these are told."""
    from kws_exp.stream import recording

    found, lacking = [], 0
    for place in places:
        try:
            found += recording.find([place])
        except KwsError as error:
            lacking += 1
            complain(str(error))
    return found, lacking


def _show(heard: Sequence[Heard], form: str | None) -> None:
    if form == "json":
        print(json.dumps([asdict(one) for one in heard], indent=2, ensure_ascii=False))
    elif form == "csv":
        rows = csv.writer(sys.stdout, lineterminator="\n")
        rows.writerow(["file", "seconds", "label", "score"])
        for one in heard:
            for label in one.labels:
                seconds = "" if label.seconds is None else f"{label.seconds:.3f}"
                rows.writerow([one.file, seconds, label.label, f"{label.score:.3f}"])
    elif heard:
        _print_table(heard)


def _print_table(heard: Sequence[Heard]) -> None:
    from rich.table import Table
    from rich.text import Text

    from kws_exp.console import Watch

    table = Table("file", box=None, pad_edge=False)
    for column, justify in (("seconds", "right"), ("label", "left"), ("score", "right")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for one in heard:
        name = Text(one.file, overflow="fold")
        for label in one.labels or (None,):
            if label is None:
                table.add_row(name, f"0 - {one.length:.2f}", "no keyword", "")
                continue
            seconds = "clip" if label.seconds is None else f"{label.seconds:.2f}"
            table.add_row(name, seconds, label.label, f"{label.score:.3f}")
            name = Text("")
    Watch().say(table)


if __name__ == "__main__":
    sys.exit(main())
