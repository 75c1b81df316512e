"""Operators that only move values: into another shape, another order, a larger tensor."""

from __future__ import annotations

import math

import numpy as np

from kws_exp.c99.arithmetic import in_four
from kws_exp.c99.graph import Operator
from kws_exp.c99.kernels import Call, CopyLayer, Four


def reshape(operator: Operator) -> list[Call]:
    """RESHAPE, EXPAND_DIMS and SQUEEZE: the values stay where they are."""
    if operator.inputs[0].size != operator.output.size:
        raise operator.unknown(f"from {operator.inputs[0].shape} to {operator.output.shape}")
    return [Call(operator, "", None, operator.inputs[:1])]


def pad(operator: Operator) -> list[Call]:
    """PAD with the output's zero point, and PADV2 with a constant."""
    source, output = operator.inputs[0], operator.output
    margins = operator.inputs[1].values
    filling = operator.inputs[2].values if operator.name == "PADV2" else np.array(output.zero_point)
    if margins is None or filling is None:
        raise operator.unknown("with margins or a value that are not constant")
    steps = _steps(in_four(operator, output.shape))
    before = in_four(operator, tuple(map(int, margins[:, 0])), filler=0)
    layer = CopyLayer(
        shape=in_four(operator, source.shape),
        input_step=_steps(in_four(operator, source.shape)),
        output_step=steps,
        output_start=sum(count * step for count, step in zip(before, steps, strict=True)),
        filled=output.size,
        filling=int(filling.ravel()[0]),
    )
    return [Call(operator, "kws_copy", layer, (source,))]


def transpose(operator: Operator) -> list[Call]:
    """TRANSPOSE: the input is read in the order of the output."""
    source, output, order = operator.inputs[0], operator.output, operator.inputs[1].values
    if order is None:
        raise operator.unknown("with an order that is not constant")
    own = [math.prod(source.shape[axis + 1 :]) for axis in range(len(source.shape))]
    shape = in_four(operator, output.shape)
    layer = CopyLayer(
        shape=shape,
        input_step=in_four(operator, tuple(own[axis] for axis in order), filler=0),
        output_step=_steps(shape),
        output_start=0,
        filled=0,
        filling=0,
    )
    return [Call(operator, "kws_copy", layer, (source,))]


def concatenate(operator: Operator) -> list[Call]:
    """CONCATENATION: one copy for each input."""
    if operator.options.fusedActivationFunction:
        raise operator.unknown("with a fused activation")
    output = operator.output
    if any(source.scales + source.zero_points != output.scales + output.zero_points for source in operator.inputs):
        raise operator.unknown("with inputs of different scales")
    axis = operator.options.axis % len(output.shape)
    rows, whole = math.prod(output.shape[:axis]), math.prod(output.shape[axis:])
    made, start = [], 0
    for source in operator.inputs:
        part = math.prod(source.shape[axis:])
        layer = CopyLayer((1, 1, rows, part), (0, 0, part, 1), (0, 0, whole, 1), start, 0, 0)
        made.append(Call(operator, "kws_copy", layer, (source,)))
        start += part
    return made


def _steps(shape: Four) -> Four:
    return math.prod(shape[1:]), math.prod(shape[2:]), shape[3], 1
