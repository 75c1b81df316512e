"""Which operators of TensorFlow Lite the device knows, and where each becomes calls.

To add one: a function from an :class:`~kws_exp.c99.graph.Operator` to calls, and its line in :data:`KNOWN`.
"""

from __future__ import annotations

from collections.abc import Callable

from kws_exp.c99 import arithmetic, convolutions, movements, tables
from kws_exp.c99.graph import Operator
from kws_exp.c99.kernels import Call
from kws_exp.errors import KwsError

KNOWN: dict[str, Callable[[Operator], list[Call]]] = {
    "ADD": arithmetic.add,
    "AVERAGE_POOL_2D": convolutions.pool,
    "CONCATENATION": movements.concatenate,
    "CONV_2D": convolutions.convolve,
    "DEPTHWISE_CONV_2D": convolutions.convolve_depthwise,
    "EXPAND_DIMS": movements.reshape,
    "FULLY_CONNECTED": convolutions.connect_fully,
    "LEAKY_RELU": tables.lookup,
    "LOGISTIC": tables.lookup,
    "MAX_POOL_2D": convolutions.pool,
    "MEAN": arithmetic.reduce,
    "MUL": arithmetic.multiply,
    "PAD": movements.pad,
    "PADV2": movements.pad,
    "QUANTIZE": tables.lookup,
    "REDUCE_MAX": arithmetic.reduce,
    "RELU": tables.lookup,
    "RELU6": tables.lookup,
    "RESHAPE": movements.reshape,
    "SOFTMAX": tables.softmax,
    "SQUEEZE": movements.reshape,
    "SUB": arithmetic.add,
    "SUM": arithmetic.reduce,
    "TANH": tables.lookup,
    "TRANSPOSE": movements.transpose,
}


def calls(operator: Operator) -> list[Call]:
    """Return what the device calls for an operator.

    Raises:
        KwsError: It does not know the operator, or not in this form.
    """
    if operator.name not in KNOWN:
        raise KwsError(
            f"The C99 export does not know the operator {operator.name} (version {operator.version}); "
            f"it knows: {', '.join(KNOWN)}."
        )
    computed = [tensor for tensor in operator.inputs if tensor.values is None]
    for tensor in (*computed, *operator.outputs):
        if tensor.dtype != "INT8":
            raise operator.unknown(f"with a tensor of {tensor.dtype}: it computes in INT8 alone")
    return KNOWN[operator.name](operator)
