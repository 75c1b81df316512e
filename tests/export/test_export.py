from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kws_exp import schema
from kws_exp.errors import KwsError
from kws_exp.export import Exported, export

from .conftest import FRAMES, WIDTH, build

pytestmark = pytest.mark.slow


def test_folder_is_complete_and_hashed(conv_export: Exported, conv_model: Any) -> None:
    folder = conv_export.folder
    written = json.loads((folder / "manifest.json").read_text())
    names = {path.name for path in folder.iterdir()} - {"proof.json"}
    models = {"model_float.tflite", "model_int8.tflite"}
    assert names == models | {"saved_model", "labels.txt", "manifest.json"}
    assert models | {"labels.txt", "saved_model/saved_model.pb"} < set(written["files"])
    for name, file in written["files"].items():
        content = (folder / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"])
    assert [path.name for path in folder.parent.iterdir()] == ["export"]
    assert (folder / "labels.txt").read_text() == "_silence_\n_unknown_\nyes\nno\n"


def test_manifest_tells_what_the_device_must_know(conv_export: Exported, conv_model: Any) -> None:
    written = json.loads((conv_export.folder / "manifest.json").read_text())
    assert (written["schema_version"], written["name"], written["provenance"]) == (
        1,
        "small",
        {"run": "0123"},
    )
    assert (written["sample_rate"], written["clip_samples"], written["features"]["bins"]) == (
        16000,
        16000,
        12,
    )
    assert written["input"]["shape"] == [1, FRAMES, WIDTH, 1]
    assert written["output"] == {"shape": [1, 4], "dtype": "int8", "scale": 1 / 256, "zero_point": -128}
    assert written["parameters"] == conv_model.count_params()


def test_same_model_gives_the_same_bytes_whatever_its_layers_are_called(
    conv_export: Exported, conv_model: Any, features: Any, config: schema.Config, tmp_path: Path
) -> None:
    import keras

    twin = keras.models.clone_model(
        conv_model, clone_function=lambda layer: type(layer).from_config(layer.get_config() | {"name": None})
    )
    twin.set_weights(conv_model.get_weights())
    assert twin.layers[0].name != conv_model.layers[0].name
    again = export(twin, features[:50], config, tmp_path / "export", {})
    for name in ("model_float.tflite", "model_int8.tflite"):
        assert (again.folder / name).read_bytes() == (conv_export.folder / name).read_bytes()


def test_saved_model_gives_the_scores(conv_export: Exported, conv_model: Any, features: Any) -> None:
    import tensorflow as tf

    served = tf.saved_model.load(str(conv_export.folder / "saved_model"))
    clip = features[:1, ..., np.newaxis]
    expected = tf.nn.softmax(conv_model(clip, training=False))
    np.testing.assert_allclose(served.serve(clip), expected, rtol=1e-5, atol=1e-7)


def test_crash_of_the_converter_is_a_message_and_leaves_the_old_export(
    features: Any, config: schema.Config, tmp_path: Path
) -> None:
    import keras

    old = tmp_path / "export" / "old.txt"
    old.parent.mkdir()
    old.write_text("kept")
    model = build(keras.layers.Reshape((FRAMES, WIDTH)), keras.layers.LSTM(4))
    with pytest.raises(KwsError, match=r"^TensorFlow's converter crashed \(SIGSEGV\): "):
        export(model, features[:5], config, old.parent, {})
    assert [path.name for path in tmp_path.rglob("*")] == ["export", "old.txt"]


def test_calibration_must_fit_the_model(conv_model: Any, config: schema.Config, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="calibration"):
        export(conv_model, np.zeros((5, FRAMES, WIDTH + 1), np.float32), config, tmp_path / "export", {})
