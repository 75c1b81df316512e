from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kws_exp import schema
from kws_exp.export import Exported, export, interpreters, prove
from kws_exp.export.manifest import arena

from .conftest import build

pytestmark = pytest.mark.slow
needs_tflm = pytest.mark.skipif(not interpreters.tflm_available(), reason="tflite-micro is not installed")


def keras_scores(model: Any, features: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(model(features[..., np.newaxis], training=False))


@needs_tflm
@pytest.mark.parametrize("name", ["conv", "separable"])
def test_all_four_forms_agree(name: str, features: Any, request: pytest.FixtureRequest) -> None:
    exported: Exported = request.getfixturevalue(f"{name}_export")
    scores = keras_scores(request.getfixturevalue(f"{name}_model"), features)
    labels = scores.argmax(axis=1)
    proof = prove(exported.folder, features, labels, scores)
    assert (proof.clips, proof.tflm) == (240, "run")
    assert list(proof.accuracy) == ["keras", "float_tflite", "int8_tflite", "int8_tflm"]
    assert proof.accuracy["keras"] == 1.0
    assert proof.agreement["keras/float_tflite"] == 1.0
    assert proof.agreement["keras/int8_tflm"] == proof.accuracy["int8_tflm"] > 0.9
    assert proof.equal_rows is not None and proof.equal_rows >= 236
    written = json.loads((exported.folder / "manifest.json").read_text())
    assert written["accuracy"] == proof.accuracy
    assert proof.arena is not None and written["arena"] == asdict(proof.arena)
    assert json.loads((exported.folder / "proof.json").read_text()) == asdict(proof)


def test_without_tflite_micro_the_rest_is_proved(
    conv_export: Exported, conv_model: Any, features: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreters, "tflm_available", lambda: False)
    folder = tmp_path / "export"
    shutil.copytree(conv_export.folder, folder)
    scores = keras_scores(conv_model, features)
    proof = prove(folder, features, scores.argmax(axis=1), scores)
    assert proof.tflm == "not run: tflite-micro has no wheel for this platform"
    assert (proof.arena, proof.equal_rows, "int8_tflm" in proof.accuracy) == (None, None, False)
    assert proof.accuracy["int8_tflite"] > 0.9


@needs_tflm
def test_missing_operator_is_named(features: Any, config: schema.Config, tmp_path: Path) -> None:
    import keras

    model = build(keras.layers.Activation("gelu"))
    folder = export(model, features[:5], config, tmp_path / "export", {}).folder
    proof = prove(folder, features[:5], np.zeros(5, np.int64), keras_scores(model, features[:5]))
    assert proof.tflm.startswith("failed: TensorFlow Lite Micro")
    assert "GELU" in proof.tflm
    assert proof.arena is None


def test_partition_must_be_whole(conv_export: Exported, features: Any) -> None:
    with pytest.raises(ValueError, match="240 features, 3 labels"):
        prove(conv_export.folder, features, np.zeros(3, np.int64), np.zeros((240, 4), np.float32))


@pytest.mark.parametrize(("smallest", "ceiling"), [(9616, 12096), (1024, 2208), (24144, 28800)])
def test_arena_ceiling(smallest: int, ceiling: int) -> None:
    assert arena(smallest, smallest).ceiling == ceiling
    assert ceiling % 16 == 0
    assert 0 <= ceiling - (smallest * 1.15 + 1024) < 16
