"""Real multipliers as the integers that TensorFlow Lite Micro derives from them when it loads a model.

Quotients of scales are double, the limits of an activation single precision, as there: a multiplier that differs
in its last bit turns the occasional output byte. Published sources of TensorFlow Lite Micro take some quotients in
single precision, too; its interpreter in the package tflite-micro, the measure here, does not.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from kws_exp.errors import KwsError

INT8_MIN, INT8_MAX = -128, 127
LARGEST_SUM = 2**30 - 1  # kws_rescale takes no more


class Multiplier(NamedTuple):
    """``value * 2 ** (shift - 31)``."""

    value: int  # 0, or 2**30 to 2**31 - 1
    shift: int  # -31 to 30


class Limits(NamedTuple):
    """What an int8 is clamped to."""

    minimum: int
    maximum: int


def quantize_multiplier(real: float) -> Multiplier:
    """Return the nearest multiplier to ``real`` (0 or more), as ``tflite::QuantizeMultiplier`` does.

    Raises:
        KwsError: The shift would pass 30: the sums of such a layer overflow on the device.
    """
    fraction, shift = math.frexp(real)
    value = math.floor(fraction * 2**31 + 0.5)
    if value == 2**31:
        value, shift = 2**30, shift + 1
    if shift < -31:
        return Multiplier(0, 0)
    if shift > 30:
        raise KwsError(
            f"The C99 export cannot multiply by {real:g}, which two scales of the model ask for: at most 2^30 fits "
            "an int32; calibrate the model on features of its own kind."
        )
    return Multiplier(value, shift)


def activation_limits(activation: str, scale: float, zero_point: int) -> Limits | None:
    """Return the int8 range that a fused activation leaves of an output, or None for an unknown activation."""

    def quantized(real: float) -> int:
        return zero_point + round_half_away(float(np.float32(real) / np.float32(scale)))

    ranges = {
        "NONE": (INT8_MIN, INT8_MAX),
        "RELU": (quantized(0), INT8_MAX),
        "RELU6": (quantized(0), quantized(6)),
        "RELU_N1_TO_1": (quantized(-1), quantized(1)),
    }
    if activation not in ranges:
        return None
    low, high = ranges[activation]
    return Limits(max(INT8_MIN, low), min(INT8_MAX, high))


def round_half_away(value: float) -> int:
    """Round as ``std::round`` does."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def mean_multiplier(input_scale: float, output_scale: float, count: int) -> Multiplier:
    """Return the multiplier of a sum of ``count`` values that makes it their mean.

    The quotient of scales is quantised first and divided by ``count`` in integers afterwards, with as many more
    bits as 64-bit arithmetic and the range of a shift allow.
    """
    whole, shift = quantize_multiplier(input_scale / output_scale)
    more = min(count.bit_length() - 1, 32, 31 + shift)
    return Multiplier((whole << more) // count, shift - more)
