"""Recordings with what is said in them, as a command line names them.

A folder that ``python -m kws_exp.stream make`` wrote, any other recording with its label file beside it (``hall.wav``
and ``hall.txt``), or hours of speech in which no keyword is said. The surprising fact: a label file without lines says
the last, so that recordings with and without keywords can be scored together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kws_exp import run_folder
from kws_exp.errors import KwsError
from kws_exp.stream import labels, make, recording
from kws_exp.stream.events import Stream
from kws_exp.stream.scores import Progress, score, silent

if TYPE_CHECKING:
    from kws_exp.stream.spotter import Spotter


@dataclass(frozen=True)
class Source:
    """A recording."""

    audio: Path
    labels: Path | None  # None: no keyword is said
    partition: str | None = None  # that a composed stream is made of

    @property
    def name(self) -> str:
        """What tells it from others: the folder of a composed stream, or the file."""
        return self.audio.parent.name if self.partition else self.audio.stem


def find(places: Sequence[Path], label_file: Path | None = None, no_keywords: bool = False) -> list[Source]:
    """Return the recordings in all places.

    Args:
        places: Files, or folders of them.
        label_file: Of the only recording.
        no_keywords: That none is said in a recording without a label file.

    Raises:
        KwsError: A place holds no recording, or a recording has no label file.
    """
    paths = recording.find(places)
    if label_file and len(paths) != 1:
        raise KwsError(
            f"--labels is the label file of one recording, but {len(paths)} are given: put each one's labels beside "
            f"it, as {paths[0].with_suffix('.txt').name}"
        )
    return [_source(path, label_file, no_keywords) for path in paths]


def load(source: Source, spotter: Spotter, progress: Progress = silent) -> Stream:
    """Score a recording and read what is said in it.

    Raises:
        KwsError: The recording or its labels cannot be read, or do not go together.
    """
    seconds = recording.inspect(source.audio).seconds
    utterances = labels.read(source.labels, spotter.labels, seconds) if source.labels else []
    return Stream(score(source.audio, spotter, progress=progress), tuple(utterances), seconds)


def _source(path: Path, label_file: Path | None, no_keywords: bool) -> Source:
    if path.name == make.AUDIO and (path.parent / make.MANIFEST).is_file():
        return Source(path, label_file or path.parent / make.LABELS, _partition(path.parent / make.MANIFEST))
    beside = label_file or path.with_suffix(".txt")
    if beside.is_file() or label_file:
        return Source(path, beside)
    if no_keywords:
        return Source(path, None)
    raise KwsError(
        f"a recording needs its label file beside it, but {path} has no {beside.name}: write it with lines "
        f"{labels.FORMS}; give --labels FILE; or say --no-keywords if it holds none"
    )


def _partition(manifest: Path) -> str:
    try:
        return str(run_folder.read_json(manifest)["recipe"]["partition"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KwsError(f"{manifest} cannot be read ({error}): make the stream again") from error
