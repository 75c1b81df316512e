"""Models made of flatbuffers by hand: any operator, shape and scale in a millisecond, without a converter.

A :class:`Zoo` runs many operators on one input and joins their outputs into one, so that a single program
covers them all.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Scale = float | Sequence[float] | NDArray[np.float32]  # one, one for each channel, or none

_DTYPES = {"int8": "INT8", "int32": "INT32", "float32": "FLOAT32"}
_VERSIONS = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4, "SOFTMAX": 2}
_MOST_JOINED = 10  # inputs that TensorFlow Lite Micro's CONCATENATION takes


@functools.cache
def _schema() -> Any:
    """TensorFlow takes seconds to import, which no collection of tests should."""
    from tensorflow.lite.python import schema_py_generated

    return schema_py_generated


class Model:
    """A model under construction; tensors are known by their index, 0 is the input."""

    def __init__(self, shape: Sequence[int], scale: float, zero_point: int) -> None:
        self.tensors: list[Any] = []
        self.buffers = [_schema().BufferT()]
        self.codes: list[Any] = []
        self.operators: list[Any] = []
        self.tensor(shape, scale, zero_point)

    def tensor(
        self,
        shape: Sequence[int],
        scale: Scale = (),
        zero_point: int = 0,
        values: NDArray[Any] | None = None,
        dtype: str = "int8",
        axis: int = 0,
    ) -> int:
        """Add a tensor, a constant one if it has values, and return its index."""
        tensor = _schema().TensorT()
        tensor.shape, tensor.name = np.array(shape, np.int32), str(len(self.tensors)).encode()
        tensor.type = getattr(_schema().TensorType, _DTYPES[dtype if values is None else str(values.dtype)])
        scales = np.atleast_1d(np.array(scale, np.float32))
        if scales.size:
            tensor.quantization = _schema().QuantizationParametersT()
            tensor.quantization.scale = scales
            tensor.quantization.zeroPoint = np.full(scales.size, zero_point, np.int64)
            tensor.quantization.quantizedDimension = axis
        tensor.buffer = 0
        if values is not None:
            buffer = _schema().BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
            tensor.buffer = len(self.buffers)
            self.buffers.append(buffer)
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def constant(self, values: ArrayLike, scale: Scale = (), zero_point: int = 0) -> int:
        """Add an int32 constant without a scale, or an int8 one with a scale."""
        array = np.array(values, np.int8 if np.size(scale) else np.int32)
        return self.tensor(array.shape, scale, zero_point, array)

    def operator(self, name: str, inputs: Sequence[int], output: int, **options: Any) -> int:
        """Add an operator and return its output; the options go by the schema's names."""
        code = _schema().OperatorCodeT()
        code.builtinCode = getattr(_schema().BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = _VERSIONS.get(name, 2)
        operator = _schema().OperatorT()
        operator.opcodeIndex = len(self.codes)
        operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
        kind = _options(name)
        if kind:
            operator.builtinOptionsType = getattr(_schema().BuiltinOptions, kind)
            operator.builtinOptions = getattr(_schema(), f"{kind}T")()
            for key, value in options.items():
                assert hasattr(operator.builtinOptions, key), key
                setattr(operator.builtinOptions, key, value)
        self.codes.append(code)
        self.operators.append(operator)
        return output

    def scale_of(self, index: int) -> tuple[float, int]:
        """Return a tensor's scale and zero point."""
        quantization = self.tensors[index].quantization
        return float(quantization.scale[0]), int(quantization.zeroPoint[0])

    def save(self, path: Path, output: int) -> Path:
        """Write the model file."""
        from tensorflow.lite.tools import flatbuffer_utils

        graph = _schema().SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = np.array([0], np.int32), np.array([output], np.int32)
        model = _schema().ModelT()
        model.version, model.subgraphs = 3, [graph]
        model.operatorCodes, model.buffers = self.codes, self.buffers
        path.write_bytes(bytes(flatbuffer_utils.convert_object_to_bytearray(model)))
        return path


def _options(name: str) -> str:
    """Return the schema's name of an operator's options, "" if it has none."""
    special = {"AVERAGE_POOL_2D": "Pool2D", "MAX_POOL_2D": "Pool2D", "CONV_2D": "Conv2D"}
    special |= {"DEPTHWISE_CONV_2D": "DepthwiseConv2D", "LEAKY_RELU": "LeakyRelu"}
    special |= dict.fromkeys(("SUM", "MEAN", "REDUCE_MAX"), "Reducer")
    kind = special.get(name, name.title().replace("_", "")) + "Options"
    return kind if hasattr(_schema().BuiltinOptions, kind) else ""


class Zoo(Model):
    """A model whose every operator sees the input; what they give is one after the other in its output."""

    def __init__(self, shape: Sequence[int], scale: float = 0.05, zero_point: int = 3) -> None:
        super().__init__(shape, scale, zero_point)
        self.names: list[str] = []
        self.outputs: list[int] = []

    def add(self, name: str, output: int) -> None:
        """Let an operator's output be part of the model's."""
        self.names.append(name)
        self.outputs.append(self.flat(output))

    def flat(self, index: int) -> int:
        """Reshape a tensor to (1, values), and give it the scale that all outputs have: they could not be joined."""
        size = math.prod(self.tensors[index].shape)
        flat = self.tensor((1, size), 1.0)
        return self.operator("RESHAPE", [index, self.constant([1, size])], flat)

    def save_all(self, path: Path) -> Path:
        """Write the model file."""
        parts = list(self.outputs)
        while len(parts) > 1:
            heads = [parts[start : start + _MOST_JOINED] for start in range(0, len(parts), _MOST_JOINED)]
            parts = [self._joined(head) for head in heads]
        return self.save(path, parts[0])

    def _joined(self, parts: list[int]) -> int:
        if len(parts) == 1:
            return parts[0]
        size = sum(math.prod(self.tensors[part].shape) for part in parts)
        output = self.tensor((1, size), 1.0)
        return self.operator("CONCATENATION", parts, output, axis=1)

    def unequal(self, one: NDArray[np.int8], other: NDArray[np.int8]) -> list[str]:
        """Return the operators on whose outputs two results of the model, (clips, values), differ."""
        ends = np.cumsum([math.prod(self.tensors[output].shape) for output in self.outputs])
        parts = zip(np.split(one, ends[:-1], 1), np.split(other, ends[:-1], 1), strict=True)
        return [name for name, (a, b) in zip(self.names, parts, strict=True) if not np.array_equal(a, b)]
