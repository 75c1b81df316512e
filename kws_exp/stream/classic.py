"""The speech_commands tutorial's own rules: RecognizeCommands and StreamingAccuracyStats.

From recognize_commands and accuracy_utils in tensorflow/examples/speech_commands, which exist in Python and in C++.
Where they differ: a quarter of the window is not cut to whole milliseconds, as in Python, and an utterance that was
matched twice counts once, as in C++ (Python can report more than 100 % matched).

Two surprising facts. The same word cannot fire twice in a row: another label, silence will do, has to be detected
between. And the tutorial's times are those of the *beginning* of the second that the network heard, as its labels are
those of the beginnings of words, so that the tolerance of 1500 ms is to either side.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_exp.schema import SILENCE
from kws_exp.stream.events import Detection, Scores, Utterance
from kws_exp.stream.labels import CLIP_SECONDS

TOLERANCE = 1.5  # seconds


@dataclass(frozen=True)
class Rule:
    """Settings of RecognizeCommands, with the defaults of its C++ class."""

    average_window_ms: int = 1000
    threshold: float = 0.2  # of 1, for the average
    suppression_ms: int = 500
    minimum_count: int = 3


STREAMING_TEST = Rule(500, 0.7, 500, 4)  # test_streaming_accuracy.py


@dataclass(frozen=True)
class Found:
    """A label that fired."""

    word: str
    milliseconds: int
    score: float  # 0 ... 1, averaged


@dataclass(frozen=True)
class Statistics:
    """The counts of StreamingAccuracyStats."""

    ground_truth: int
    matched: int
    correct: int
    wrong: int
    false_positives: int

    def percentages(self) -> dict[str, float] | None:
        """Return matched, correct, wrong and false_positive in per cent of the ground truth; None without any."""
        counts = {
            "matched": self.matched,
            "correct": self.correct,
            "wrong": self.wrong,
            "false_positive": self.false_positives,
        }
        return {name: 100 * count / self.ground_truth for name, count in counts.items()} if self.ground_truth else None


def recognize(
    labels: Sequence[str], values: NDArray[np.floating[Any]], milliseconds: Sequence[int], rule: Rule
) -> list[Found]:
    """Return all labels that fire, silence and unknown included.

    Args:
        labels: Of the columns.
        values: (runs, labels), probabilities.
        milliseconds: (runs,), in order.
        rule: The settings.
    """
    found: list[Found] = []
    queue: deque[int] = deque()
    for run, time in enumerate(milliseconds):
        queue.append(run)
        while milliseconds[queue[0]] < time - rule.average_window_ms:
            queue.popleft()
        first, count = queue[0], len(queue)
        if count < rule.minimum_count or time - milliseconds[first] < rule.average_window_ms / 4:
            continue
        averages = (values[first : run + 1] / count).sum(axis=0, dtype=np.float64)
        top = int(averages.argmax())
        if averages[top] > rule.threshold and _may_fire(labels[top], int(time), found, rule):
            found.append(Found(labels[top], int(time), float(averages[top])))
    return found


def _may_fire(label: str, time: int, found: Sequence[Found], rule: Rule) -> bool:
    """Tell whether another label fired before, and either it was silence or suppression is over."""
    previous = found[-1] if found else Found(SILENCE, 0, 0.0)
    over = previous.word == SILENCE or time - previous.milliseconds > rule.suppression_ms
    return label != previous.word and over


def detect(scores: Scores, rule: Rule = STREAMING_TEST) -> list[Detection]:
    """Return what RecognizeCommands detects in a recording, at the tutorial's times: a clip before ours.

    An int8 score is a probability times 256, less 128, as TensorFlow Lite fixes the output of a softmax.
    """
    from kws_exp.stream.detect import clock  # Numba, that a reader of statistics can do without

    probabilities = (scores.values.astype(np.float32) + 128) / 256
    times = clock(scores.seconds - CLIP_SECONDS).tolist()
    found = recognize(scores.labels, probabilities, times, rule)
    return [Detection(one.word, one.milliseconds / 1000, min(255, round(one.score * 256))) for one in found]


def statistics(
    utterances: Sequence[Utterance], detections: Sequence[Detection], tolerance: float = TOLERANCE
) -> Statistics:
    """Count as StreamingAccuracyStats does at the end of a recording.

    Each detection is matched to the first utterance that begins within the tolerance: it is correct if they are the
    same label and nothing was matched to the utterance before, else wrong; without an utterance it is a false
    positive. Silence is no detection; unknown is one, and an utterance too.

    Args:
        utterances: The ground truth; their ends do not matter.
        detections: In the order of time, at the tutorial's times (see :func:`detect`).
        tolerance: Seconds.
    """
    truth = sorted(((round(1000 * one.begin), one.word) for one in utterances), key=lambda entry: entry[0])
    matched: set[int] = set()  # by time, as there
    counts = Counter[str]()
    for detection in detections:
        if detection.word != SILENCE:
            near = _first_near(truth, round(1000 * detection.seconds), round(1000 * tolerance))
            same = near is not None and near[1] == detection.word and near[0] not in matched
            counts["false positive" if near is None else "correct" if same else "wrong"] += 1
            matched |= {near[0]} if near else set()
    return Statistics(len(truth), len(matched), counts["correct"], counts["wrong"], counts["false positive"])


def _first_near(truth: Sequence[tuple[int, str]], time: int, tolerance: int) -> tuple[int, str] | None:
    at = bisect_left(truth, time - tolerance, key=lambda entry: entry[0])
    return truth[at] if at < len(truth) and truth[at][0] <= time + tolerance else None
