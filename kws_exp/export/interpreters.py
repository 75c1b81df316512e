"""A model file in the interpreters: TensorFlow Lite's in this process, TensorFlow Lite Micro's in its own.

TensorFlow Lite by default runs int8 on XNNPACK, which rounds unlike any device: of 2,000 outputs of ds_cnn,
1,521 differed from TensorFlow Lite Micro's. With the reference kernels, used here, 4 did, for they round once
in FULLY_CONNECTED where the device rounds twice. What the device computes, TensorFlow Lite Micro alone tells.
"""

from __future__ import annotations

import importlib.util
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from kws_exp.cpu import cores
from kws_exp.export import child

_WORTH_A_THREAD, _MOST_THREADS = 100, 8  # clips; a process of 100 MB each in the case of the device

Result = TypeVar("Result")


@dataclass(frozen=True)
class Device:
    """What TensorFlow Lite Micro did with a model."""

    outputs: NDArray[np.int8]  # (clips, classes)
    smallest_arena: int  # bytes; the smallest in which the model loads and runs
    allocated: int  # bytes that the interpreter took of an arena without bounds


def tflite(model: Path, inputs: NDArray[Any]) -> NDArray[Any]:
    """Run ``inputs`` (clips, frames, width, 1), of the model's own type, one by one: (clips, classes)."""
    with warnings.catch_warnings():  # TensorFlow announces its removal for version 2.20; 2.21 has it
        warnings.filterwarnings("ignore", ".*tf.lite.Interpreter is deprecated")
        return np.concatenate(_shared_out(lambda part: _tflite(model, part), inputs))


def _tflite(model: Path, inputs: NDArray[Any]) -> NDArray[Any]:
    import tensorflow as tf

    kinds = tf.lite.experimental.OpResolverType
    resolver = kinds.BUILTIN_REF if inputs.dtype == np.int8 else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = tf.lite.Interpreter(model_path=str(model), experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    result = interpreter.get_output_details()[0]["index"]
    outputs = []
    for clip in inputs:
        interpreter.set_tensor(source, clip[np.newaxis])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(result)[0])
    return np.stack(outputs)


def _shared_out(run: Callable[[NDArray[Any]], Result], inputs: NDArray[Any]) -> list[Result]:
    """Split ``inputs`` over threads; neither interpreter holds Python's lock while it computes."""
    threads = min(cores(), _MOST_THREADS, max(1, len(inputs) // _WORTH_A_THREAD))
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, np.array_split(inputs, threads)))


def tflm_available() -> bool:
    """Whether the package ``tflite_micro`` is installed (wheels exist for Linux on x86-64 only)."""
    return importlib.util.find_spec("tflite_micro") is not None


def tflm(model: Path, inputs: NDArray[np.int8]) -> Device:
    """Run int8 ``inputs`` (clips, frames, width, 1) through an int8 model file.

    Raises:
        KwsError: The interpreter refuses the model; the message names the operator.
    """
    devices = _shared_out(lambda part: _tflm(model, part), inputs)
    return replace(devices[0], outputs=np.concatenate([device.outputs for device in devices]))


def _tflm(model: Path, inputs: NDArray[np.int8]) -> Device:
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder, "inputs.npy"), Path(folder, "result.npz")
        np.save(source, inputs)
        child.run("kws_exp.export.tflm", model.resolve(), source, result, what="TensorFlow Lite Micro")
        with np.load(result, allow_pickle=False) as content:
            return Device(content["outputs"], int(content["smallest_arena"]), int(content["allocated"]))
