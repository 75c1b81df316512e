"""What is inside a ``.tflite`` file: operators, quantisation, multiply-accumulates, sizes.

Read with TensorFlow's schema (:mod:`kws_exp.export.tflite_schema`). An operator's code is in one of two fields: codes
up to 127 also stand in the deprecated one, which old files alone fill.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kws_exp.errors import KwsError
from kws_exp.export import tflite_schema

# What an open batch size leaves in the graph: it runs on the device, and computes garbage.
_UNFIT = ("SHAPE", "PACK", "STRIDED_SLICE", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND")
# What a variable leaves in it: it keeps a state that the device's self-test could not reproduce.
_STATEFUL = ("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE")
_BYTES = {"FLOAT32": 4, "FLOAT16": 2, "INT64": 8, "INT32": 4, "INT16": 2, "INT8": 1, "BOOL": 1}


@dataclass(frozen=True)
class Operator:
    """One kind of operator in a model; the device must have this version of it."""

    name: str
    version: int
    count: int


@dataclass(frozen=True)
class Tensor:
    """One tensor; ``scale`` is None where it is not quantised or quantised per channel."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    size: int  # bytes
    constant: bool
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True)
class Contents:
    """A model file."""

    file_bytes: int
    operators: tuple[Operator, ...]  # by name
    tensors: tuple[Tensor, ...]
    input: Tensor
    output: Tensor
    macs: int  # multiply-accumulates of an inference: convolutions and fully connected layers
    dynamic: bool  # some dimension is open


def read(path: Path) -> Contents:
    """Read a model of one graph, one input and one output."""
    schema, content = tflite_schema.load(), path.read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    (graph,) = model.subgraphs
    tensors = tuple(_tensor(schema, tensor, model.buffers) for tensor in graph.tensors)
    kinds = [(operator_name(schema, code), int(code.version)) for code in model.operatorCodes]
    used = Counter(kinds[operator.opcodeIndex] for operator in graph.operators)
    (source,), (result,) = graph.inputs, graph.outputs
    return Contents(
        file_bytes=len(content),
        operators=tuple(Operator(name, version, count) for (name, version), count in sorted(used.items())),
        tensors=tensors,
        input=tensors[source],
        output=tensors[result],
        macs=sum(_macs(kinds[operator.opcodeIndex][0], operator, tensors) for operator in graph.operators),
        dynamic=any(-1 in _ints(tensor.shapeSignature) for tensor in graph.tensors),
    )


def check(contents: Contents) -> None:
    """Raise :class:`KwsError` naming what TensorFlow Lite Micro would not run, or would run wrongly."""
    for operator in contents.operators:
        if operator.name in _UNFIT + _STATEFUL or operator.name.startswith("CUSTOM"):
            raise KwsError(
                f"The exported model needs the operator {operator.name}, which does not run on the device "
                "as it was trained; export with a batch of 1, and build the layer that needs it of plain "
                "convolutions, dense layers, pooling and activations."
            )
    if contents.dynamic:
        raise KwsError("The exported model has a dimension of open size; export it with a batch of 1.")


def operator_name(schema: Any, code: Any) -> str:
    """Return TensorFlow Lite's name of an entry of ``operatorCodes``; ``schema`` is TensorFlow's module of it."""
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if name[0] != "_"}
    name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
    return f"CUSTOM {code.customCode.decode()}" if name == "CUSTOM" else name


def _tensor(schema: Any, tensor: Any, buffers: Any) -> Tensor:
    dtype = next(name for name, value in vars(schema.TensorType).items() if value == tensor.type)
    shape = _ints(tensor.shape)
    quantization = tensor.quantization
    scales = [] if quantization is None or quantization.scale is None else quantization.scale
    single = len(scales) == 1
    return Tensor(
        name=tensor.name.decode(),
        shape=shape,
        dtype=dtype,
        size=math.prod(shape) * _BYTES.get(dtype, 0),
        constant=buffers[tensor.buffer].data is not None,
        scale=float(scales[0]) if single else None,
        zero_point=int(quantization.zeroPoint[0]) if single else None,
    )


def _macs(name: str, operator: Any, tensors: tuple[Tensor, ...]) -> int:
    """Output values times the weights that each of them sums over.

    A filter lies as (out, height, width, in / groups) for CONV_2D, (1, height, width, in * multiplier) for
    DEPTHWISE_CONV_2D and (out, in) for FULLY_CONNECTED.
    """
    if name not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        return 0
    outputs = math.prod(tensors[operator.outputs[0]].shape)
    weights = tensors[operator.inputs[1]].shape
    return outputs * math.prod(weights[1:3] if name == "DEPTHWISE_CONV_2D" else weights[1:])


def _ints(values: Any) -> tuple[int, ...]:
    return () if values is None else tuple(int(value) for value in values)
