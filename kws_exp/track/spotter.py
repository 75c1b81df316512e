"""The code of the logged model (see :mod:`kws_exp.track.model`): MLflow runs this file where a model is loaded.

It therefore ends in a call; nothing in ``kws_exp`` imports it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from numpy.typing import ArrayLike, NDArray

from kws_exp import features
from kws_exp.export.quantize import dequantize, quantize

Infer = Callable[[NDArray[np.int8]], NDArray[np.int8]]  # (frames, width) -> (labels,)


class Spotter(mlflow.pyfunc.PythonModel):
    """Audio to features, features to int8, int8 to scores."""

    def load_context(self, context: Any) -> None:
        """Read the model and what its manifest says of features and quantisation."""
        self.manifest = json.loads(Path(context.artifacts["manifest"]).read_text(encoding="utf-8"))
        settings = dict(self.manifest["features"])
        self.extract = features.build(features.FRONT_ENDS[settings["name"]].settings(**settings))
        arena = self.manifest["arena"]
        self.infer = interpreter(Path(context.artifacts["model"]), arena["ceiling"] if arena else None)

    # the one annotation of the input over which MLflow does not print a warning at every load
    def predict(self, context: Any, model_input: np.ndarray, params: dict[str, Any] | None = None) -> Any:
        """Return a table of scores for audio (batch, 16000), and the likeliest label of each clip."""
        import pandas as pd

        source, result = self.manifest["input"], self.manifest["output"]
        inputs = quantize(self.extract(as_audio(model_input)), source["scale"], source["zero_point"])
        outputs = np.stack([self.infer(clip) for clip in inputs])
        labels = self.manifest["labels"]
        table = pd.DataFrame(dequantize(outputs, result["scale"], result["zero_point"]), columns=labels)
        return table.assign(label=[labels[best] for best in outputs.argmax(axis=1)])


def as_audio(given: ArrayLike) -> NDArray[np.float32]:
    """Return clips as float32 in [-1, 1], shape (batch, 16000); whole numbers are taken for 16-bit samples."""
    clips = np.atleast_2d(np.asarray(given))
    if clips.ndim != 2 or clips.shape[1] != 16_000:
        raise ValueError(f"audio must have the shape (batch, 16000), one second at 16 kHz, and has {clips.shape}")
    scale = 32_768 if np.issubdtype(clips.dtype, np.integer) else 1
    return (clips / scale).astype(np.float32)


def interpreter(model: Path, arena: int | None) -> Infer:
    """Load an int8 model into TensorFlow Lite Micro, or where that is missing, TensorFlow Lite's reference kernels."""
    try:
        from tflite_micro import runtime
    except ImportError:
        return _tensorflow_lite(model)
    device = runtime.Interpreter.from_bytes(model.read_bytes(), **({"arena_size": arena} if arena else {}))

    def infer(clip: NDArray[np.int8]) -> NDArray[np.int8]:
        device.set_input(clip[np.newaxis, ..., np.newaxis], 0)
        device.invoke()
        return device.get_output(0)[0]

    return infer


def _tensorflow_lite(model: Path) -> Infer:
    import tensorflow as tf

    reference = tf.lite.experimental.OpResolverType.BUILTIN_REF
    lite = tf.lite.Interpreter(model_path=str(model), experimental_op_resolver_type=reference)
    lite.allocate_tensors()
    source, result = lite.get_input_details()[0]["index"], lite.get_output_details()[0]["index"]

    def infer(clip: NDArray[np.int8]) -> NDArray[np.int8]:
        lite.set_tensor(source, clip[np.newaxis, ..., np.newaxis])
        lite.invoke()
        return lite.get_tensor(result)[0]

    return infer


mlflow.models.set_model(Spotter())
