from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws_exp.stream.choose import matched
from kws_exp.stream.events import OperatingPoint
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


def test_without_a_word_the_parts_are_of_one_length() -> None:
    silent = replace(stream(100, 1, 100), utterances=())
    assert [part.seconds for part in quarters(silent)] == [25.0] * PARTS
