from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kws_exp.c99 import host
from kws_exp.c99.settings import Settings
from kws_exp.schema import SILENCE, UNKNOWN
from kws_exp.stream.detect import clock, detect
from kws_exp.stream.events import NEVER, OperatingPoint, Scores
from tests.c99.test_postprocess import build, run, stretches
from tests.stream.random_streams import stream

LABELS = (SILENCE, UNKNOWN, "yes", "no")
CLASSIC = OperatingPoint((200,) * 4)
KINDS = {
    "classic": (LABELS, 5, CLASSIC),
    "micro_speech": (LABELS, 5, replace(CLASSIC, repeat=True)),
    "every frame": (LABELS, 1, replace(CLASSIC, thresholds=(90,) * 4, average_window_ms=330, repeat=True)),
    "own thresholds": (LABELS, 4, OperatingPoint((120, 255, 90, 0), 301, 250, 2)),
    "no suppression": (LABELS, 2, OperatingPoint((50,) * 4, 4, 0, 1, True)),
    "silence is last": ((UNKNOWN, "yes", "no", SILENCE), 5, OperatingPoint((100,) * 4, suppression_ms=700)),
}
needs_compiler = pytest.mark.skipif(host.compiler() is None, reason="no C compiler")


def of_device(labels: tuple[str, ...], hop: int, point: OperatingPoint) -> Settings:
    made = Settings(labels, 16000, 16000, 49, 40, 20.0, hop_frames=hop, silence_label=labels.index(SILENCE))
    return replace(made, **point.settings())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: build(tmp_path_factory.mktemp("detect"), of_device(*kind)) for name, kind in KINDS.items()}


def fired(program: Path, scores: Scores, times: list[int]) -> list[tuple[str, float, int]]:
    """Return what the C program detects."""
    detections = run(program, list(zip(times, scores.values.tolist(), strict=True)))
    return [(scores.labels[label], time / 1000, score) for label, time, score, is_new in detections if is_new]


def ours(scores: Scores, point: OperatingPoint, times: list[int] | None = None) -> list[tuple[str, float, int]]:
    milliseconds = None if times is None else np.array(times, np.int64)
    return [(one.word, one.seconds, one.score) for one in detect(scores, point, milliseconds)]


@needs_compiler
@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=40)
@given(sequence=stretches, start=st.integers(0, 2**31), seed=st.integers(0, 2**32))
def test_detects_what_the_c_program_detects(
    built: dict[str, Path], name: str, sequence: list[tuple[int, int, int, int]], start: int, seed: int
) -> None:
    labels, hop, point = KINDS[name]
    rng = np.random.default_rng(seed)
    runs = [stretch for stretch in sequence for _ in range(stretch[2])]
    values = np.array([rng.integers(-128, max(-127, score), 4) for _, score, _, _ in runs], np.int8).reshape(-1, 4)
    for row, (label, score, _, _) in zip(values, runs, strict=True):
        row[label] = score
    times = (start + np.cumsum([hop * 20 + gap for *_, gap in runs], dtype=np.int64)).tolist()
    scores = Scores(labels, np.array(times) / 1000, values)
    assert ours(scores, point, times) == fired(built[name], scores, times)
    assert ours(scores, point) == ours(scores, point, times)


@needs_compiler
@pytest.mark.parametrize("name", ["every frame", "own thresholds"])
def test_detects_what_the_c_program_detects_in_a_stream(built: dict[str, Path], name: str) -> None:
    labels, hop, point = KINDS[name]
    made = stream(120, 3, hop * 20.0).scores
    scores = Scores(labels, made.seconds, np.ascontiguousarray(made.values[:, :4]))
    found = ours(scores, point)
    assert found == fired(built[name], scores, clock(scores.seconds).tolist())
    assert len(found) > 20


@given(samples=st.integers(0, 2**38), rate=st.sampled_from([8000, 11025, 16000, 44100, 48000, 96000]))
def test_the_clock_cuts_to_milliseconds_as_integers_do(samples: int, rate: int) -> None:
    assert clock(np.array([samples / rate])).tolist() == [samples * 1000 // rate]


def test_a_word_fires_again_only_after_another_label_or_when_it_may_repeat() -> None:
    values = np.full((80, 4), -128, np.int8)
    values[:, 2] = 127
    scores = Scores(LABELS, 1 + np.arange(80) / 10, values)
    assert ours(scores, CLASSIC) == [("yes", 1.3, 255)]
    again = [(word, time) for word, time, _ in ours(scores, replace(CLASSIC, repeat=True))]
    assert again == [("yes", 1.3), ("yes", 2.9), ("yes", 4.5), ("yes", 6.1), ("yes", 7.7)]
    values[30:45, 2], values[30:45, 0] = -128, 127
    assert [word for word, *_ in ours(scores, CLASSIC)] == ["yes", SILENCE, "yes"]


def test_nothing_is_above_255() -> None:
    values = np.full((80, 4), 127, np.int8)
    scores = Scores(LABELS, np.arange(80) / 10, values)
    assert ours(scores, replace(CLASSIC, thresholds=(NEVER,) * 4)) == []
    assert ours(scores, replace(CLASSIC, thresholds=(254,) * 4, repeat=True))


def test_nothing_comes_of_nothing() -> None:
    assert detect(Scores(LABELS, np.empty(0), np.empty((0, 4), np.int8)), CLASSIC) == []


def test_each_label_has_its_threshold() -> None:
    with pytest.raises(ValueError, match="3 thresholds for 4 labels"):
        detect(Scores(LABELS, np.empty(0), np.empty((0, 4), np.int8)), OperatingPoint((1, 2, 3)))
