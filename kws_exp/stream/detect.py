"""Scores to detections, as ``kws_postprocess.c`` makes them on the device: the same labels at the same milliseconds.

The rules are in ``kws_postprocess.h``. They come in two halves. :func:`smooth` depends on the averaging window alone
and costs nearly all of the time; :func:`decide` goes over its result with thresholds, suppression and minimum count,
twenty times faster, which is what makes a search over operating points quick.

The surprising fact: the minimum count decides nothing but the first moments of a stream. The network runs at a fixed
hop, so that the averaging window is as full as it can be from its own length on.

Times are 64 bits wide here, 32 on the device: the same until the device has been on for 49 days, and after that too.
Nor does the queue of the device ever overflow: ``KWS_RESULTS`` has room for every run that a window can hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kws_exp.compiled import compiled
from kws_exp.schema import SILENCE
from kws_exp.stream.events import Detection, OperatingPoint, Scores


@dataclass(frozen=True, eq=False)
class Smoothed:
    """The label on top at each run of the network, for one averaging window."""

    labels: tuple[str, ...]
    milliseconds: NDArray[np.int64]  # (runs,)
    top: NDArray[np.int16]  # (runs,)
    averages: NDArray[np.int16]  # (runs,), of the label on top; 0 where the window is less than a quarter full
    counts: NDArray[np.int32]  # (runs,), of the runs in the window


def detect(scores: Scores, point: OperatingPoint, milliseconds: NDArray[np.int64] | None = None) -> list[Detection]:
    """Return all that fires, silence and unknown included.

    Args:
        scores: Of one recording, in the order of time.
        point: With a threshold for each label.
        milliseconds: (runs,), the times that the device counts, which are also those of the detections; without,
            those of :func:`clock`.

    Raises:
        ValueError: There is not one threshold for each label.
    """
    if len(point.thresholds) != len(scores.labels):
        raise ValueError(f"{len(point.thresholds)} thresholds for {len(scores.labels)} labels")
    smoothed = smooth(scores, point.average_window_ms, milliseconds)
    return [
        Detection(scores.labels[smoothed.top[run]], int(smoothed.milliseconds[run]) / 1000, int(smoothed.averages[run]))
        for run in decide(smoothed, point)
    ]


def clock(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return times in whole milliseconds as ``kws.c`` counts them: cut, not rounded.

    A time that is whole may be a little less in binary (1.001 s is 1000.9999999999999 ms), hence the thousandth of a
    millisecond; the times of samples at up to 96 kHz are ten times as far apart.
    """
    return np.floor(np.asarray(seconds) * 1000 + 1e-3).astype(np.int64)


def smooth(scores: Scores, average_window_ms: int, milliseconds: NDArray[np.int64] | None = None) -> Smoothed:
    """Average the scores over the window that ends with each run of the network."""
    times = clock(scores.seconds) if milliseconds is None else np.ascontiguousarray(milliseconds, np.int64)
    top, averages = (np.empty(len(times), np.int16) for _ in range(2))
    counts = np.empty(len(times), np.int32)
    _smooth(np.ascontiguousarray(scores.values), times, average_window_ms, top, averages, counts)
    return Smoothed(scores.labels, times, top, averages, counts)


def decide(smoothed: Smoothed, point: OperatingPoint) -> NDArray[np.int64]:
    """Return the runs of the network at which something fires, for a point with the window of ``smoothed``."""
    fired = np.empty(len(smoothed.top), np.int64)
    thresholds = np.array(point.thresholds, np.int64)
    return fired[: fire(smoothed, thresholds, point.suppression_ms, point.minimum_count, point.repeat, fired)]


def fire(
    smoothed: Smoothed,
    thresholds: NDArray[np.int64],
    suppression_ms: int,
    minimum_count: int,
    repeat: bool,
    fired: NDArray[np.int64],
) -> int:
    """Put the runs at which something fires into ``fired``, which has room for all, and return how many."""
    silence = smoothed.labels.index(SILENCE)
    columns = (smoothed.milliseconds, smoothed.top, smoothed.averages, smoothed.counts)
    return int(_decide(*columns, thresholds, suppression_ms, minimum_count, repeat, silence, fired))


@compiled
def _smooth(
    values: NDArray[np.int8],
    times: NDArray[np.int64],
    window: int,
    top: NDArray[np.int16],
    averages: NDArray[np.int16],
    counts: NDArray[np.int32],
) -> None:
    labels = values.shape[1]
    sums = np.zeros(labels, np.int64)
    first = 0
    for run in range(len(times)):
        while times[run] - times[first] > window:
            for label in range(labels):
                sums[label] -= values[first, label] + 128
            first += 1
        count, best, highest = run - first + 1, 0, -1
        for label in range(labels):
            sums[label] += values[run, label] + 128
            average = sums[label] // count  # cut before they are compared: the first of equals is on top
            if average > highest:
                best, highest = label, average
        full = times[run] - times[first] >= window // 4
        top[run], averages[run], counts[run] = best, highest if full else 0, count


@compiled
def _decide(
    times: NDArray[np.int64],
    top: NDArray[np.int16],
    averages: NDArray[np.int16],
    counts: NDArray[np.int32],
    thresholds: NDArray[np.int64],
    suppression: int,
    minimum_count: int,
    repeat: bool,
    silence: int,
    fired: NDArray[np.int64],
) -> int:
    detected, detected_at, number = silence, np.int64(0), 0
    suppressed = False
    for run in range(len(times)):
        label = top[run]
        if averages[run] <= thresholds[label] or counts[run] < minimum_count:
            continue
        held = suppressed and times[run] - detected_at <= suppression
        if (held and (not repeat or label == detected)) or (not repeat and label == detected):
            continue
        fired[number] = run
        number += 1
        detected, detected_at, suppressed = label, times[run], label != silence
    return number
