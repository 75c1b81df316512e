r"""Label files: which word is said when.

Two formats are read, told apart by each line: ours, ``begin<tab>end<tab>word`` in seconds, which is what Audacity
exports and imports, and that of the speech_commands tutorial, ``word, milliseconds``. The surprising fact: the
tutorial's time is where the clip of the word begins, and there is no end; it is taken to be a clip later, or where the
next word begins. Lines that Audacity begins with a backslash, frequencies of a selection, are passed over.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from kws_exp.errors import KwsError, nearest
from kws_exp.schema import CLIP_SAMPLES, SAMPLE_RATE
from kws_exp.stream.events import Utterance

CLIP_SECONDS = CLIP_SAMPLES / SAMPLE_RATE
SLACK = 0.001  # seconds: of times that were rounded when they were written
FORMS = "'begin<tab>end<tab>word' in seconds, as Audacity exports labels, or 'word, milliseconds'"


class _Line(NamedTuple):
    number: int
    word: str
    begin: float
    end: float | None  # None: the tutorial's lines have none


def read(path: Path, labels: Sequence[str], seconds: float | None = None) -> list[Utterance]:
    """Read a label file; one without lines says that no word is said.

    Args:
        path: In UTF-8.
        labels: The words that the file may name.
        seconds: Length of the recording; without, times may be anything.

    Returns:
        The utterances by time.

    Raises:
        KwsError: The file cannot be read, or a line is of neither form, names another word, has a time that is no
            number, ends before it begins or after the recording, or overlaps another.
    """
    lines = [
        _parse(path, number, text)
        for number, text in enumerate(_text(path).splitlines(), 1)
        if text.strip() and not text.startswith("\\")
    ]
    for line in lines:
        _check(path, line, labels, seconds)
    return _utterances(path, sorted(lines, key=lambda line: (line.begin, line.end or line.begin)), seconds)


def write(path: Path, utterances: Iterable[Utterance]) -> None:
    """Write our format, to the microsecond."""
    _write(path, (f"{one.begin:.6f}\t{one.end:.6f}\t{one.word}" for one in utterances))


def write_classic(path: Path, utterances: Iterable[Utterance]) -> None:
    """Write the format of the speech_commands tutorial; the ends are lost."""
    _write(path, (f"{one.word}, {one.begin * 1000:f}" for one in utterances))


def _write(path: Path, lines: Iterable[str]) -> None:
    aside = path.with_name(f"{path.name}.part")
    aside.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    os.replace(aside, path)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise KwsError(f"{path} is no label file: it must be text in UTF-8, with lines {FORMS}") from None
    except OSError as error:
        raise KwsError(f"the label file {path} cannot be read: {error.strerror}") from None


def _parse(path: Path, number: int, text: str) -> _Line:
    columns = [column.strip() for column in text.split("\t" if "\t" in text else ",")]
    if "\t" in text and len(columns) == 3:
        begin, end, word = columns
        return _Line(number, word, _time(path, number, begin), _time(path, number, end))
    if "\t" not in text and len(columns) == 2:
        return _Line(number, columns[0], _time(path, number, columns[1]) / 1000, None)
    raise KwsError(f"{path}, line {number}: a line is {FORMS}, but this is {text.strip()!r}: write it so")


def _time(path: Path, number: int, text: str) -> float:
    try:
        time = float(text)
    except ValueError:
        time = math.nan
    if not 0 <= time < math.inf:
        raise KwsError(f"{path}, line {number}: a time must be a number from 0, but is {text!r}: write one like 12.5")
    return time


def _check(path: Path, line: _Line, labels: Sequence[str], seconds: float | None) -> None:
    where = f"{path}, line {line.number}"
    end = line.begin if line.end is None else line.end
    if line.word not in labels:
        raise KwsError(
            f"{where}: '{line.word}' is not a label of this network{nearest(line.word, labels)}: "
            f"its labels are {', '.join(labels)}"
        )
    if end < line.begin:
        raise KwsError(
            f"{where}: '{line.word}' must not end before it begins, but is from {line.begin:g} to {end:g} s: "
            "swap the two times"
        )
    if seconds is not None and end > seconds + SLACK:
        raise KwsError(
            f"{where}: '{line.word}' must end within the recording of {seconds:g} s, but ends at {end:g} s: "
            "take the label file of this recording, or cut the line"
        )


def _utterances(path: Path, lines: Sequence[_Line], seconds: float | None) -> list[Utterance]:
    """Return lines, by time, as utterances that do not overlap."""
    utterances = []
    for line, following in zip_longest(lines, lines[1:]):
        later = following.begin if following else math.inf
        limit = later if seconds is None else min(later, seconds)
        end = min(line.begin + CLIP_SECONDS, max(limit, line.begin)) if line.end is None else line.end
        if following and end > later + SLACK:
            raise KwsError(
                f"{path}, lines {line.number} and {following.number}: two words must not overlap, but '{line.word}' "
                f"ends at {end:g} s and '{following.word}' begins at {later:g} s: let the first end there"
            )
        utterances.append(Utterance(line.word, line.begin, end))
    return utterances
