"""What the device computes, in order: the layers of an int8 ``.tflite`` file with all their parameters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kws_exp.c99 import graph, operators
from kws_exp.c99.graph import Tensor
from kws_exp.c99.kernels import Call
from kws_exp.errors import KwsError


@dataclass(frozen=True, eq=False)
class Network:
    """A model from one int8 input to one int8 output."""

    calls: tuple[Call, ...]
    input: Tensor
    output: Tensor

    @property
    def macs(self) -> int:
        """Multiply-accumulates of an inference, padding included."""
        return sum(call.macs for call in self.calls)


def read(path: Path) -> Network:
    """Read a model of one graph, one input and one output.

    Raises:
        KwsError: The device's layers do not cover it; the message names the operator.
    """
    content = graph.read(path)
    for which, tensor in (("input", content.input), ("output", content.output)):
        if tensor.dtype != "INT8":
            raise KwsError(
                f"The C99 export takes a model with an INT8 {which}, not {tensor.dtype}: give it model_int8.tflite."
            )
    calls = tuple(call for operator in content.operators for call in operators.calls(operator))
    return Network(calls, content.input, content.output)
