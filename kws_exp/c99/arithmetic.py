"""Layers without weights that compute: two inputs into one, and the sum, mean or largest of many values."""

from __future__ import annotations

import math

import numpy as np

from kws_exp.c99 import quantization
from kws_exp.c99.convolutions import fused_limits
from kws_exp.c99.graph import Operator, Tensor
from kws_exp.c99.kernels import BinaryLayer, Call, Four, Operand, ReduceMaxLayer, SumLayer
from kws_exp.c99.quantization import Multiplier, quantize_multiplier

_HEADROOM = 20  # bits to the left of an int8 before it is scaled


def add(operator: Operator) -> list[Call]:
    """ADD and SUB: both inputs are brought to twice the larger scale, where their sum cannot overflow."""
    first, second = operator.inputs
    common = 2 * max(first.scale, second.scale)
    result = quantize_multiplier(common / (2**_HEADROOM * operator.output.scale))
    signs = (1, -1 if operator.name == "SUB" else 1)
    scaled = [quantize_multiplier(tensor.scale / common) for tensor in operator.inputs]
    return _binary(operator, "kws_add", signs, scaled, result)


def multiply(operator: Operator) -> list[Call]:
    """MUL: the product of the integers is scaled once."""
    first, second = operator.inputs
    result = quantize_multiplier(first.scale * second.scale / operator.output.scale)
    return _binary(operator, "kws_multiply", (1, 1), [Multiplier(0, 0)] * 2, result)


def _binary(
    operator: Operator, function: str, signs: tuple[int, int], scaled: list[Multiplier], result: Multiplier
) -> list[Call]:
    shape = in_four(operator, operator.output.shape)
    steps = [_steps(operator, tensor, shape) for tensor in operator.inputs]
    if all(tensor.size == operator.output.size for tensor in operator.inputs):
        shape, steps = (1, 1, 1, operator.output.size), [(0, 0, 0, 1)] * 2
    first, second = (
        Operand(step, tensor.zero_point, sign, multiplier.value, multiplier.shift)
        for step, tensor, sign, multiplier in zip(steps, operator.inputs, signs, scaled, strict=True)
    )
    limits = fused_limits(operator)
    layer = BinaryLayer(
        shape, first, second, result.value, result.shift, operator.output.zero_point, limits.minimum, limits.maximum
    )
    return [Call(operator, function, layer, operator.inputs)]


def in_four(operator: Operator, shape: tuple[int, ...], filler: int = 1) -> Four:
    """Return four entries for those of at most four dimensions, ``filler`` before them."""
    if len(shape) > 4:
        raise operator.unknown(f"with {len(shape)} dimensions: it takes at most 4")
    first, second, third, fourth = (filler,) * (4 - len(shape)) + shape
    return first, second, third, fourth


def _steps(operator: Operator, tensor: Tensor, shape: Four) -> Four:
    """Return the steps through a tensor that is repeated along the dimensions where it is 1 long."""
    if tensor.dtype != "INT8":
        raise operator.unknown(f"with a constant of {tensor.dtype}")
    own = in_four(operator, tensor.shape)
    if any(length not in (1, whole) for length, whole in zip(own, shape, strict=True)):
        raise operator.unknown(f"with an input of {tensor.shape} for an output of {operator.output.shape}")
    first, second, third, fourth = (0 if own[axis] == 1 else math.prod(own[axis + 1 :]) for axis in range(4))
    return first, second, third, fourth


def reduce(operator: Operator) -> list[Call]:
    """SUM, MEAN and REDUCE_MAX over neighbouring dimensions."""
    source, output = operator.inputs[0], operator.output
    outer, count, inner = _reduced(operator)
    if operator.name == "REDUCE_MAX":
        return [Call(operator, "kws_reduce_max", ReduceMaxLayer(outer, count, inner), (source,))]
    if 256 * count > quantization.LARGEST_SUM:
        raise operator.unknown(f"of {count} values")
    divisor = count if operator.name == "MEAN" else 1
    multiplier = quantization.mean_multiplier(source.scale, output.scale, divisor)
    layer = SumLayer(
        outer, count, inner, -count * source.zero_point, multiplier.value, multiplier.shift, output.zero_point
    )
    return [Call(operator, "kws_sum", layer, (source,))]


def _reduced(operator: Operator) -> tuple[int, int, int]:
    """Return how many values lie before, in and behind the dimensions that are reduced."""
    shape, axes = operator.inputs[0].shape, operator.inputs[1].values
    if axes is None:
        raise operator.unknown("with dimensions that are not constant")
    reduced = sorted({int(axis) % len(shape) for axis in np.ravel(axes)})
    between = range(reduced[0], reduced[-1] + 1)
    if any(shape[axis] > 1 for axis in between if axis not in reduced):
        raise operator.unknown(f"over dimensions {reduced} of {shape}, which are not neighbours")
    count = math.prod(shape[axis] for axis in reduced)
    return math.prod(shape[: reduced[0]]), count, math.prod(shape[reduced[-1] + 1 :])
