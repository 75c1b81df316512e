"""``python -m kws_exp.export.convert FOLDER``: frozen graph to float and int8 TensorFlow Lite files.

Reads ``graph.pb`` (:mod:`kws_exp.export.graph`) and ``calibration.npy``, writes ``model_float.tflite`` and
``model_int8.tflite``, int8 in and out. It can be a process of its own because the converter of TensorFlow 2.21
dies of a segmentation fault on some layers, recurrent ones among them; that costs 3 s, so what is known to be
:func:`harmless` is converted in the process that trained it.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_exp import framework
from kws_exp.export.graph import INPUT, OUTPUT

HARMLESS = (  # layers on which the converter, which is C++, has not crashed yet
    *("InputLayer", "Conv2D", "DepthwiseConv2D", "Dense", "BatchNormalization", "ReLU", "Activation", "Dropout"),
    *("Flatten", "Add", "AveragePooling2D", "MaxPooling2D", "GlobalAveragePooling2D"),
)


def harmless(model: Any) -> bool:
    """Tell whether all layers of a Keras model may be converted in this process."""
    return all(type(layer).__name__ in HARMLESS for layer in model.layers)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep TensorFlow's converter from talking of itself."""
    with warnings.catch_warnings(), framework.no_stderr():
        warnings.simplefilter("ignore")  # of inputs without statistics
        yield


def main(folder: Path) -> None:
    """Convert ``folder/graph.pb`` twice."""
    import tensorflow as tf

    function = imported(tf.compat.v1.GraphDef.FromString((folder / "graph.pb").read_bytes()))
    calibration = np.load(folder / "calibration.npy", allow_pickle=False)
    (folder / "model_float.tflite").write_bytes(_converter(function).convert())
    (folder / "model_int8.tflite").write_bytes(to_int8(function, calibration))


def imported(graph: Any) -> Any:
    """Return a frozen GraphDef as a function that the converter takes."""
    import tensorflow as tf

    wrapped = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(graph, name=""), [])
    return wrapped.prune(f"{INPUT}:0", f"{OUTPUT}:0")


def to_int8(function: Any, calibration: NDArray[np.float32]) -> bytes:
    """Return the int8 model of a function; clips (clips, frames, width) fix its ranges."""
    import tensorflow as tf

    def clips() -> Iterator[list[Any]]:
        for clip in calibration:
            yield [clip[np.newaxis, ..., np.newaxis]]

    converter = _converter(function)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = clips
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    model: bytes = converter.convert()
    return model


def _converter(function: Any) -> Any:
    import tensorflow as tf

    return tf.lite.TFLiteConverter.from_concrete_functions([function])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
