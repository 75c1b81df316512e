"""The trained Keras model as a SavedModel and as the frozen graph that the converter reads, both of batch 1.

The batch must be 1: with Keras's open batch the converter leaves SHAPE, PACK and SPACE_TO_BATCH_ND in the
file, with which TensorFlow Lite Micro computes garbage in silence. Of the batch-1 routes the frozen graph
gives the smallest file and needs no Keras in the converting process.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

INPUT, OUTPUT = "features", "scores"


def save(model: Any, folder: Path) -> None:
    """Write ``folder/saved_model`` and ``folder/graph.pb``: softmax scores of one clip, dropout off.

    Args:
        model: Keras model from (batch, frames, width, 1) to logits (batch, classes).
        folder: Where both go; it exists.
    """
    import keras

    archive = keras.export.ExportArchive()
    archive.track(model)
    served = archive.add_endpoint("serve", scores(model), input_signature=signature(model))
    archive.write_out(str(folder / "saved_model"), verbose=False)
    graph = frozen(served.get_concrete_function())
    (folder / "graph.pb").write_bytes(graph.SerializeToString(deterministic=True))


def scores(model: Any) -> Callable[[Any], Any]:
    """Return the function from features to softmax scores, dropout off."""
    import tensorflow as tf

    return lambda features: tf.nn.softmax(model(features, training=False))


def signature(model: Any) -> list[Any]:
    """Return what that function takes: the features of one clip."""
    import tensorflow as tf

    return [tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name=INPUT)]


def frozen(function: Any) -> Any:
    """Return the GraphDef of a concrete function with its weights as constants, in its canonical form."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    constant = convert_variables_to_constants_v2(function, lower_control_flow=False)
    return canonical(constant.graph.as_graph_def(), constant.outputs[0].op.name)


def canonical(graph: Any, output: str) -> Any:
    """Return a copy of a GraphDef whose nodes are numbered, its input and output alone keeping a name.

    Keras counts layers over the life of a process ("conv2d_7"), so the same model would export to other bytes
    in the second job of a multirun. The device stores these names: numbers save 1.5 kB of 42 kB in ds_cnn.
    """
    renamed = type(graph)()
    renamed.CopyFrom(graph)
    names = {node.name: str(index) for index, node in enumerate(graph.node)} | {INPUT: INPUT, output: OUTPUT}
    for node in renamed.node:
        node.name = names[node.name]
        node.input[:] = [_renamed(source, names) for source in node.input]
    return renamed


def _renamed(source: str, names: dict[str, str]) -> str:
    """Rename a node's input: ``name``, ``name:port`` or, for order alone, ``^name``."""
    name, colon, port = source.removeprefix("^").partition(":")
    return ("^" if source.startswith("^") else "") + names[name] + colon + port
