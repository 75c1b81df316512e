"""Which clip trains, which validates, which tests: the rules of TensorFlow's speech_commands, made repeatable.

Speakers are divided by a hash of their name, so a data set may grow without a clip changing sides. Labels are
``_silence_, _unknown_``, then the words in the given order. Silence and unknown clips are a percentage of the
keyword clips of each partition. Two defects of the original are mended: a stretch of background noise is in one
partition only, and the silence clips of validation and testing are the same in every pass.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kws_exp.schema import CLIP_SAMPLES, Data

TRAINING, VALIDATION, TESTING = NAMES = ("training", "validation", "testing")
MAX_NUM_WAVS_PER_CLASS = 2**27 - 1  # of input_data.py; the hash is taken modulo this + 1
SILENT = -1  # stands for the row of a clip that is background noise alone
SILENCE_LABEL, UNKNOWN_LABEL, FIRST_WORD_LABEL = 0, 1, 2


@dataclass(frozen=True)
class Partition:
    """The clips of one partition, and the noise it may use."""

    rows: NDArray[np.int64]  # (clips,) row in the clip store, or SILENT
    labels: NDArray[np.int64]  # (clips,) index into the label list
    noise: NDArray[np.int64]  # (stretches, 2) begin and end in the noise samples, each at least a clip long

    def __len__(self) -> int:
        return len(self.rows)


def which_set(file_name: str, validation_percentage: float, testing_percentage: float) -> str:
    """Return the partition of a file name (without folders), by SHA-1 of the part before ``_nohash_``."""
    speaker = re.sub(r"_nohash_.*$", "", file_name)
    number = int(hashlib.sha1(speaker.encode(), usedforsecurity=False).hexdigest(), 16)
    percentage = number % (MAX_NUM_WAVS_PER_CLASS + 1) * (100.0 / MAX_NUM_WAVS_PER_CLASS)
    if percentage < validation_percentage:
        return VALIDATION
    return TESTING if percentage < testing_percentage + validation_percentage else TRAINING


def divide(
    paths: Sequence[str], words: Sequence[str], noise_ends: Sequence[int], settings: Data, seed: int
) -> dict[str, Partition]:
    """Divide clips, given as ``WORD/NAME`` and sorted, into the three partitions.

    Args:
        paths: of the clips, in the order of their rows.
        words: the keywords, in label order.
        noise_ends: where each noise recording ends in the samples of all.
        settings: the percentages.
        seed: fixes which unknown clips are taken.
    """
    label_of = {word: FIRST_WORD_LABEL + i for i, word in enumerate(words)}
    keywords: dict[str, list[tuple[int, int]]] = {name: [] for name in NAMES}
    others: dict[str, list[int]] = {name: [] for name in NAMES}
    for row, path in enumerate(paths):
        word, _, file_name = path.partition("/")
        name = which_set(file_name, settings.validation_percentage, settings.testing_percentage)
        if word in label_of:
            keywords[name].append((row, label_of[word]))
        else:
            others[name].append(row)
    noise = _divide_noise(noise_ends, settings)
    rng = np.random.default_rng([seed, 0])
    return {
        name: _partition(keywords[name], rng.permutation(np.array(others[name], np.int64)), noise[name], settings)
        for name in NAMES
    }


def _partition(
    keywords: Sequence[tuple[int, int]], others: NDArray[np.int64], noise: NDArray[np.int64], settings: Data
) -> Partition:
    silence = math.ceil(len(keywords) * (settings.silence_percentage or 0) / 100)
    unknown = others[: math.ceil(len(keywords) * (settings.unknown_percentage or 0) / 100)]
    rows = [*(row for row, _ in keywords), *unknown, *[SILENT] * silence]
    labels = [*(label for _, label in keywords), *[UNKNOWN_LABEL] * len(unknown), *[SILENCE_LABEL] * silence]
    return Partition(np.array(rows, np.int64), np.array(labels, np.int64), noise)


def _divide_noise(ends: Sequence[int], settings: Data) -> Mapping[str, NDArray[np.int64]]:
    """Cut each recording into three consecutive stretches; one too short to be cut goes to training whole."""
    stretches: dict[str, list[tuple[int, int]]] = {name: [] for name in NAMES}
    for begin, end in pairwise((0, *ends)):
        held_out = [
            int((end - begin) * share / 100) for share in (settings.validation_percentage, settings.testing_percentage)
        ]
        if any(0 < size < CLIP_SAMPLES for size in held_out):
            held_out = [0, 0]
        testing = end - held_out[1]
        validation = testing - held_out[0]
        for name, low, high in (
            (TRAINING, begin, validation),
            (VALIDATION, validation, testing),
            (TESTING, testing, end),
        ):
            if high - low >= CLIP_SAMPLES:
                stretches[name].append((low, high))
    return {name: np.array(found, np.int64).reshape(-1, 2) for name, found in stretches.items()}
