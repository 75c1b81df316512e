"""Which test clips were misclassified: the most confident errors first, with what is known of each.

The surprising fact: a clip of silence has no file, for it is a stretch of background noise that exists only in the
test's own draw; it can be heard all the same (:func:`audio`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_exp import augment
from kws_exp.data import SILENT, TESTING, Dataset
from kws_exp.schema import CLIP_SAMPLES, Config

SHOWN = 180  # 20 to 24 KB of the page each: 4 MB
SPEAKER_END = "_nohash_"  # in the file names of Speech Commands, and in those of the synthetic speech


@dataclass(frozen=True)
class Clip:
    """One misclassified clip."""

    number: int  # its place in the testing partition
    path: str  # WORD/FILE; empty for background noise
    speaker: str  # empty where the file name does not tell
    true: str
    predicted: str
    score: float  # of the predicted label, 0 to 1
    true_score: float  # of the right one

    @property
    def spoken(self) -> str:
        """The word that is spoken; empty for background noise."""
        return self.path.partition("/")[0]


@dataclass(frozen=True)
class Misheard:
    """The misclassified clips of a test, the most confident first; ``clips`` are at most as many as are shown."""

    clips: tuple[Clip, ...]
    misheard: int
    tested: int
    form: str  # of the model: int8 or float

    def counts(self) -> dict[str, Any]:
        """Return what the report needs to know."""
        return {"tested": self.tested, "misheard": self.misheard, "shown": len(self.clips), "form": self.form}


def choose(
    dataset: Dataset, outputs: NDArray[Any], voices: Mapping[str, str] | None = None, shown: int = SHOWN
) -> Misheard:
    """Compare the outputs (clips, labels) for the testing partition, logits or int8 scores, with its labels.

    Args:
        dataset: labels, paths and the testing partition.
        outputs: in the order of the partition.
        voices: what to add to a speaker's name, by that name.
        shown: the largest number of clips to return.
    """
    part, scores = dataset.partitions[TESTING], probabilities(outputs)
    predicted = outputs.argmax(axis=1) if len(outputs) else np.zeros(0, np.int64)
    wrong = np.flatnonzero(predicted != part.labels)
    confident = wrong[np.argsort(-scores[wrong, predicted[wrong]], kind="stable")]

    def clip(number: int) -> Clip:
        true, heard, row = int(part.labels[number]), int(predicted[number]), int(part.rows[number])
        path = "" if row == SILENT else dataset.paths[row]
        return Clip(
            number,
            path,
            speaker(path, voices or {}),
            dataset.labels[true],
            dataset.labels[heard],
            float(scores[number, heard]),
            float(scores[number, true]),
        )

    form = "int8" if outputs.dtype == np.int8 else "float"
    return Misheard(tuple(clip(int(number)) for number in confident[:shown]), len(wrong), len(part), form)


def probabilities(outputs: NDArray[Any]) -> NDArray[np.float64]:
    """Return scores of 0 to 1 (clips, labels): the softmax of logits, or ``(q + 128) / 256`` of an int8 output q.

    Logits of a training that diverged, which are no numbers, score 0.
    """
    if outputs.dtype == np.int8:
        return (outputs.astype(np.float64) + 128) / 256
    logits = outputs.astype(np.float64)
    with np.errstate(invalid="ignore"):
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(np.nan_to_num(powers / powers.sum(axis=1, keepdims=True)))


def speaker(path: str, voices: Mapping[str, str]) -> str:
    """Return the speaker of ``WORD/SPEAKER_nohash_N.wav``, with the voice if it is known; empty without a mark."""
    name, mark, _ = path.rpartition("/")[2].partition(SPEAKER_END)
    if not mark:
        return ""
    return f"{name} ({voices[name]})" if name in voices else name


def voice_names(config: Config) -> dict[str, str]:
    """Return accent and voice of every synthetic speaker of a configuration, by name."""
    from kws_exp.data import speech, voices

    spread = config.data.synthetic.pitch_spread
    speakers = (voices.speaker(config.seed, number, spread) for number in range(speech.SPEAKERS))
    return {speaker.name: f"{speaker.accent}, {speaker.variant}" for speaker in speakers}


def audio(dataset: Dataset, seed: int, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return clips of the testing partition as they were tested, by their places in it: (numbers, 16000)."""
    found, start = np.zeros((len(numbers), CLIP_SAMPLES), np.float32), 0
    for chunk in augment.evaluation_audio(dataset, TESTING, seed):
        here = np.flatnonzero((numbers >= start) & (numbers < start + len(chunk)))
        found[here] = chunk[numbers[here] - start]
        start += len(chunk)
    return found
