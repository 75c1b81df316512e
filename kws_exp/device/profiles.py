"""Whether a device's software could load the model: :func:`check` a manifest against a named profile.

Each profile is what that software registers and asserts, with its source. The surprising fact: an operator that is not
registered stops the program at its start, on the device, with "Didn't find op for builtin opcode"; nothing on the way
there notices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kws_exp.device import operators
from kws_exp.features.micro import Micro


@dataclass(frozen=True)
class Profile:
    """What can be loaded; ``None`` stands for anything."""

    name: str
    software: str  # as a sentence names it
    operators: Mapping[str, int]  # operator -> newest version
    inputs: tuple[tuple[int | None, ...], ...] | None = None  # the shapes that it takes
    output: tuple[int, ...] | None = None
    output_dtype: str = "int8"
    features: Mapping[str, object] | None = None  # that the software computes itself


def _only(names: str) -> dict[str, int]:
    return {name: operators.NEWEST[name] for name in names.split()}


_MICRO = vars(Micro())  # whose defaults are the constants of both programs below

TFLM = Profile("tflm", "TensorFlow Lite Micro", operators.NEWEST)
"""All operators, for a firmware that registers those of ``op_resolver.h``."""

MICRO_SPEECH = Profile(
    "tflm_micro_speech",
    "TensorFlow Lite Micro's micro_speech",
    _only("DEPTHWISE_CONV_2D FULLY_CONNECTED RESHAPE SOFTMAX"),
    inputs=((1, 49, 40, 1), (1, 1960)),
    features=_MICRO,
)
"""To put into the example as it is: ``examples/micro_speech/micro_speech_test.cc`` in tensorflow/tflite-micro."""

ESPHOME = Profile(
    "esphome",
    "ESPHome's micro_wake_word",
    _only(
        "CALL_ONCE VAR_HANDLE RESHAPE READ_VARIABLE STRIDED_SLICE CONCATENATION ASSIGN_VARIABLE CONV_2D MUL ADD MEAN "
        "FULLY_CONNECTED LOGISTIC QUANTIZE DEPTHWISE_CONV_2D AVERAGE_POOL_2D MAX_POOL_2D PAD PACK SPLIT_V"
    ),
    inputs=((1, None, 40),),
    output=(1, 1),
    output_dtype="uint8",
    features=_MICRO | {"stride_ms": 10.0},
)
"""``streaming_model.cpp`` (register_streaming_ops_, load_model_) and ``preprocessor_settings.h`` in esphome/esphome,
components/micro_wake_word. It gives the model the newest frames alone, so the model must keep a state, and all models
that run at once share a step, which is 10 ms in those of ESPHome, the detector of voice included."""

PROFILES = {profile.name: profile for profile in (TFLM, MICRO_SPEECH, ESPHOME)}


def check(manifest: Mapping[str, Any], profile: Profile) -> list[str]:
    """Return a sentence for each thing in a model that would keep the device from loading it; none if it loads.

    Args:
        manifest: The content of ``manifest.json``.
        profile: One of :data:`PROFILES`.
    """
    return [*_operators(manifest, profile), *_ports(manifest, profile), *_features(manifest, profile)]


def _operators(manifest: Mapping[str, Any], profile: Profile) -> Iterator[str]:
    for operator in manifest["operators"]:
        name, version = operator["name"], operator["version"]
        newest = profile.operators.get(name)
        if newest is None:
            yield f"{profile.software} does not have the operator {name} (version {version})."
        elif version > newest:
            yield (
                f"{profile.software} has no int8 kernel for version {version} of the operator {name}: "
                f"it goes up to version {newest}."
            )


def _ports(manifest: Mapping[str, Any], profile: Profile) -> Iterator[str]:
    taken, given = manifest["input"], manifest["output"]
    if taken["dtype"] != "int8":
        yield f"{profile.software} takes an input of int8, not of {taken['dtype']}."
    if profile.inputs and not any(_fits(taken["shape"], shape) for shape in profile.inputs):
        shapes = " or ".join(map(_shape, profile.inputs))
        yield f"{profile.software} takes an input of shape {shapes}, not {_shape(taken['shape'])}."
    if given["dtype"] != profile.output_dtype:
        yield f"{profile.software} takes an output of {profile.output_dtype}, not of {given['dtype']}."
    if profile.output and tuple(given["shape"]) != profile.output:
        yield f"{profile.software} takes an output of shape {_shape(profile.output)}, not {_shape(given['shape'])}."
    for which, port in (("input", taken), ("output", given)):
        if port["scale"] is None or port["zero_point"] is None:
            yield f"{profile.software} takes one scale and one zero point for the whole {which}."


def _features(manifest: Mapping[str, Any], profile: Profile) -> Iterator[str]:
    features = manifest["features"]
    for key, value in (profile.features or {}).items():
        if features.get(key) != value:
            found = f"features.{key}={features[key]}" if key in features else f"features={features['name']}"
            yield f"{profile.software} computes its features with features.{key}={value}, not with {found}."
            if key == "name":
                return  # those of another front end say nothing


def _fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    if len(shape) != len(expected):
        return False
    return all(wanted in (None, size) for size, wanted in zip(shape, expected, strict=True))


def _shape(shape: tuple[int | None, ...]) -> str:
    return "x".join("N" if size is None else str(size) for size in shape)
