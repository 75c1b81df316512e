"""Accuracy against the signal-to-noise ratio: test clips of speech, mixed with noise that no training has heard.

The signal is the clip as it is, with whatever noise was recorded with it, so 20 dB is 20 dB below the speaker's voice
and not 20 dB in all. Its power is the mean over the active part alone (:func:`speech_power`): a word of 0.3 s in a
clip of one second has 5 dB less by the mean over the clip. The noise's power is the mean over its second. The same
clip gets the same stretch of noise at every ratio, so what differs between two points is the ratio.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_exp import augment
from kws_exp.augment import FULL_SCALE
from kws_exp.cpu import cores
from kws_exp.data import SILENT, TESTING, Dataset
from kws_exp.evaluate import wilson
from kws_exp.features import Extract
from kws_exp.schema import CLIP_SAMPLES

Predict = Callable[[NDArray[np.float32]], NDArray[Any]]  # features (clips, frames, width) to outputs (clips, labels)
# places in the partition (clips,), audio (clips, 16000), noise (clips, 16000)
Batch = tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]
RATIOS_DB = (None, 20.0, 15.0, 10.0, 5.0, 0.0, -5.0)  # None: nothing added
CLIPS = 1000  # at most; the interval of 90 % is then 88 to 92 %
AT_ONCE = 100  # clips in a thread
FRAME = 320  # samples, 20 ms
ACTIVE_DB = 20.0  # below the loudest frame


@dataclass(frozen=True)
class Point:
    """Accuracy at one ratio, with its 95 % interval (:func:`kws_exp.evaluate.wilson`)."""

    snr_db: float | None
    accuracy: float
    low: float
    high: float
    clips: int


def accuracies(dataset: Dataset, extract: Extract, predict: Predict, seed: int, most: int = CLIPS) -> tuple[Point, ...]:
    """Measure keywords and unknown words of the testing partition, at most ``most``, taken evenly.

    Empty where the partition has no such clips, or no noise. 1,000 clips of tiny_conv behind the micro front end take
    1.6 s of processor time, spread over the cores. ``predict`` is called by several threads.
    """
    part = dataset.partitions[TESTING]
    spoken = np.flatnonzero(part.rows != SILENT)
    if not len(spoken) or not len(part.noise):
        return ()
    chosen = spoken[np.linspace(0, len(spoken) - 1, min(most, len(spoken))).round().astype(int)]

    def count(batch: Batch) -> list[int]:
        numbers, audio, noise = batch
        heard = (audio if ratio is None else mix(audio, noise, ratio) for ratio in RATIOS_DB)
        return [int(np.sum(predict(extract(one)).argmax(axis=1) == part.labels[numbers])) for one in heard]

    with ThreadPoolExecutor(cores()) as pool:
        hits = np.sum(list(pool.map(count, _batches(dataset, seed, chosen))), axis=0)
    total = len(chosen)
    return tuple(
        Point(ratio, int(right) / total, *wilson(int(right), total), total)
        for ratio, right in zip(RATIOS_DB, hits, strict=True)
    )


def mix(audio: NDArray[np.float32], noise: NDArray[np.float32], snr_db: float) -> NDArray[np.float32]:
    """Add noise to clips, both (clips, 16000), at a signal-to-noise ratio; what would clip is made quieter as a whole.

    A clip or a noise of zeros has no ratio, and the clip stays as it is.
    """
    wanted = speech_power(audio) / 10 ** (snr_db / 10)
    there = np.mean(np.square(noise), axis=1)
    gain = np.sqrt(np.divide(wanted, there, out=np.zeros_like(there), where=there > 0))
    mixed = audio + gain[:, None] * noise
    loudest = np.abs(mixed).max(axis=1, keepdims=True)
    return np.asarray(mixed / np.maximum(loudest, 1), np.float32)


def speech_power(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean square of the active part of clips (clips, 16000): shape (clips,).

    Active is each frame of 20 ms whose power is no more than 20 dB below the loudest one's. ITU-T P.56 looks for the
    active part more cleverly, but with a hangover of 0.2 s, which is half a word.
    """
    frames = np.mean(np.square(audio.reshape(len(audio), -1, FRAME)), axis=2)
    active = frames >= frames.max(axis=1, keepdims=True) / 10 ** (ACTIVE_DB / 10)
    return np.asarray(np.sum(frames * active, axis=1) / np.sum(active, axis=1), np.float32)


def _batches(dataset: Dataset, seed: int, chosen: NDArray[np.int64]) -> Iterator[Batch]:
    starts = augment.evaluation_draws(dataset.partitions[TESTING], seed, TESTING).noise_start
    end = 0
    for chunk in augment.evaluation_audio(dataset, TESTING, seed, AT_ONCE):
        begin, end = end, end + len(chunk)
        numbers = chosen[(chosen >= begin) & (chosen < end)]
        if len(numbers):
            stretches = [dataset.noise[start : start + CLIP_SAMPLES] for start in starts[numbers]]
            yield numbers, chunk[numbers - begin], np.stack(stretches) / np.float32(FULL_SCALE)
