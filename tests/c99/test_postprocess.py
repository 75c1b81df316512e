from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws_exp.c99 import host
from kws_exp.c99.settings import NAME, Settings, write
from tests.c99 import programs
from tests.c99.recognize import Recognizer

pytestmark = pytest.mark.skipif(host.compiler() is None, reason="no C compiler")

MAIN = """
#include <stdio.h>
#include "kws_postprocess.h"

int main(void)
{
    static kws_postprocess state;
    struct {
        uint32_t time_ms;
        int8_t scores[KWS_LABELS];
    } result;
    kws_postprocess_init(&state);
    while (fread(&result.time_ms, sizeof result.time_ms, 1, stdin) == 1) {
        if (fread(result.scores, sizeof result.scores, 1, stdin) != 1)
            return 1;
        const kws_detection detection = kws_postprocess_add(&state, result.scores, result.time_ms);
        printf("%d %u %u %u\\n", (int)detection.label, (unsigned)detection.time_ms, (unsigned)detection.score,
               (unsigned)detection.is_new);
    }
    return 0;
}
"""
SILENCE, UNKNOWN, YES, NO = range(4)
CLASSIC = Settings(("silence", "unknown", "yes", "no"), 16000, 16000, frames=49, channels=40, stride_ms=20)
KINDS = {
    "classic": CLASSIC,
    "micro_speech": dataclasses.replace(CLASSIC, repeat=True),
    "every frame": dataclasses.replace(CLASSIC, hop_frames=1),
    "own thresholds": dataclasses.replace(
        CLASSIC, thresholds=(120, 255, 90, 0), average_window_ms=301, suppression_ms=250
    ),
    "no suppression": dataclasses.replace(CLASSIC, suppression_ms=0, minimum_count=1, average_window_ms=4, repeat=True),
    "silence is last": dataclasses.replace(CLASSIC, silence_label=3, detection_threshold=100, suppression_ms=700),
}


def thresholds(settings: Settings) -> Sequence[int]:
    return settings.thresholds or [settings.detection_threshold] * len(settings.labels)


def build(folder: Path, settings: Settings, *more: Sequence[str]) -> Path:
    write(settings, folder)
    return programs.make(folder, MAIN, ["kws_postprocess.c"], *more)


Detections = list[tuple[int, ...]]


def run(program: Path, results: Sequence[tuple[int, Sequence[int]]]) -> Detections:
    data = b"".join(np.uint32(time % 2**32).tobytes() + np.array(scores, np.int8).tobytes() for time, scores in results)
    return [tuple(map(int, line.split())) for line in programs.feed(program, data).splitlines()]


def one(label: int, others: int = -128) -> list[int]:
    return [127 if label == at else others for at in range(4)]


def new(detections: Detections) -> list[tuple[int, int]]:
    """Return label and time of what was detected."""
    return [(label, time) for label, time, _, is_new in detections if is_new]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: build(tmp_path_factory.mktemp("postprocess"), settings) for name, settings in KINDS.items()}


# of each stretch: its label, how sure, for how many runs of the network, how far apart
stretches = st.lists(st.tuples(st.integers(0, 3), st.integers(-128, 127), st.integers(1, 15), st.integers(0, 130)))


@pytest.mark.parametrize("name", KINDS)
@given(sequence=stretches, start=st.integers(0, 2**31), seed=st.integers(0, 2**32))
def test_against_the_reference(
    built: dict[str, Path], name: str, sequence: list[tuple[int, int, int, int]], start: int, seed: int
) -> None:
    rng, results, time = np.random.default_rng(seed), [], start
    least = KINDS[name].hop * 20  # the queue has room for as many
    for label, score, runs, gap in sequence:
        for _ in range(runs):
            scores = rng.integers(-128, max(-127, score), 4)
            scores[label] = score
            results.append((time, scores.tolist()))
            time += least + gap
    recognizer = Recognizer(KINDS[name], thresholds(KINDS[name]))
    assert run(built[name], results) == [recognizer.add(*result) for result in results]


def test_detects_once_as_in_the_test_of_tensorflow(tmp_path: Path) -> None:
    program = build(tmp_path, dataclasses.replace(CLASSIC, detection_threshold=51, repeat=True))
    results = [(time * 100, one(YES if time < 10 else NO)) for time in range(20)]
    detections = run(program, results)
    assert [label for label, _ in new(detections)] == [YES, NO]
    assert detections[-1] == (NO, 1900, 231, 0)
    assert [score for _, _, score, _ in detections[:3]] == [0, 0, 0]  # less than a quarter of the window


def test_first_detection_is_when_the_window_is_a_quarter_full(built: dict[str, Path]) -> None:
    detections = run(built["classic"], [(1000 + 100 * i, one(YES)) for i in range(30)])
    assert new(detections) == [(YES, 1300)]
    assert detections[0] == (SILENCE, 1000, 0, 0)
    assert detections[3] == (YES, 1300, 255, 1)


def test_a_word_is_detected_again_only_after_another_label(built: dict[str, Path]) -> None:
    yes_silence_yes = [(100 * i, one(SILENCE if 30 <= i < 45 else YES)) for i in range(80)]
    assert new(run(built["classic"], yes_silence_yes)) == [(YES, 300), (SILENCE, 3800), (YES, 5300)]
    unsure = [(100 * i, [-128] * 4 if 30 <= i < 45 else one(YES)) for i in range(80)]
    assert new(run(built["classic"], unsure)) == [(YES, 300)]
    detected = new(run(built["micro_speech"], [(100 * i, one(YES)) for i in range(60)]))
    assert detected == [(YES, 300), (YES, 1900), (YES, 3500), (YES, 5100)]  # more than 1500 ms apart


