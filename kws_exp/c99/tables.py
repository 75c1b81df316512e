"""Layers that look their values up: any function of one int8, and the exponentials of a softmax.

TensorFlow Lite Micro computes these functions value by value; on the device a table of 256 bytes is shorter than
the fixed-point code, and many times as fast.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from kws_exp.c99 import fixed_point
from kws_exp.c99.graph import Operator, Tensor
from kws_exp.c99.kernels import Call, LookupLayer, SoftmaxLayer
from kws_exp.c99.quantization import INT8_MAX, INT8_MIN, quantize_multiplier, round_half_away

_VALUES = range(INT8_MIN, INT8_MAX + 1)
_EXP_BITS = 5  # integer bits of the argument of a softmax's exponential: nothing counts below -32
_CURVE_BITS = 4  # and of logistic's and tanh's: they are flat from 16 on
_MOST_CLASSES = 511  # from 512 equal scores on TensorFlow Lite Micro shifts by more than 31 bits


def lookup(operator: Operator) -> list[Call]:
    """Any operator of :data:`_FUNCTIONS`."""
    source, output = operator.inputs[0], operator.output
    table = [max(INT8_MIN, min(INT8_MAX, value)) for value in _FUNCTIONS[operator.name](operator, source, output)]
    return [Call(operator, "kws_lookup", LookupLayer(source.size, np.array(table, np.int8)), (source,))]


def softmax(operator: Operator) -> list[Call]:
    """SOFTMAX over the last dimension; the table is indexed by how far a value lies below the largest."""
    source, output = operator.inputs[0], operator.output
    depth = source.shape[-1]
    if (output.scale, output.zero_point) != (1 / 256, INT8_MIN):
        raise operator.unknown("with an output other than 0 to 255/256")
    if depth > _MOST_CLASSES:
        raise operator.unknown(f"over {depth} values: at most {_MOST_CLASSES}")
    real = min(operator.options.beta * source.scale * 2 ** (31 - _EXP_BITS), 2**31 - 1.0)
    if real <= 1:
        raise operator.unknown(f"with an input scale of {source.scale:g}")
    multiplier, shift = quantize_multiplier(real)
    reach = min(256, _radius(_EXP_BITS, shift) + 1)
    exponentials = [
        fixed_point.exp(fixed_point.rescale(-below, multiplier, shift), _EXP_BITS) for below in range(reach)
    ]
    layer = SoftmaxLayer(source.size // depth, depth, reach, np.array(exponentials, np.int32))
    return [Call(operator, "kws_softmax", layer, (source,))]


def _radius(integer_bits: int, shift: int) -> int:
    """Return the largest integer that, shifted to the left, stays a number of that many integer bits."""
    return math.floor((2**integer_bits - 1) * 2 ** (31 - integer_bits) / 2**shift)


def _curve(operator: Operator, source: Tensor, output: Tensor) -> list[int]:
    """LOGISTIC, of 0 to 255/256, and TANH, of -1 to 127/128."""
    fraction, shift = math.frexp(source.scale * 2 ** (31 - _CURVE_BITS))
    multiplier, radius = round(fraction * 2**31), _radius(_CURVE_BITS, shift)
    function, low, bits, zero_point = {
        "LOGISTIC": (fixed_point.logistic, INT8_MIN, 23, INT8_MIN),
        "TANH": (fixed_point.tanh, INT8_MIN, 24, 0),
    }[operator.name]
    if output.zero_point != zero_point:
        raise operator.unknown(f"with an output of zero point {output.zero_point}: it takes {zero_point}")

    def value(distance: int) -> int:
        if abs(distance) >= radius:
            return low if distance < 0 else INT8_MAX
        raw = function(fixed_point.rescale(distance, multiplier, shift))
        return fixed_point.divide_by_power(raw, bits) + zero_point

    return [value(stored - source.zero_point) for stored in _VALUES]


def _line(source: Tensor, output: Tensor, slope: float = 1.0) -> Callable[[int], int]:
    """Return the function that multiplies by ``slope`` and brings from one scale to the other."""
    multiplier = quantize_multiplier(source.scale * slope / output.scale)

    def value(stored: int) -> int:
        return fixed_point.rescale(stored - source.zero_point, *multiplier) + output.zero_point

    return value


def _quantize(operator: Operator, source: Tensor, output: Tensor) -> list[int]:
    return list(map(_line(source, output), _VALUES))


def _relu(operator: Operator, source: Tensor, output: Tensor) -> list[int]:
    line = _line(source, output)
    return [max(output.zero_point, line(stored)) for stored in _VALUES]


def _relu6(operator: Operator, source: Tensor, output: Tensor) -> list[int]:
    """Clamp alone: TensorFlow Lite Micro takes the output's scale for the input's."""
    six = source.zero_point + round_half_away(float(np.float32(6) / np.float32(source.scale)))
    return [max(source.zero_point, min(six, stored)) for stored in _VALUES]


def _leaky_relu(operator: Operator, source: Tensor, output: Tensor) -> list[int]:
    right = _line(source, output)
    left = _line(source, output, operator.options.alpha)
    return [(right if stored >= source.zero_point else left)(stored) for stored in _VALUES]


_FUNCTIONS: dict[str, Callable[[Operator, Tensor, Tensor], list[int]]] = {
    "LEAKY_RELU": _leaky_relu,
    "LOGISTIC": _curve,
    "QUANTIZE": _quantize,
    "RELU": _relu,
    "RELU6": _relu6,
    "TANH": _curve,
}
