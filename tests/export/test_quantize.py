from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kws_exp.export import dequantize, quantize

SCALES = st.floats(2.0**-10, 2.0, width=32)
ZERO_POINTS = st.integers(-128, 127)


@given(st.floats(-1e6, 1e6, width=32), SCALES, ZERO_POINTS)
def test_halves_round_away_from_zero_and_the_ends_saturate(value: float, scale: float, zero: int) -> None:
    quotient = float(np.float32(value) / np.float32(scale))
    expected = math.copysign(math.floor(abs(quotient) + 0.5), quotient) + zero
    assert quantize(np.array([value], np.float32), scale, zero)[0] == min(max(expected, -128), 127)


def test_ties() -> None:
    values = np.array([-1.5, -0.5, 0.5, 1.5, 2.5, np.nextafter(np.float32(0.5), np.float32(0))], np.float32)
    assert quantize(values, 1.0, 0).tolist() == [-2, -1, 1, 2, 3, 0]


@given(SCALES, ZERO_POINTS)
def test_every_int8_value_survives_the_way_there_and_back(scale: float, zero: int) -> None:
    values = np.arange(-128, 128).astype(np.int8)
    np.testing.assert_array_equal(quantize(dequantize(values, scale, zero), scale, zero), values)
