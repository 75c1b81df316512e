"""The test partition through Keras and each exported form of the model, down to the device's interpreter.

The figure of record is ``int8_tflm``. Its outputs may differ from those of ``int8_tflite`` in a few clips, by
a few units (:mod:`kws_exp.export.interpreters` tells why); anything more means that the export is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_exp import run_folder
from kws_exp.c99 import host
from kws_exp.errors import KwsError
from kws_exp.export import interpreters, manifest
from kws_exp.export.quantize import quantize

NOT_RUN = "not run: tflite-micro has no wheel for this platform"


@dataclass(frozen=True)
class Forms:
    """How the exported forms of a model compare; shares are of ``clips``."""

    clips: int
    accuracy: Mapping[str, float]  # of keras, float_tflite, int8_tflite and, if it ran, int8_tflm
    agreement: Mapping[str, float]  # "keras/int8_tflm": share of clips given the same label by both
    tflm: str  # "run", "not run: WHY" or "failed: WHY"
    equal_rows: int | None  # clips whose int8 outputs equal in TensorFlow Lite and TensorFlow Lite Micro, all bytes
    largest_difference: int | None  # between those two, over all outputs
    arena: manifest.Arena | None


def compare(
    folder: Path,
    features: NDArray[np.float32],
    quantized: NDArray[np.int8],
    labels: NDArray[np.int64],
    keras_scores: NDArray[np.float32],
) -> tuple[Forms, NDArray[np.int8] | None]:
    """Run the test partition through the files in ``folder``.

    Args:
        folder: What :func:`kws_exp.export.export` wrote.
        features: (clips, frames, width), as the Keras model had them.
        quantized: The same as the int8 model's input.
        labels: (clips,), the right classes.
        keras_scores: (clips, classes), scores or logits of the Keras model.

    Returns:
        The comparison, and the outputs (clips, classes) of TensorFlow Lite Micro if it ran.
    """
    inputs = quantized[..., np.newaxis]
    with ThreadPoolExecutor(1) as beside:  # the device's process has the other core meanwhile
        running = beside.submit(_device, folder / "model_int8.tflite", inputs)
        scores: dict[str, NDArray[Any]] = {
            "keras": keras_scores,
            "float_tflite": interpreters.tflite(folder / "model_float.tflite", features[..., np.newaxis]),
            "int8_tflite": interpreters.tflite(folder / "model_int8.tflite", inputs),
        }
        device, told = running.result()
    return _compare(scores, labels, device, told), None if device is None else device.outputs


def device_accuracy(folder: Path, features: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the accuracy on any partition in the device's arithmetic, by the quickest road that has it.

    The generated C is proved equal to TensorFlow Lite Micro and runs 4 to 20 times faster than its interpreter;
    TensorFlow Lite's reference kernels, where there is neither, differ in a few outputs of a thousand.
    """
    described = run_folder.read_json(folder / manifest.NAME)["input"]
    inputs = quantize(features, described["scale"], described["zero_point"])
    model = folder / "model_int8.tflite"
    if host.compiler() and (folder / "c99" / host.NETWORK[0]).exists():
        outputs = host.run(folder / "c99", inputs)
    elif interpreters.tflm_available():
        outputs = interpreters.tflm(model, inputs[..., np.newaxis]).outputs
    else:
        outputs = interpreters.tflite(model, inputs[..., np.newaxis])
    return float(np.mean(outputs.argmax(axis=1) == labels))


def _device(model: Path, quantized: NDArray[np.int8]) -> tuple[interpreters.Device | None, str]:
    """Run the device's interpreter where there is one; a model that it refuses is a finding, no error."""
    if not interpreters.tflm_available():
        return None, NOT_RUN
    try:
        return interpreters.tflm(model, quantized), "run"
    except KwsError as error:
        return None, f"failed: {error}"


def _compare(
    scores: dict[str, NDArray[Any]], labels: NDArray[np.int64], device: interpreters.Device | None, told: str
) -> Forms:
    if device is not None:
        scores = scores | {"int8_tflm": device.outputs}
    predicted = {form: values.argmax(axis=1) for form, values in scores.items()}
    apart = None
    if device is not None:
        apart = np.abs(np.subtract(scores["int8_tflite"], device.outputs, dtype=np.int16))
    return Forms(
        clips=len(labels),
        accuracy={form: float(np.mean(classes == labels)) for form, classes in predicted.items()},
        agreement={
            f"{one}/{other}": float(np.mean(predicted[one] == predicted[other]))
            for one, other in combinations(predicted, 2)
        },
        tflm=told,
        equal_rows=None if apart is None else int((apart == 0).all(axis=1).sum()),
        largest_difference=None if apart is None else int(apart.max()),
        arena=None if device is None else manifest.arena(device.smallest_arena, device.allocated),
    )
