"""The graph of a ``.tflite`` file as it stands: operators in order, tensors, constants.

Read with TensorFlow's schema, as in :mod:`kws_exp.export.flatbuffer`, but with what computing needs:
order, options, values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_exp.errors import KwsError
from kws_exp.export import tflite_schema
from kws_exp.export.flatbuffer import operator_name

_DTYPES: dict[str, np.dtype[Any]] = {"INT8": np.dtype(np.int8), "INT32": np.dtype("<i4"), "INT64": np.dtype("<i8")}


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of the file."""

    index: int
    shape: tuple[int, ...]
    dtype: str  # TensorFlow Lite's name of it
    scales: tuple[float, ...]  # one; or one for each channel; or none
    zero_points: tuple[int, ...]
    values: NDArray[Any] | None  # of a constant

    @property
    def size(self) -> int:
        """Number of values, which is bytes for int8."""
        return math.prod(self.shape)

    @property
    def scale(self) -> float:
        """The scale of a tensor that has one for all channels."""
        (scale,) = self.scales
        return scale

    @property
    def zero_point(self) -> int:
        """The zero point of a tensor that has one for all channels."""
        (zero_point,) = self.zero_points
        return zero_point


@dataclass(frozen=True, eq=False)
class Operator:
    """An operator as the file has it."""

    name: str
    version: int
    inputs: tuple[Tensor, ...]  # without the optional ones that are absent
    outputs: tuple[Tensor, ...]
    options: Any  # the schema's object, or None

    @property
    def output(self) -> Tensor:
        """The only output of every operator that the device knows."""
        return self.outputs[0]

    def unknown(self, what: str) -> KwsError:
        """Return the error for an operator used in a way, ``with ...``, that the device does not know."""
        return KwsError(f"The C99 export does not know the operator {self.name} (version {self.version}) {what}.")


@dataclass(frozen=True, eq=False)
class Graph:
    """A model of one input and one output."""

    operators: tuple[Operator, ...]
    input: Tensor
    output: Tensor


def read(path: Path) -> Graph:
    """Read a model of one graph, one input and one output."""
    schema = tflite_schema.load()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    (graph,) = model.subgraphs
    tensors = [_tensor(schema, index, tensor, model.buffers) for index, tensor in enumerate(graph.tensors)]
    operators = tuple(_operator(schema, operator, model.operatorCodes, tensors) for operator in graph.operators)
    (source,), (result,) = graph.inputs, graph.outputs
    return Graph(operators, tensors[source], tensors[result])


def _tensor(schema: Any, index: int, tensor: Any, buffers: Any) -> Tensor:
    dtype = next(name for name, value in vars(schema.TensorType).items() if value == tensor.type)
    shape = tuple(map(int, _array(tensor.shape)))
    quantization = tensor.quantization
    data = buffers[tensor.buffer].data
    known = data is not None and dtype in _DTYPES and tensor.sparsity is None
    return Tensor(
        index=index,
        shape=shape,
        dtype=dtype,
        scales=() if quantization is None else tuple(map(float, _array(quantization.scale))),
        zero_points=() if quantization is None else tuple(map(int, _array(quantization.zeroPoint))),
        values=np.frombuffer(bytes(data), _DTYPES[dtype]).reshape(shape) if known else None,
    )


def _array(values: Any) -> Any:
    return () if values is None else values


def _operator(schema: Any, operator: Any, codes: Any, tensors: list[Tensor]) -> Operator:
    code = codes[operator.opcodeIndex]
    return Operator(
        name=operator_name(schema, code),
        version=int(code.version),
        inputs=tuple(tensors[index] for index in operator.inputs if index >= 0),
        outputs=tuple(tensors[index] for index in operator.outputs),
        options=operator.builtinOptions,
    )
