"""The whole proof on real exports: forms of the model, the generated C here and on emulated cores."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kws_exp import run_folder, schema
from kws_exp.c99 import host, qemu
from kws_exp.export import Exported, export, interpreters
from kws_exp.export.manifest import arena
from kws_exp.export.quantize import quantize
from kws_exp.proof import Partition, Proof, forms, prove, vela
from tests.export.conftest import build
from tests.proof.conftest import Spotter

pytestmark = pytest.mark.slow
needs_tflm = pytest.mark.skipif(not interpreters.tflm_available(), reason="tflite-micro is not installed")
needs_cores = pytest.mark.skipif(not qemu.available(), reason=f"not installed: {', '.join(qemu.missing())}")


def keras_scores(model: Any, features: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(model(features[..., np.newaxis], training=False))


def proof_of(folder: Path, config: schema.Config, features: NDArray[np.float32], scores: NDArray[np.float32]) -> Proof:
    return prove(folder, config, Partition(features, scores.argmax(axis=1), scores, lambda: ()))[0]


@needs_tflm
def test_from_samples_to_scores_every_byte_is_the_same(proved: Spotter) -> None:
    device = proved.proof.device
    assert (device.host, device.clips) == ("equal", 60)
    assert device.compared == {"features": 60 * 1960 * 2, "inputs": 60 * 1960, "outputs": 60 * 4}
    assert device.different == {"features": 0, "inputs": 0, "outputs": 0}
    assert len(np.unique(proved.tested.labels)) > 1
    manifest = run_folder.read_json(proved.folder / "manifest.json")
    assert manifest["input"] == {"shape": [1, 49, 40, 1], "dtype": "int8", "scale": 26 / 256, "zero_point": -128}
    assert manifest["device"]["host"] == "equal"
    assert run_folder.read_json(proved.folder / "proof.json") == json.loads(json.dumps(asdict(proved.proof)))


@needs_tflm
@needs_cores
def test_emulated_cores_give_the_same_bytes_and_what_they_cost(proved: Spotter) -> None:
    assert proved.proof.device.emulation == "equal"
    main, other = proved.proof.device.cores
    assert [(core.name, core.status, core.clips) for core in (main, other)] == [
        ("cortex-m4", "equal", 3),
        ("cortex-m0plus", "equal", 1),
    ]
    assert 15_000 < main.flash < 40_000
    assert 4_000 < main.ram < 12_000
    assert 500_000 < main.inference_instructions < 3_000_000
    assert main.frame_instructions is not None and 40_000 < main.frame_instructions < 90_000
    assert 0 < main.inference_ms.low < main.inference_ms.high


@needs_tflm
def test_vela_estimates_an_ethos_u(proved: Spotter) -> None:
    (found,) = proved.proof.ethos_u
    assert (found.accelerator, found.status) == ("ethos-u55-128", "estimated")
    assert 10_000 < found.cycles < 200_000
    assert found.ms == pytest.approx(found.cycles / found.clock_mhz / 1000, rel=0.01)
    assert 4_000 < found.sram < 16_000 < found.flash < 40_000


def test_what_vela_cannot_do_is_told(proved: Spotter, monkeypatch: pytest.MonkeyPatch) -> None:
    (failed,) = vela.estimate(proved.folder / "model_int8.tflite", ["ethos-u99"])
    assert failed.status.startswith("failed: ")
    monkeypatch.setattr(vela, "PACKAGE", "no_such_package")
    (missing,) = vela.estimate(proved.folder / "model_int8.tflite", ["ethos-u55-128"])
    assert missing.status == "not run: ethos-u-vela is not installed"


@needs_tflm
@pytest.mark.parametrize("name", ["conv", "separable"])
def test_all_forms_agree_and_features_prove_the_network_alone(
    name: str, features: Any, config: schema.Config, request: pytest.FixtureRequest
) -> None:
    exported: Exported = request.getfixturevalue(f"{name}_export")
    scores = keras_scores(request.getfixturevalue(f"{name}_model"), features)
    proof = proof_of(exported.folder, config, features, scores)
    found = proof.forms
    assert (found.clips, found.tflm) == (240, "run")
    assert list(found.accuracy) == ["keras", "float_tflite", "int8_tflite", "int8_tflm"]
    assert found.accuracy["keras"] == 1.0
    assert found.agreement["keras/float_tflite"] == 1.0
    assert found.agreement["keras/int8_tflm"] == found.accuracy["int8_tflm"] > 0.9
    assert found.equal_rows is not None and found.equal_rows >= 236
    written = run_folder.read_json(exported.folder / "manifest.json")
    assert written["accuracy"] == found.accuracy
    assert found.arena is not None and written["arena"] == asdict(found.arena)
    assert proof.device.scope == "from the network's input to its output"
    assert (proof.device.host, proof.device.compared) == ("equal", {"outputs": 960})
    assert "log_mel" in proof.omitted["detector"]
    assert written["device"]["omitted"] == proof.omitted


def test_without_tflite_micro_the_rest_is_proved(
    conv_export: Exported,
    conv_model: Any,
    features: Any,
    config: schema.Config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(interpreters, "tflm_available", lambda: False)
    folder = Path(shutil.copytree(conv_export.folder, tmp_path / "export"))
    proof = proof_of(folder, config, features, keras_scores(conv_model, features))
    assert proof.forms.tflm == "not run: tflite-micro has no wheel for this platform"
    assert (proof.forms.arena, proof.forms.equal_rows, "int8_tflm" in proof.forms.accuracy) == (None, None, False)
    assert proof.forms.accuracy["int8_tflite"] > 0.9
    assert proof.device.host == "not run: there is no interpreter to compare with"


@needs_tflm
def test_without_a_compiler_the_rest_is_proved(proved: Spotter, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "compiler", lambda: None)
    monkeypatch.setattr(qemu, "missing", lambda: ["arm-none-eabi-gcc"])
    proof, _ = prove(copied, proved.config, proved.tested)
    assert proof.device.host == "not run: no C compiler was found"
    assert proof.device.emulation == "not run: arm-none-eabi-gcc not found"
    assert (copied / "c99" / "kws.c").exists()


@needs_tflm
def test_an_operator_that_the_c_does_not_know_is_named_and_the_rest_stands(
    features: Any, config: schema.Config, tmp_path: Path
) -> None:
    import keras

    model = build(keras.layers.Activation("hard_swish"))
    folder = export(model, features[:20], config, tmp_path / "export", {}).folder
    proof = proof_of(folder, config, features[:20], keras_scores(model, features[:20]))
    assert proof.forms.tflm == "run"
    assert "HARD_SWISH" in proof.omitted["c99"]
    assert proof.device.host == "not run: no C was generated"
    assert (folder / "tflm").is_dir()


@needs_tflm
def test_missing_operator_is_named(features: Any, config: schema.Config, tmp_path: Path) -> None:
    import keras

    model = build(keras.layers.Activation("gelu"))
    few = features[:5]
    folder = export(model, few, config, tmp_path / "export", {}).folder
    proof = proof_of(folder, config, few, keras_scores(model, few))
    assert proof.forms.tflm.startswith("failed: TensorFlow Lite Micro")
    assert "GELU" in proof.forms.tflm
    assert proof.forms.arena is None
    assert any("GELU" in sentence for sentence in proof.unfit)


def test_partition_must_be_whole(conv_export: Exported, features: Any, config: schema.Config) -> None:
    tested = Partition(features, np.zeros(3, np.int64), np.zeros((240, 4), np.float32), lambda: ())
    with pytest.raises(ValueError, match="240 features, 3 labels"):
        prove(conv_export.folder, config, tested)


def test_a_difference_is_told(conv_export: Exported, conv_model: Any, features: Any) -> None:
    """The comparison itself: labels that Keras gets wrong are counted in every form."""
    written = run_folder.read_json(conv_export.folder / "manifest.json")["input"]
    scores = keras_scores(conv_model, features)
    wrong = (scores.argmax(axis=1) + 1) % 4
    inputs = quantize(features, written["scale"], written["zero_point"])
    found, _ = forms.compare(conv_export.folder, features, inputs, wrong, scores)
    assert found.accuracy["keras"] == 0.0


@pytest.mark.parametrize(("smallest", "ceiling"), [(9616, 12096), (1024, 2208), (24144, 28800)])
def test_arena_ceiling(smallest: int, ceiling: int) -> None:
    assert arena(smallest, smallest).ceiling == ceiling
    assert ceiling % 16 == 0
    assert 0 <= ceiling - (smallest * 1.15 + 1024) < 16


def test_the_settings_know_every_core_and_profile() -> None:
    from kws_exp import validate
    from kws_exp.device import profiles
    from kws_exp.proof import latency

    assert set(validate.CORES) == set(qemu.CORES) == set(latency.CLOCKS) == set(schema.Export().emulated_cores)
    assert set(validate.CHOICES["export.profile"]) == set(profiles.PROFILES)
