from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from kws_exp.c99.operators import KNOWN
from kws_exp.device import operators
from kws_exp.errors import KwsError


@pytest.mark.parametrize(
    ("operator", "method"),
    [
        ("CONV_2D", "AddConv2D"),
        ("DEPTHWISE_CONV_2D", "AddDepthwiseConv2D"),
        ("L2_POOL_2D", "AddL2Pool2D"),
        ("SPLIT_V", "AddSplitV"),
        ("PADV2", "AddPadV2"),
        ("RELU6", "AddRelu6"),
        ("BATCH_TO_SPACE_ND", "AddBatchToSpaceNd"),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", "AddUnidirectionalSequenceLSTM"),
    ],
)
def test_method(operator: str, method: str) -> None:
    assert operators.method(operator) == method


def test_unknown_operator_is_named() -> None:
    with pytest.raises(KwsError, match="does not have the operator GELU; build"):
        operators.method("GELU")


def test_all_of_the_generated_c_are_known() -> None:
    assert set(KNOWN) <= set(operators.NEWEST)


def test_operators_are_those_of_the_installed_interpreter() -> None:
    from tensorflow.lite.python import schema_py_generated as schema

    found = importlib.util.find_spec("tflite_micro")
    if found is None or found.origin is None:
        pytest.skip("tflite-micro has no wheel for this platform")
    (library,) = Path(found.origin).parent.rglob("_runtime.so")
    registered = {name.decode() for name in re.findall(rb"\d\dRegister_([A-Z0-9_]+?)Ev", library.read_bytes())}
    builtin = {name for name in vars(schema.BuiltinOperator) if name[0] != "_"}
    assert len(registered) > 90
    assert registered & builtin == set(operators.NEWEST)
