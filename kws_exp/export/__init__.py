"""From a trained Keras model to TensorFlow Lite files.

:func:`export` writes, for batch 1,

    saved_model/           Keras's own serving format, scores out
    model_float.tflite
    model_int8.tflite      int8 in and out
    labels.txt             one class a line, in output order
    manifest.json          kws_exp.export.manifest

in a process of its own, for the converter is C++ that may crash. What needs the test partition (:mod:`kws_exp.proof`)
and what a firmware engineer builds from (:mod:`kws_exp.device`) comes after.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_exp import features, schema
from kws_exp.export import child, convert, flatbuffer, graph, manifest
from kws_exp.export.quantize import dequantize, quantize, span

__all__ = ["Exported", "dequantize", "export", "quantize"]


@dataclass(frozen=True)
class Exported:
    """A finished export."""

    folder: Path
    manifest: manifest.Manifest
    contents: flatbuffer.Contents  # of the int8 model


def export(
    model: Any,
    calibration: NDArray[np.float32],
    config: schema.Config,
    folder: Path,
    provenance: Mapping[str, object],
) -> Exported:
    """Write ``folder`` anew; what is there stays as it is until the new export is complete.

    Args:
        model: Keras model from (batch, frames, width, 1) to logits (batch, classes).
        calibration: (clips, frames, width), features of training clips, which fix the int8 ranges.
        config: The experiment.
        folder: Where the files go.
        provenance: What the manifest says of the run that made the model.

    Raises:
        KwsError: The converter failed, or the device could not run what it made.
    """
    expected = tuple(model.input_shape[1:3])
    if calibration.shape[1:] != expected or not len(calibration):
        raise ValueError(f"calibration features {calibration.shape} for a model of input {expected}")
    fixed = features.input_range(config.features)
    calibration = span(calibration, fixed.lowest, fixed.highest) if fixed else calibration
    aside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        _convert(model, calibration, aside)
        contents = flatbuffer.read(aside / "model_int8.tflite")
        flatbuffer.check(contents)
        (aside / "labels.txt").write_text("\n".join(config.labels) + "\n", encoding="utf-8", newline="\n")
        described = manifest.make(aside, contents, config, model.count_params(), provenance)
        manifest.write(aside, described)
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Exported(folder, described, contents)


def _convert(model: Any, calibration: NDArray[np.float32], folder: Path) -> None:
    graph.save(model, folder)
    np.save(folder / "calibration.npy", np.asarray(calibration, np.float32))
    if convert.harmless(model):
        with convert.quiet():
            convert.main(folder)
    else:
        child.run("kws_exp.export.convert", folder, what="TensorFlow's converter")
    for name in ("graph.pb", "calibration.npy"):
        (folder / name).unlink()
