"""Scores over time that no network made: words rise and fall as they do, some are missed, and noise looks like some."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kws_exp.schema import SILENCE, UNKNOWN
from kws_exp.stream.events import Scores, Stream, Utterance

WORDS = ("yes", "no", "left", "right")
LABELS = (SILENCE, UNKNOWN, *WORDS)


def stream(
    seconds: float, seed: int, hop_ms: float = 20.0, gap: float = 3.0, noise: float = 1.0, false_gap: float = 60.0
) -> Stream:
    """Return a stream with a word every ``gap`` seconds and what sounds like one every ``false_gap``."""
    rng = np.random.default_rng(seed)
    times = 0.99 + np.arange(int((seconds - 0.99) * 1000 / hop_ms)) * hop_ms / 1000
    logits = rng.normal(0, noise, (len(times), len(LABELS)))
    logits[:, 0] += 4.0
    utterances = []
    for begin in np.arange(1.5, seconds - 2, gap) + rng.uniform(0, gap - 1.2, len(np.arange(1.5, seconds - 2, gap))):
        end, label = begin + rng.uniform(0.4, 0.8), int(rng.integers(1, len(LABELS)))
        if label > 1:
            utterances.append(Utterance(LABELS[label], float(begin), float(end)))
        _add(logits, times, label, end, 11 + rng.normal(0, 2.5))
        _add(logits, times, int(rng.integers(1, len(LABELS))), end - 0.3, 6 + rng.normal(0, 2))
    for time in rng.uniform(0, seconds, rng.poisson(seconds / false_gap)):
        _add(logits, times, int(rng.integers(2, len(LABELS))), time, 7 + rng.normal(0, 2.5))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = powers / powers.sum(axis=1, keepdims=True)
    return Stream(Scores(LABELS, times, int8(shares)), tuple(utterances), seconds)


def int8(probabilities: NDArray[np.float64]) -> NDArray[np.int8]:
    """Quantise as a softmax of TensorFlow Lite does."""
    return np.clip(np.rint(probabilities * 256) - 128, -128, 127).astype(np.int8)


def _add(logits: NDArray[np.float64], times: NDArray[np.float64], label: int, end: float, height: float) -> None:
    near = slice(*np.searchsorted(times, (end - 2, end + 2)))
    logits[near, label] += height * np.exp(-(((times[near] - end) / 0.35) ** 2))
