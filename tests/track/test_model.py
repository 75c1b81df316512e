"""The logged model, loaded in a fresh process where ``kws_exp`` cannot be imported from anywhere else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kws_exp import features, run_folder
from kws_exp.export import interpreters
from kws_exp.export.quantize import quantize
from kws_exp.track import model, results, sync
from tests import fake_run

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

CLIP = Path(__file__).parents[3] / "shared" / "speech_commands" / "yes"
LOAD = """
import json, sys, warnings
import numpy as np
import mlflow
import mlflow.pyfunc
uri, clip, *models = sys.argv[1:]
mlflow.set_tracking_uri(uri)
whole = np.load(clip)
for name in models:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        spotter = mlflow.pyfunc.load_model(name)
    tables = [spotter.predict(audio) for audio in (whole, (whole / 32768).astype(np.float32), whole[0])]
    print(json.dumps([table.to_dict("list") for table in tables]))
import kws_exp
print(json.dumps(kws_exp.__file__))
"""
CONVERT = """
import sys
import numpy as np
import tensorflow as tf
tf.keras.utils.set_random_seed(1)
layers = [tf.keras.Input((49, 40, 1), 1), tf.keras.layers.Conv2D(4, (10, 8), strides=4, activation="relu"),
          tf.keras.layers.Flatten(), tf.keras.layers.Dense(5), tf.keras.layers.Softmax()]
converter = tf.lite.TFLiteConverter.from_keras_model(tf.keras.Sequential(layers))
converter.optimizations = [tf.lite.Optimize.DEFAULT]
converter.representative_dataset = lambda: ([clip[None, ..., None]] for clip in np.load(sys.argv[1]))
converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
converter.inference_input_type = converter.inference_output_type = tf.int8
content = converter.convert()
open(sys.argv[2], "wb").write(content)
details = tf.lite.Interpreter(model_content=content).get_input_details()[0]
print(*details["quantization"])
"""


@pytest.fixture
def clips() -> np.ndarray[tuple[int, int], np.dtype[np.int16]]:
    """Two clips (2, 16000): recorded words where they are, else noise."""
    if not CLIP.is_dir():
        return np.random.default_rng(0).integers(-3000, 3000, (2, 16_000), dtype=np.int16)
    import soundfile

    read = [soundfile.read(path, dtype="int16")[0] for path in sorted(CLIP.iterdir())[:2]]
    return np.stack([np.pad(clip, (0, 16_000 - len(clip))) for clip in read])


@pytest.mark.slow
@pytest.mark.skipif(not interpreters.tflm_available(), reason="compares with TensorFlow Lite Micro")
def test_the_logged_model_says_what_the_device_says(
    tmp_path: Path,
    output_dir: Path,
    client: MlflowClient,
    clips: np.ndarray[tuple[int, int], np.dtype[np.int16]],
) -> None:
    folder = fake_run.make(output_dir)
    config = fake_run.CONFIG.replace("registered_model: null", "registered_model: kws")
    run_folder.write_text(folder.path / "config.yaml", config)
    settings = features.FRONT_ENDS["log_mel"].settings(name="log_mel")
    seen = features.build(settings)((clips / 32768).astype(np.float32))
    np.save(tmp_path / "seen.npy", seen)
    np.save(tmp_path / "clips.npy", clips)
    exported = folder.export / "model_int8.tflite"
    command = [sys.executable, "-c", CONVERT, str(tmp_path / "seen.npy"), str(exported)]
    converted = subprocess.run(command, capture_output=True, text=True, check=True)
    scale, zero_point = converted.stdout.split()[-2:]
    manifest = run_folder.read_json(folder.export / "manifest.json")
    manifest["input"] |= {"scale": float(scale), "zero_point": int(zero_point)}
    manifest["features"] = asdict(settings)
    run_folder.write_json(folder.export / "manifest.json", manifest)

    run_id = sync.sync(folder)
    sync.sync(folder)
    model_id = client.get_run(run_id).data.tags[results.MODEL_TAG]
    assert len(client.search_logged_models(["1"])) == 1  # sent once, beside the run's experiment
    assert len(client.search_model_versions("name='kws'")) == 1
    assert client.get_run(run_id).info.status == "FINISHED"

    names = ["models:/kws/1", f"models:/{model_id}"]
    uri = sync.store_of(folder).uri
    command = [sys.executable, "-c", LOAD, uri, str(tmp_path / "clips.npy"), *names]
    loaded = subprocess.run(command, cwd=tmp_path, env=_without_package(), capture_output=True, text=True, check=False)
    assert loaded.returncode == 0, loaded.stderr
    *answers, place = map(json.loads, loaded.stdout.splitlines())
    device = interpreters.tflm(exported, quantize(seen[..., np.newaxis], float(scale), int(zero_point))).outputs
    for whole, real, single in answers:
        assert whole == real
        assert np.array_equal([whole[label] for label in fake_run.LABELS], (device.T + 128.0) / 256)
        assert whole["label"] == [fake_run.LABELS[best] for best in device.argmax(axis=1)]
        assert single["label"] == whole["label"][:1]
    assert Path(place).is_relative_to(output_dir / "artifacts" / "models" / model_id)


def test_the_requirements_are_explicit_and_choose_the_interpreter_by_platform() -> None:
    listed = model.requirements()
    assert any(item.startswith("numpy==") for item in listed)
    assert [item.split(";")[0].split(">")[0] for item in listed[-2:]] == ["tflite-micro", "tensorflow"]


def _without_package() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"PYTHONSAFEPATH": "1"}
