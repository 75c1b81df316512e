"""What :func:`kws_exp.stream.detect.detect` finds in a whole recording, found as it goes on: the same bytes.

It remembers the runs of the network within one averaging window and the last detection, however long it listens. The
surprising fact: the average that is shown is there from the first run on, but nothing fires before the window is a
quarter full.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kws_exp.schema import SILENCE
from kws_exp.stream import scores
from kws_exp.stream.detect import clock
from kws_exp.stream.events import Detection, OperatingPoint
from kws_exp.stream.spotter import Spotter


@dataclass(frozen=True, eq=False)
class Moment:
    """What is known after one run of the network."""

    seconds: float  # from the start to the end of the newest frame
    averages: NDArray[np.int64]  # (labels,), 0 ... 255, over the averaging window
    detection: Detection | None  # silence and unknown included


class Detector:
    """The rules of ``kws_postprocess.h``, fed by hand.

    Args:
        labels: The network's.
        point: With a threshold for each label.

    Raises:
        ValueError: There is not one threshold for each label.
    """

    def __init__(self, labels: Sequence[str], point: OperatingPoint) -> None:
        if len(point.thresholds) != len(labels):
            raise ValueError(f"{len(point.thresholds)} thresholds for {len(labels)} labels")
        self.labels, self.point = tuple(labels), point
        self._window: deque[tuple[int, NDArray[np.int64]]] = deque()  # milliseconds, scores from 0 to 255
        self._sums = np.zeros(len(self.labels), np.int64)
        self._detected, self._detected_at, self._suppressed = SILENCE, 0, False

    def push(self, seconds: float, outputs: NDArray[np.int8]) -> Moment:
        """Take the raw outputs (labels,) of the next run, whose newest frame ends at ``seconds``."""
        now = int(clock(np.array(seconds)))
        self._window.append((now, outputs.astype(np.int64) + 128))
        self._sums += self._window[-1][1]
        while now - self._window[0][0] > self.point.average_window_ms:
            self._sums -= self._window.popleft()[1]
        averages = self._sums // len(self._window)  # cut before they are compared: the first of equals is on top
        return Moment(now / 1000, averages, self._decided(now, averages))

    def _decided(self, now: int, averages: NDArray[np.int64]) -> Detection | None:
        point, top = self.point, int(averages.argmax())
        label, score = self.labels[top], int(averages[top])
        full = now - self._window[0][0] >= point.average_window_ms // 4
        if not full or score <= point.thresholds[top] or len(self._window) < point.minimum_count:
            return None
        held = self._suppressed and now - self._detected_at <= point.suppression_ms
        same = label == self._detected
        if (held and (not point.repeat or same)) or (not point.repeat and same):
            return None
        self._detected, self._detected_at, self._suppressed = label, now, label != SILENCE
        return Detection(label, now / 1000, score)


def moments(blocks: scores.Samples, spotter: Spotter, live: bool = True) -> Iterator[Moment]:
    """Yield a moment for each run of the network along a stream, at the operating point of the export.

    Args:
        blocks: Samples at 16 kHz, of any number at a time.
        spotter: The model.
        live: Each as soon as its samples are there; else ahead, in threads, with the same values.
    """
    detector = Detector(spotter.labels, OperatingPoint.of(spotter.detector, spotter.labels))
    for part in scores.stream(blocks, spotter, live=live):
        for seconds, outputs in zip(part.seconds.tolist(), part.values, strict=True):
            yield detector.push(seconds, outputs)
