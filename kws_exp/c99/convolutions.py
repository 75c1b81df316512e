"""The layers that multiply by weights, and the pools, which slide as they do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kws_exp.c99.graph import Operator, Tensor
from kws_exp.c99.kernels import (
    Call,
    Conv2dLayer,
    DepthwiseConv2dLayer,
    FullyConnectedLayer,
    Pair,
    Pool2dLayer,
    Requantization,
    Shape,
    Window,
)
from kws_exp.c99.quantization import LARGEST_SUM, Limits, activation_limits, quantize_multiplier

_ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")  # the schema's numbers
_SAME = 0  # the schema's number for padding


def convolve(operator: Operator) -> list[Call]:
    """CONV_2D: a filter lies as (rows, columns, input channels of its group)."""
    source, weights = operator.inputs[0], _weights(operator, rank=4, channel_axis=0)
    window = _sliding(operator, (weights.shape[1], weights.shape[2]))
    groups, rest = divmod(window.input[2], weights.shape[3])
    if rest or window.output[2] % groups:
        raise operator.unknown(f"with {window.input[2]} input channels for filters of {weights.shape[3]}")
    bias, result = _folded_bias(operator, weights), _requantization(operator, len(weights))
    layer = Conv2dLayer(window, groups, source.zero_point, weights, bias, result)
    seen = weights[0].size
    scratch = 0 if window.kernel == (1, 1) and groups == 1 else seen
    return [Call(operator, "kws_conv_2d", layer, (source,), operator.output.size * seen, scratch)]


def convolve_depthwise(operator: Operator) -> list[Call]:
    """DEPTHWISE_CONV_2D: the weights lie as (1, rows, columns, output channels)."""
    source, weights = operator.inputs[0], _weights(operator, rank=4, channel_axis=3)
    window = _sliding(operator, (weights.shape[1], weights.shape[2]))
    multiplier, rest = divmod(window.output[2], window.input[2])
    if rest or weights.shape[3] != window.output[2]:
        raise operator.unknown(f"with {window.output[2]} output channels for {window.input[2]} input channels")
    bias, result = _bias(operator, weights.shape[3]), _requantization(operator, weights.shape[3])
    layer = DepthwiseConv2dLayer(window, multiplier, source.zero_point, weights, bias, result)
    return [Call(operator, "kws_depthwise_conv_2d", layer, (source,), operator.output.size * weights[0, ..., 0].size)]


def connect_fully(operator: Operator) -> list[Call]:
    """FULLY_CONNECTED: the weights lie as (outputs, inputs)."""
    source, weights = operator.inputs[0], _weights(operator, rank=2, channel_axis=0)
    outputs, inputs = weights.shape
    rows, rest = divmod(source.size, inputs)
    if rest or operator.output.size != rows * outputs:
        raise operator.unknown(f"with {source.size} inputs for weights of {inputs}")
    if operator.options.weightsFormat:
        raise operator.unknown("with shuffled weights")
    bias, result = _folded_bias(operator, weights), _requantization(operator, len(weights))
    layer = FullyConnectedLayer(rows, inputs, outputs, weights, bias, result)
    return [Call(operator, "kws_fully_connected", layer, (source,), rows * weights.size)]


def pool(operator: Operator) -> list[Call]:
    """AVERAGE_POOL_2D and MAX_POOL_2D: neither rescales."""
    window = _sliding(operator, (operator.options.filterHeight, operator.options.filterWidth))
    limits = fused_limits(operator)
    layer = Pool2dLayer(window, limits.minimum, limits.maximum)
    return [Call(operator, f"kws_{operator.name.lower()}", layer, operator.inputs)]


def fused_limits(operator: Operator) -> Limits:
    """Return the int8 range of the output under the activation that is fused into the operator."""
    activation, output = _ACTIVATIONS[operator.options.fusedActivationFunction], operator.output
    limits = activation_limits(activation, output.scale, output.zero_point)
    if limits is None:
        raise operator.unknown(f"with the fused activation {activation}")
    return limits


def _weights(operator: Operator, rank: int, channel_axis: int) -> NDArray[np.int8]:
    """Return the constant weights, quantised around 0, per layer or along ``channel_axis``."""
    tensor = operator.inputs[1]
    if tensor.values is None or tensor.dtype != "INT8" or len(tensor.shape) != rank:
        raise operator.unknown(f"with weights that are not an INT8 constant of {rank} dimensions")
    if any(tensor.zero_points):
        raise operator.unknown("with weights of a zero point other than 0")
    if len(tensor.scales) not in (1, tensor.shape[channel_axis]):
        raise operator.unknown(f"with {len(tensor.scales)} scales for {tensor.shape[channel_axis]} channels")
    return tensor.values


def _bias(operator: Operator, channels: int) -> NDArray[np.int32]:
    if len(operator.inputs) < 3:
        return np.zeros(channels, np.int32)
    bias = operator.inputs[2]
    if bias.values is None or bias.dtype != "INT32":
        raise operator.unknown("with a bias that is not an INT32 constant")
    return bias.values


def _folded_bias(operator: Operator, weights: NDArray[np.int8]) -> NDArray[np.int32]:
    """Return the bias with the input's zero point in it: what the device sums up are then products alone.

    sum((x - z) w) + b = sum(x w) + (b - z sum(w)), padding included, which is given as z.
    """
    filters = weights.reshape(len(weights), -1).astype(np.int64)
    folded = _bias(operator, len(weights)) - operator.inputs[0].zero_point * filters.sum(1)
    if (np.abs(folded) + 128 * np.abs(filters).sum(1)).max() > LARGEST_SUM:
        raise operator.unknown("with sums that can reach 2^30")
    return folded.astype(np.int32)


def _requantization(operator: Operator, channels: int) -> Requantization:
    """Return the way from sums to the output."""
    source, weights, output = operator.inputs[0], operator.inputs[1], operator.output
    scales = weights.scales if len(weights.scales) > 1 else weights.scales * channels
    multipliers = [quantize_multiplier(source.scale * scale / output.scale) for scale in scales]
    limits = fused_limits(operator)
    return Requantization(
        zero_point=output.zero_point,
        minimum=limits.minimum,
        maximum=limits.maximum,
        multiplier=np.array([multiplier.value for multiplier in multipliers], np.int32),
        shift=np.array([multiplier.shift for multiplier in multipliers], np.int8),
    )


def _sliding(operator: Operator, kernel: Pair) -> Window:
    options, source, output = operator.options, operator.inputs[0], operator.output
    shapes = _image(operator, source), _image(operator, output)
    stride = (int(options.strideH), int(options.strideW))
    dilation = (int(getattr(options, "dilationHFactor", 1)), int(getattr(options, "dilationWFactor", 1)))
    kernel = (int(kernel[0]), int(kernel[1]))
    reach = [(kernel[axis] - 1) * dilation[axis] + 1 for axis in (0, 1)]
    padding = [0, 0]
    for axis in (0, 1):
        missing = (shapes[1][axis] - 1) * stride[axis] + reach[axis] - shapes[0][axis]
        if options.padding == _SAME:
            padding[axis] = max(0, missing) // 2
        elif missing > 0:
            raise operator.unknown(f"with an output of {output.shape} from an input of {source.shape}")
    return Window(shapes[0], shapes[1], kernel, stride, dilation, (padding[0], padding[1]))


def _image(operator: Operator, tensor: Tensor) -> Shape:
    if len(tensor.shape) != 4 or tensor.shape[0] != 1:
        raise operator.unknown(f"with a tensor of shape {tensor.shape}: it takes (1, height, width, channels)")
    return tensor.shape[1:]
