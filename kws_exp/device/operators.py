"""The operators of TensorFlow Lite Micro: what registers each of them, and up to which version it computes in int8.

The operators are those of ``micro_mutable_op_resolver.h`` in tensorflow/tflite-micro; a test compares them with the
installed wheel. The surprising fact: the interpreter never looks at a version. But TensorFlow's converter gives out a
version for what an operator needs (``tensorflow/lite/tools/versioning/op_version.cc``), so one above those of
:data:`NEWEST` means types or shapes that the int8 kernels of the device do not have: int16, int4, more dimensions.
"""

from __future__ import annotations

from kws_exp.errors import KwsError

_BY_NEWEST = {
    1: """
        ADD_N ASSIGN_VARIABLE BROADCAST_ARGS CALL_ONCE CEIL COS CUMSUM DIV DYNAMIC_UPDATE_SLICE ELU EMBEDDING_LOOKUP
        EXPAND_DIMS FLOOR GATHER_ND HARD_SWISH IF L2_POOL_2D LEAKY_RELU LOGICAL_AND LOGICAL_NOT LOGICAL_OR NEG PRELU
        QUANTIZE READ_VARIABLE REDUCE_ALL RESHAPE ROUND SELECT_V2 SHAPE SIN SQRT SQUARE SQUEEZE
        UNIDIRECTIONAL_SEQUENCE_LSTM VAR_HANDLE WHILE ZEROS_LIKE
        """,
    2: """
        ABS ADD ARG_MAX ARG_MIN AVERAGE_POOL_2D BATCH_MATMUL BATCH_TO_SPACE_ND CONCATENATION DEPTH_TO_SPACE DEQUANTIZE
        EQUAL EXP FLOOR_MOD GREATER GREATER_EQUAL L2_NORMALIZATION LESS LESS_EQUAL LOG LOGISTIC LOG_SOFTMAX MAXIMUM
        MAX_POOL_2D MEAN MINIMUM MIRROR_PAD NOT_EQUAL PACK PAD PADV2 REDUCE_MAX REDUCE_MIN RELU RELU6 RSQRT SLICE
        SOFTMAX SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT SPLIT_V SQUARED_DIFFERENCE SUB SUM TANH UNPACK
        """,
    3: """
        BROADCAST_TO CAST DEPTHWISE_CONV_2D FILL FLOOR_DIV MUL RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 SVDF
        TRANSPOSE_CONV
        """,
    4: "STRIDED_SLICE TRANSPOSE",  # more than four dimensions
    5: "GATHER",  # batch dimensions
    6: "CONV_2D FULLY_CONNECTED",  # groups; no bias
}
NEWEST: dict[str, int] = {name: newest for newest, names in _BY_NEWEST.items() for name in names.split()}

_ODD = {
    "BATCH_MATMUL": "AddBatchMatMul",
    "CUMSUM": "AddCumSum",
    "PADV2": "AddPadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
}


def method(operator: str) -> str:
    """Return the method of ``MicroMutableOpResolver`` that registers an operator: ``AddConv2D`` for CONV_2D.

    Raises:
        KwsError: TensorFlow Lite Micro does not have the operator.
    """
    if operator not in NEWEST:
        raise KwsError(
            f"TensorFlow Lite Micro does not have the operator {operator}; build the layer that needs it of plain "
            "convolutions, dense layers, pooling and activations."
        )
    words = ("2D" if word == "2D" else word.capitalize() for word in operator.split("_"))
    return _ODD.get(operator, f"Add{''.join(words)}")
