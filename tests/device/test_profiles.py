from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from kws_exp.device import profiles
from kws_exp.device.profiles import ESPHOME, MICRO_SPEECH, PROFILES, TFLM
from kws_exp.features import micro


def manifest(
    *operators: tuple[str, int],
    inputs: Any = (1, 49, 40, 1),
    output: Any = (1, 4),
    dtype: str = "int8",
    **features: Any,
) -> dict[str, Any]:
    port = {"dtype": "int8", "scale": 0.1015625, "zero_point": -128}
    return {
        "operators": [{"name": name, "version": version, "count": 1} for name, version in operators],
        "input": port | {"shape": list(inputs)},
        "output": port | {"shape": list(output), "dtype": dtype},
        "features": asdict(micro.Micro()) | features,
    }


def test_model_that_loads() -> None:
    operators = [("CONV_2D", 3), ("FULLY_CONNECTED", 4), ("RESHAPE", 1), ("SOFTMAX", 2)]
    assert profiles.check(manifest(*operators), TFLM) == []
    assert profiles.check(manifest(("DEPTHWISE_CONV_2D", 3), *operators[1:]), MICRO_SPEECH) == []
    stateful = [("VAR_HANDLE", 1), ("READ_VARIABLE", 1), ("CONV_2D", 3), ("LOGISTIC", 2), ("QUANTIZE", 1)]
    streaming = manifest(*stateful, inputs=(1, 3, 40), output=(1, 1), dtype="uint8", stride_ms=10.0)
    assert profiles.check(streaming, ESPHOME) == []


def test_operator_that_is_not_there_or_too_new_is_named() -> None:
    found = profiles.check(manifest(("GELU", 2), ("CONV_2D", 8)), TFLM)
    assert found == [
        "TensorFlow Lite Micro does not have the operator GELU (version 2).",
        "TensorFlow Lite Micro has no int8 kernel for version 8 of the operator CONV_2D: it goes up to version 6.",
    ]
    (alone,) = profiles.check(manifest(("CONV_2D", 3)), MICRO_SPEECH)
    assert alone == "TensorFlow Lite Micro's micro_speech does not have the operator CONV_2D (version 3)."


def test_whole_clips_do_not_load_in_esphome() -> None:
    assert profiles.check(manifest(("CONV_2D", 3)), ESPHOME) == [
        "ESPHome's micro_wake_word takes an input of shape 1xNx40, not 1x49x40x1.",
        "ESPHome's micro_wake_word takes an output of uint8, not of int8.",
        "ESPHome's micro_wake_word takes an output of shape 1x1, not 1x4.",
        "ESPHome's micro_wake_word computes its features with features.stride_ms=10.0, not with "
        "features.stride_ms=20.0.",
    ]


def test_another_front_end_is_one_sentence() -> None:
    changed = manifest(("RESHAPE", 1), name="log_mel", window_ms=25.0)
    assert profiles.check(changed, MICRO_SPEECH) == [
        "TensorFlow Lite Micro's micro_speech computes its features with features.name=micro, not with "
        "features.name=log_mel."
    ]
    assert profiles.check(changed, TFLM) == []


def test_quantisation_must_be_one_for_the_tensor() -> None:
    changed = manifest(("RESHAPE", 1))
    changed["input"]["scale"] = None
    changed["input"]["dtype"] = "float32"
    assert profiles.check(changed, TFLM) == [
        "TensorFlow Lite Micro takes an input of int8, not of float32.",
        "TensorFlow Lite Micro takes one scale and one zero point for the whole input.",
    ]


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_are_found_by_name(name: str) -> None:
    assert PROFILES[name].name == name
