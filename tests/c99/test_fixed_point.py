from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws_exp.c99 import fixed_point


@given(st.integers(-(2**31) + 1, 0), st.sampled_from([4, 5]))
def test_exp(raw: int, integer_bits: int) -> None:
    true = math.exp(raw / 2 ** (31 - integer_bits))
    assert fixed_point.exp(raw, integer_bits) / 2**31 == pytest.approx(true, abs=1e-6)


@given(st.integers(-(2**31) + 1, 2**31 - 1))
def test_logistic_and_tanh(raw: int) -> None:
    real = raw / 2**27
    assert fixed_point.logistic(raw) / 2**31 == pytest.approx(1 / (1 + math.exp(-real)), abs=1e-6)
    assert fixed_point.tanh(raw) / 2**31 == pytest.approx(math.tanh(real), abs=1e-6)
    assert fixed_point.tanh(-raw) == -fixed_point.tanh(raw)


@pytest.mark.parametrize(
    ("value", "bits", "quotient"), [(3, 1, 2), (-3, 1, -2), (5, 0, 5), (-5, 0, -5), (-1, 1, -1), (1, 2, 0)]
)
def test_halves_go_away_from_zero(value: int, bits: int, quotient: int) -> None:
    assert fixed_point.divide_by_power(value, bits) == quotient


def test_halves_of_a_product_go_upwards() -> None:
    assert fixed_point.multiply_high(2**30, 1) == 1
    assert fixed_point.multiply_high(-(2**30), 1) == 0
