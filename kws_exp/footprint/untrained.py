"""A network as the device would get it, before it is trained: int8, by the export's own converter, in half a second.

The surprising fact: Keras's own initial weights will not do. All their biases are zero, and equal arrays are stored
once, so ds_cnn came out 2,608 bytes of file and 768 bytes of flash short; each weight is moved by up to a thousandth.
"""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kws_exp import features, framework, models, schema
from kws_exp.export import child, convert, graph
from kws_exp.export.quantize import span

if TYPE_CHECKING:
    import keras

SEED = 0
STEP = 1e-3  # largest, from a weight's initial value
CLIPS, LOUDEST = 2, 0.01  # of the calibration: scores this close to each other need the device's largest softmax table


def build(config: schema.Config) -> keras.Model:
    """Build the network of ``config``, with no two weights alike.

    The global random generators start anew, as at every :func:`kws_exp.models.build`.

    Raises:
        KwsError: The settings make no network.
    """
    _start()
    shape = config.features.frames, config.features.width
    model = models.build(config.model, *shape, len(config.labels), SEED)
    rng = np.random.default_rng(SEED)
    model.set_weights([weights + rng.uniform(-STEP, STEP, weights.shape) for weights in model.get_weights()])
    return model


@functools.cache
def _start() -> None:
    """Start TensorFlow, unless this process has done so here: a second start takes 0.3 s."""
    framework.start(SEED)


def int8(model: keras.Model, settings: schema.Features) -> bytes:
    """Return ``model_int8.tflite`` of a network for the features of ``settings``.

    Raises:
        KwsError: The converter failed on a layer that is not known to be harmless.
    """
    frozen, clips = _frozen(model), calibration(settings)
    if convert.harmless(model):
        with convert.quiet():
            return convert.to_int8(convert.imported(frozen), clips)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "graph.pb").write_bytes(frozen.SerializeToString(deterministic=True))
        np.save(folder / "calibration.npy", clips)
        child.run("kws_exp.export.convert", folder, what="TensorFlow's converter")
        return (folder / "model_int8.tflite").read_bytes()


def calibration(settings: schema.Features) -> NDArray[np.float32]:
    """Return clips (clips, frames, width) of nearly nothing, in the front end's range if it fixes one."""
    rng = np.random.default_rng(SEED)
    clips = rng.uniform(0, LOUDEST, (CLIPS, settings.frames, settings.width)).astype(np.float32)
    fixed = features.input_range(settings)
    return span(clips, fixed.lowest, fixed.highest) if fixed else clips


def _frozen(model: keras.Model) -> Any:
    """Return the graph that :func:`kws_exp.export.graph.save` writes, without a SavedModel: 0.3 s, not 1.9 s."""
    import tensorflow as tf

    scores = tf.function(graph.scores(model), input_signature=graph.signature(model))
    return graph.frozen(scores.get_concrete_function())
