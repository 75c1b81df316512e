from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws_exp.stream.choose import matched
from kws_exp.stream.events import OperatingPoint, Scores, Stream, Utterance
from kws_exp.stream.quarters import PARTS, quarters
from tests.stream.random_streams import stream


@given(st.floats(20, 200), st.integers(0, 100), st.sampled_from([0.5, 3.0, 8.0]))
def test_the_parts_are_the_whole(seconds: float, seed: int, gap: float) -> None:
    whole = stream(seconds, seed, 100, gap=1.2 + gap)
    parts = quarters(whole)
    begins = np.cumsum([0.0, *(part.seconds for part in parts)])
    assert len(parts) == PARTS and begins[-1] == pytest.approx(seconds)
    assert min(part.seconds for part in parts) > 0
    times = np.concatenate([part.scores.seconds + begin for part, begin in zip(parts, begins[:-1], strict=True)])
    assert np.allclose(times, whole.scores.seconds)
    assert np.array_equal(np.concatenate([part.scores.values for part in parts]), whole.scores.values)
    said = [(one, begin) for part, begin in zip(parts, begins[:-1], strict=True) for one in part.utterances]
    assert [one.word for one, _ in said] == [one.word for one in whole.utterances]
    assert np.allclose([one.begin + begin for one, begin in said], [one.begin for one in whole.utterances])
    assert np.allclose([one.end + begin for one, begin in said], [one.end for one in whole.utterances])


def test_no_word_fires_beyond_a_cut() -> None:
    whole, point = stream(600, 3, 100, gap=4.0), OperatingPoint((255, 255, 150, 150, 150, 150), 500, repeat=True)
    assert matched(quarters(whole), point).figures().hits == matched([whole], point).figures().hits > 50


@pytest.mark.parametrize(
    ("said", "seconds", "cuts"),
    [
        ([(29.5, 30.5), (50.8, 51.8), (89.5, 90.5)], 120, [22.25, 63.4, 82.25]),
        ([(0, 100), (10, 11), (59.5, 60.5), (100, 101)], 160, [40.0, 80.0, 120.5]),  # one over others
        ([(at, at + 1) for at in range(40)], 40, [10.0, 20.0, 30.0]),  # no pause
        ([], 100, [25.0, 50.0, 75.0]),
    ],
)
def test_cuts_lie_in_the_longest_pauses(said: list[tuple[float, float]], seconds: float, cuts: list[float]) -> None:
    times = np.arange(1, seconds, 0.1)
    utterances = tuple(Utterance("yes", *one) for one in said)
    scores = Scores(("_silence_", "_unknown_", "yes"), times, np.zeros((len(times), 3), np.int8))
    parts = quarters(Stream(scores, utterances, seconds))
    assert np.cumsum([part.seconds for part in parts]) == pytest.approx([*cuts, seconds])