def test_suppression_holds_back_other_words_in_the_classic_only(built: dict[str, Path]) -> None:
    yes_no = [(100 * i, one(YES if i < 6 else NO)) for i in range(40)]
    assert new(run(built["classic"], yes_no)) == [(YES, 300), (NO, 1900)]
    assert new(run(built["micro_speech"], yes_no))[:2] == [(YES, 300), (NO, 1400)]


def test_no_suppression_after_silence(built: dict[str, Path]) -> None:
    words = [(100 * i, one((YES, SILENCE, NO)[min(i // 20, 2)])) for i in range(60)]
    detected = new(run(built["classic"], words))
    assert detected == [(YES, 300), (SILENCE, 2800), (NO, 4800)]


def test_the_average_is_cut_and_must_be_above_the_threshold(tmp_path: Path) -> None:
    program = build(tmp_path, dataclasses.replace(CLASSIC, thresholds=(255, 255, 199, 200), average_window_ms=400))
    scores = [72, 72, 72, 71, 72]  # 200 four times, 199 once: 199.8
    yes, no = (
        [(100 * i, [-128, -128, *pair]) for i, pair in enumerate(pairs)]
        for pairs in ([(score, -128) for score in scores], [(-128, score + 1) for score in scores])
    )
    assert run(program, yes)[-1] == (YES, 400, 199, 0)
    assert new(run(program, yes)) == [(YES, 200)]
    assert run(program, no)[-1] == (NO, 400, 200, 0)


def test_the_first_of_equals_is_on_top(built: dict[str, Path]) -> None:
    results = [(100 * i, [-128, 90, 90, 90]) for i in range(6)]
    assert new(run(built["classic"], results)) == [(UNKNOWN, 300)]
    assert run(built["classic"], [(100 * i, [-128] * 4) for i in range(6)])[-1] == (SILENCE, 500, 0, 0)


def test_clock_runs_over(built: dict[str, Path]) -> None:
    results = [(2**32 - 1000 + 100 * i, one(SILENCE if 15 <= i < 30 else YES)) for i in range(60)]
    before = [(time - 2**32 + 10**6, scores) for time, scores in results]
    for name in KINDS:
        assert [row[2:] for row in run(built[name], results)] == [row[2:] for row in run(built[name], before)]


def test_suppression_does_not_return_when_the_clock_comes_round(built: dict[str, Path]) -> None:
    # nothing is detected for 2**32 ms, but results keep coming
    quiet = [(time, [-128] * 4) for time in range(4000, 2**32, 2**30)]
    results = [*((100 * i, one(YES)) for i in range(10)), *quiet, *((2**32 + 100 * i, one(NO)) for i in range(9))]
    assert new(run(built["classic"], results)) == [(YES, 300), (NO, 300)]


def test_more_results_than_the_queue_holds(built: dict[str, Path]) -> None:
    detections = run(built["classic"], [(50 * i, one(YES if i < 100 else NO)) for i in range(200)])
    assert detections[110][:3] == (NO, 5500, 11 * 255 // 12)  # of the newest 12, though the window has 21


@pytest.mark.parametrize("flags", [(programs.CHECKED,), (programs.PLUS_PLUS, ["g++"])])
def test_sanitizers_and_c_plus_plus(flags: tuple[Sequence[str], ...], tmp_path: Path) -> None:
    if len(flags) == 2 and not shutil.which("g++"):
        pytest.skip("no C++ compiler")
    program = build(tmp_path, KINDS["own thresholds"], *flags)
    rng = np.random.default_rng(2)
    results = [(2**32 - 20000 + 95 * i, rng.integers(-128, 128, 4).tolist()) for i in range(400)]
    recognizer = Recognizer(KINDS["own thresholds"], thresholds(KINDS["own thresholds"]))
    expected = [recognizer.add(*result) for result in results]
    assert run(program, results) == [(label, time % 2**32, *rest) for label, time, *rest in expected]
    assert len(new(run(program, results))) > 3


def test_settings() -> None:
    assert CLASSIC.hop == 5
    assert CLASSIC.results == 12
    assert dataclasses.replace(CLASSIC, stride_ms=300, frames=3).hop == 1
    assert dataclasses.replace(CLASSIC, stride_ms=10, frames=4).hop == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"thresholds": (1, 2)}, "2 thresholds for 4 labels"),
        ({"detection_threshold": 256}, "must be from 0 to 255"),
        ({"hop_frames": 50}, "hop_frames=50 must be from 1 to 49"),
        ({"average_window_ms": 3}, "average_window_ms=3 must be at least 4"),
        ({"average_window_ms": 199}, "minimum_count=3 must be from 1 to 2"),
        ({"minimum_count": 0}, "minimum_count=0 must be from 1 to 11"),
    ],
)
def test_settings_that_cannot_work(change: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        write(dataclasses.replace(CLASSIC, **change), tmp_path)  # type: ignore[arg-type]
    assert not (tmp_path / NAME).exists()
