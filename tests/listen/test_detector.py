from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kws_exp.features.log_mel import LogMel
from kws_exp.features.micro import Micro
from kws_exp.listen.detector import Detector, Moment, moments
from kws_exp.schema import SILENCE, UNKNOWN
from kws_exp.stream import detect, scores, spotter
from kws_exp.stream.events import Detection, OperatingPoint, Scores
from kws_exp.stream.spotter import Spotter
from tests.stream import exports

LABELS = (SILENCE, UNKNOWN, "yes", "no")
RULES = {"thresholds": (70, 80, 70, 60), "suppression_ms": 300}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Spotter]]:
    """Spotters that fire at little, one whose front end remembers and one whose does not."""
    folders = [exports.make(kind, tmp_path_factory.mktemp(kind.name)) for kind in (Micro(), LogMel(stride_ms=15))]
    with spotter.opened(folders[0]) as one, spotter.opened(folders[1]) as other:
        yield [replace(model, detector={**model.detector, **RULES}) for model in (one, other)]


@pytest.fixture(scope="module")
def pcm() -> NDArray[np.int16]:
    return exports.recorded(12)


def batch(pcm: NDArray[np.int16], model: Spotter) -> tuple[Scores, list[Detection]]:
    parts = list(scores.stream([pcm], model))
    seconds, values = (np.concatenate([getattr(part, name) for part in parts]) for name in ("seconds", "values"))
    found = Scores(model.labels, seconds, values)
    return found, detect.detect(found, OperatingPoint.of(model.detector, model.labels))


def same(heard: list[Moment], found: Scores, window: int) -> None:
    """Compare with the averages of the whole recording."""
    smoothed = detect.smooth(found, window)
    assert [moment.seconds * 1000 for moment in heard] == pytest.approx(smoothed.milliseconds.tolist())
    assert [int(moment.averages.argmax()) for moment in heard] == smoothed.top.tolist()
    full = smoothed.averages > 0
    averages = np.array([moment.averages.max() for moment in heard])
    np.testing.assert_array_equal(averages[full], smoothed.averages[full])


@pytest.mark.slow
@settings(max_examples=8)
@given(sizes=st.lists(st.integers(0, 30_000), max_size=12), live=st.booleans())
def test_equals_the_batch_path_whatever_the_blocks(
    opened: list[Spotter], pcm: NDArray[np.int16], sizes: list[int], live: bool
) -> None:
    blocks = np.split(pcm, np.minimum(np.cumsum(sizes, dtype=np.int64), len(pcm)))
    for model in opened:
        found, detections = batch(pcm, model)
        heard = list(moments(blocks, model, live))
        assert [moment.detection for moment in heard if moment.detection] == detections
        assert len(detections) > 3
        same(heard, found, model.detector["average_window_ms"])


@settings(max_examples=60)
@given(
    window=st.integers(1, 1500),
    suppression=st.integers(0, 2000),
    minimum=st.integers(1, 6),
    repeat=st.booleans(),
    thresholds=st.tuples(*[st.integers(0, 255)] * 4),
    stretches=st.lists(st.tuples(st.integers(0, 3), st.integers(-128, 127), st.integers(1, 15)), max_size=12),
    seed=st.integers(0, 2**32),
)
def test_equals_the_batch_rules(
    window: int,
    suppression: int,
    minimum: int,
    repeat: bool,
    thresholds: tuple[int, ...],
    stretches: list[tuple[int, int, int]],
    seed: int,
) -> None:
    point = OperatingPoint(thresholds, window, suppression, minimum, repeat)
    rng = np.random.default_rng(seed)
    rows = [(label, score) for label, score, length in stretches for _ in range(length)]
    values = rng.integers(-128, 0, (len(rows), 4)).astype(np.int8)
    for row, (label, score) in zip(values, rows, strict=True):
        row[label] = score
    found = Scores(LABELS, np.cumsum(rng.integers(1, 12, len(rows))) / 50, values)
    detector = Detector(LABELS, point)
    heard = [detector.push(*run) for run in zip(found.seconds.tolist(), values, strict=True)]
    assert [moment.detection for moment in heard if moment.detection] == detect.detect(found, point)
    same(heard, found, window)


def test_hours_need_no_more_memory_than_a_window() -> None:
    detector = Detector(LABELS, OperatingPoint((200,) * 4))
    for run in range(40_000):
        detector.push(1 + run / 10, np.zeros(4, np.int8))
    assert len(detector._window) == 11


def test_each_label_has_its_threshold() -> None:
    with pytest.raises(ValueError, match="3 thresholds for 4 labels"):
        Detector(LABELS, OperatingPoint((1, 2, 3)))
