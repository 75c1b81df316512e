"""Functions of a fixed-point number, bit for bit those of gemmlowp that TensorFlow Lite Micro calls.

A number Qm.n, with m + n = 31, stands for ``raw / 2**n``; the 1 of Q0.31 is ``2**31 - 1``. The device runs none
of this: it fills the device's tables (:mod:`kws_exp.c99.tables`). True exponentials, rounded, would not do: they
differ from these in the last bits, and so would the occasional output.
"""

from __future__ import annotations

import math

ONE = 2**31 - 1  # Q0.31


def multiply_high(first: int, second: int) -> int:
    """Return ``first * second / 2**31``, halves upwards: Qa times Qb in Q(a + b)."""
    return (first * second + 2**30) >> 31


def divide_by_power(value: int, bits: int) -> int:
    """Return ``value / 2**bits``, halves away from zero."""
    return (value + (1 << bits >> 1) - (value < 0 < bits)) >> bits


def rescale(value: int, multiplier: int, shift: int) -> int:
    """Return ``value * multiplier * 2**(shift - 31)``, rounded twice, as ``kws_rescale`` does on the device."""
    return divide_by_power(multiply_high(value << max(0, shift), multiplier), max(0, -shift))


def exp(raw: int, integer_bits: int) -> int:
    """Return exp, in Q0.31, of a number of at most 0 with that many integer bits (at most 5).

    A polynomial gives the part below 1/4, one factor for each binary digit from there on the rest.
    """
    if raw == 0:
        return ONE
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    below = (raw & (quarter - 1)) - quarter
    result = _exp_from_minus_quarter(below << integer_bits)
    for exponent in range(-2, integer_bits):
        if (below - raw) & 1 << (fraction_bits + exponent):
            result = multiply_high(result, round(math.exp(-(2.0**exponent)) * 2**31))
    return result


def _exp_from_minus_quarter(raw: int) -> int:
    """Return exp of a Q0.31 from -1/4 to 0: Taylor's polynomial of degree 4 around -1/8."""
    center, third = 1895147668, 715827883  # exp(-1/8), 1/3
    x = raw + 2**28
    square = multiply_high(x, x)
    cube, fourth = multiply_high(square, x), multiply_high(square, square)
    rest = divide_by_power(multiply_high(divide_by_power(fourth, 2) + cube, third) + square, 1)
    return _saturated(center + multiply_high(center, x + rest))


def _twice_reciprocal(raw: int) -> int:
    """Return 2 / (1 + a), in Q2.29, of a Q0.31 from 0 to 1: three Newton steps from 48/17 - 32/17 (1 + a) / 2."""
    half = (raw + 2**31) >> 1
    estimate = 1515870810 + multiply_high(half, -1010580540)
    for _ in range(3):
        estimate += multiply_high(estimate, 2**29 - multiply_high(half, estimate)) << 2
    return estimate


def logistic(raw: int) -> int:
    """Return 1 / (1 + exp(-a)), in Q0.31, of a Q4.27."""
    if raw == 0:
        return 2**30
    positive = _saturated(_twice_reciprocal(exp(-abs(raw), 4)) << 1)
    return positive if raw > 0 else ONE - positive


def tanh(raw: int) -> int:
    """Return tanh, in Q0.31, of a Q4.27: (1 - e) / (1 + e) with e = exp(-2 |a|)."""
    if raw == 0:
        return 0
    positive = _saturated((_twice_reciprocal(exp(-abs(raw), 5)) - 2**29) << 2)
    return positive if raw > 0 else -positive


def _saturated(value: int) -> int:
    return max(-(2**31), min(2**31 - 1, value))
