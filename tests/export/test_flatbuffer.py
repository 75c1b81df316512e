from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kws_exp.errors import KwsError
from kws_exp.export import Exported, flatbuffer

pytestmark = pytest.mark.slow


def test_operators_and_macs(separable_export: Exported) -> None:
    contents = separable_export.contents
    assert [(operator.name, operator.count) for operator in contents.operators] == [
        ("CONV_2D", 2),
        ("DEPTHWISE_CONV_2D", 1),
        ("FULLY_CONNECTED", 1),
        ("RESHAPE", 1),
        ("SOFTMAX", 1),
    ]
    assert all(operator.version >= 1 for operator in contents.operators)
    places = 10 * 6
    assert contents.macs == places * (6 * 15 + 12 * 9 + 5 * 3 * 12) + places * 5 * 4


def test_sizes_and_quantisation(conv_export: Exported) -> None:
    contents = conv_export.contents
    assert contents.file_bytes == (conv_export.folder / "model_int8.tflite").stat().st_size
    assert (contents.input.shape, contents.input.dtype, contents.input.size) == ((1, 20, 12, 1), "INT8", 240)
    assert (contents.output.scale, contents.output.zero_point) == (1 / 256, -128)
    weights = [tensor for tensor in contents.tensors if tensor.shape == (4, 5, 3, 1)]
    assert [(tensor.constant, tensor.size, tensor.scale) for tensor in weights] == [(True, 60, None)]


def test_float_model_is_read_too(conv_export: Exported) -> None:
    contents = flatbuffer.read(conv_export.folder / "model_float.tflite")
    assert (contents.input.dtype, contents.input.scale, contents.macs) == (
        "FLOAT32",
        None,
        conv_export.contents.macs,
    )


def test_open_batch_is_refused_by_name(separable_model: Any, tmp_path: Path) -> None:
    import tensorflow as tf

    path = tmp_path / "dynamic.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(separable_model).convert())
    with pytest.raises(KwsError, match=r"operator (PACK|SHAPE|SPACE_TO_BATCH_ND|BATCH_TO_SPACE_ND)"):
        flatbuffer.check(flatbuffer.read(path))
