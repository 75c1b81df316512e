"""Calls of the device's functions, and their parameters: the structures of ``runtime/kws_kernels.h``.

A class here has the name of its C structure without ``kws_``, and the same fields in the same order, on which
:mod:`kws_exp.c99.source` relies and which a test holds. What a field means is said in the header.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kws_exp.c99.graph import Operator, Tensor

Pair = tuple[int, int]  # height, width
Shape = tuple[int, int, int]  # height, width, channels
Four = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Call:
    """One call on the device; an operator is one, or, to concatenate, one for each input."""

    operator: Operator
    function: str  # "" where the output is the input in another shape
    parameters: Layer | None
    inputs: tuple[Tensor, ...]  # the arguments, constants among them
    macs: int = 0  # multiply-accumulates
    scratch: int | None = None  # bytes of memory to work in, the function's last argument if it takes any

    @property
    def output(self) -> Tensor:
        """What the call writes, or a part of it."""
        return self.operator.output


class Structure:
    """A structure of the header."""

    @classmethod
    def c_name(cls) -> str:
        """Return the name of the C type: ``kws_conv_2d_layer`` for ``Conv2dLayer``."""
        return "kws_" + re.sub(r"(?<!^)(?=[A-Z]|2d)", "_", cls.__name__).lower()


class Layer(Structure):
    """A structure that one or more functions of the header take."""


@dataclass(frozen=True, eq=False)
class Requantization(Structure):
    """From sums to int8."""

    zero_point: int
    minimum: int
    maximum: int
    multiplier: NDArray[np.int32]
    shift: NDArray[np.int8]


@dataclass(frozen=True)
class Window(Structure):
    """A kernel that slides over an input."""

    input: Shape
    output: Shape
    kernel: Pair
    stride: Pair
    dilation: Pair
    padding: Pair


@dataclass(frozen=True, eq=False)
class Conv2dLayer(Layer):
    """``kws_conv_2d``."""

    window: Window
    groups: int
    input_zero_point: int
    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    result: Requantization


@dataclass(frozen=True, eq=False)
class DepthwiseConv2dLayer(Layer):
    """``kws_depthwise_conv_2d``."""

    window: Window
    multiplier: int
    input_zero_point: int
    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    result: Requantization


@dataclass(frozen=True, eq=False)
class FullyConnectedLayer(Layer):
    """``kws_fully_connected``."""

    rows: int
    inputs: int
    outputs: int
    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    result: Requantization


@dataclass(frozen=True)
class Pool2dLayer(Layer):
    """``kws_average_pool_2d`` and ``kws_max_pool_2d``."""

    window: Window
    minimum: int
    maximum: int


@dataclass(frozen=True)
class SumLayer(Layer):
    """``kws_sum``."""

    outer: int
    count: int
    inner: int
    bias: int
    multiplier: int
    shift: int
    zero_point: int


@dataclass(frozen=True)
class ReduceMaxLayer(Layer):
    """``kws_reduce_max``."""

    outer: int
    count: int
    inner: int


@dataclass(frozen=True)
class Operand(Structure):
    """One of the two inputs of a :class:`BinaryLayer`."""

    step: Four
    zero_point: int
    sign: int
    multiplier: int
    shift: int


@dataclass(frozen=True)
class BinaryLayer(Layer):
    """``kws_add`` and ``kws_multiply``."""

    shape: Four
    first: Operand
    second: Operand
    multiplier: int
    shift: int
    zero_point: int
    minimum: int
    maximum: int


@dataclass(frozen=True)
class CopyLayer(Layer):
    """``kws_copy``."""

    shape: Four
    input_step: Four
    output_step: Four
    output_start: int
    filled: int
    filling: int


@dataclass(frozen=True, eq=False)
class SoftmaxLayer(Layer):
    """``kws_softmax``."""

    rows: int
    depth: int
    reach: int
    exponential: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class LookupLayer(Layer):
    """``kws_lookup``."""

    size: int
    table: NDArray[np.int8]
