"""Weights chosen by what they miss in a stream, ``train.select=stream``, while they are still floats.

At each validation pass the network runs along a composed validation stream, as often as on the device, and the run's
detector decides with each averaging window and each threshold that all words can have in common; what counts is the
share of the keywords missed by the best of them within the limit of false accepts. The surprising fact: few weights are
told apart where the limit is none in all of the stream, so a longer stream, or a limit that allows some, chooses
better; equal ones are told apart by their accuracy on clips.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from kws_exp.c99.settings import Settings
from kws_exp.data import VALIDATION, Dataset
from kws_exp.export.quantize import quantize
from kws_exp.schema import SAMPLE_RATE, Config
from kws_exp.stream import compose, curve, frames
from kws_exp.stream.choose import allowed, check
from kws_exp.stream.events import OperatingPoint, Scores, Stream
from kws_exp.stream.scores import Progress, silent
from kws_exp.stream.search import Space
from kws_exp.train import Misses, Predict

AT_ONCE = 500  # runs of the network


def misses(config: Config, dataset: Dataset, progress: Progress = silent) -> Misses:
    """Compose the validation stream of ``config.stream``; return what counts the misses of a network on it.

    The stream's features are kept: 14 MB for half an hour of 40 bins.

    Raises:
        KwsError: The validation partition lacks words or noise, or a setting is out of range.
    """
    made = compose.plan(dataset, compose.Recipe.of(config.stream, VALIDATION, config.seed))
    check(config.labels, [made.utterances])
    audio = _told(compose.render(made, dataset), made.samples, progress)
    settings, hop = config.features, Settings.of(config).hop
    along = np.concatenate(list(frames.floats(audio, settings, compose.BLOCK // settings.stride)))
    windows = sliding_window_view(along, settings.frames, axis=0)[::hop].transpose(0, 2, 1)
    seconds = (settings.samples + np.arange(len(windows)) * (hop * settings.stride)) / SAMPLE_RATE
    detector = asdict(config.export.detector) | {"minimum_count": 1}  # which fits the shortest window
    point = OperatingPoint.of(detector, config.labels)

    def count(predict: Predict) -> float:
        starts = range(0, len(windows), AT_ONCE)
        parts = [levels(predict(np.ascontiguousarray(windows[at : at + AT_ONCE]))) for at in starts]
        scores = Scores(config.labels, seconds, np.concatenate(parts))
        heard = Stream(scores, made.utterances, made.samples / SAMPLE_RATE)
        most = allowed(config.stream.max_false_accepts_per_hour, heard.hours)
        points = [replace(point, average_window_ms=window) for window in Space().average_window_ms]
        return min(_least(curve.det([heard], one)[0], most) for one in points)

    return count


def _least(everything: curve.Curve, most: int) -> float:
    return float(everything.false_reject_rates[everything.false_accepts <= most].min(initial=1.0))


def levels(logits: NDArray[np.float32]) -> NDArray[np.int8]:
    """Return what the network's last layer would give on the device: probabilities in 256 steps from -128."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return quantize(powers / powers.sum(axis=1, keepdims=True), 1 / 256, -128)


def _told(blocks: Iterable[NDArray[np.int16]], samples: int, progress: Progress) -> Iterator[NDArray[np.int16]]:
    done = 0
    for block in blocks:
        done += len(block)
        progress(f"seconds of {VALIDATION} audio", done // SAMPLE_RATE, math.ceil(samples / SAMPLE_RATE))
        yield block
