from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kws_exp import device, schema
from kws_exp.device import Written
from kws_exp.features import micro

from .compilers import C99, needs, run
from .conftest import Case, make

pytestmark = pytest.mark.slow


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_folder_is_complete(case: Case) -> None:
    assert case.written.stem == "tiny_conv_kws"
    assert case.written.parts == ("golden", "tflm", "c99", "detector", "build", "arduino")
    assert list(case.written.omitted) == ["esphome"]
    assert "operator SOFTMAX" in case.written.omitted["esphome"]
    made = {"golden", "tflm", "c99", "demo", "qemu", "esp-idf", "zephyr", "arduino", "Makefile", "CMakeLists.txt"}
    assert names(case.folder) > made | {"README.md", "MODEL_CARD.md", "model_int8.tflite", "labels.txt"}
    assert not any(name.startswith(".") for name in names(case.folder))
    texts = [path for path in case.folder.rglob("*") if path.suffix in (".c", ".h", ".ld", ".md", ".txt", ".yml")]
    texts += [case.folder / "Makefile", case.folder / "zephyr" / "Kconfig"]
    assert not [path for path in texts if "@@" in path.read_text()]


@pytest.mark.parametrize("name", ["../../x", "my run: yes/no", "1st", 'a"; rm -rf / #', "*/ int", "a\nb$(x)", ""])
def test_no_name_leaves_the_folder_or_breaks_a_file(
    name: str, alone: Callable[..., tuple[Path, Written]], tmp_path: Path
) -> None:
    folder, written = alone(name=name)
    assert names(tmp_path) == {"export"}
    assert written.stem.isidentifier()
    assert names(folder / "esp-idf") == {written.stem}
    assert names(folder / "arduino") == {f"{written.stem}.zip"}
    run(folder, "make", "--dry-run", "test")
    assert (folder / "README.md").read_text().count("\n# ") == 0


@needs("gcc")
def test_no_label_breaks_a_file(alone: Callable[..., tuple[Path, Written]], case: Case) -> None:
    labels = [schema.SILENCE, schema.UNKNOWN, 'yes"; }\n#error', "für|`x`$(x) */"]
    folder, _ = alone(labels=labels)
    run(folder, "make")
    printed = run(folder, "make", "demo", "CC=gcc")
    assert "build/demo" in printed
    assert "yes error, für x x" in (folder / "zephyr" / "Kconfig").read_text()


def test_operator_unknown_to_c99_leaves_the_rest(tmp_path: Path) -> None:
    import keras

    settings = micro.Micro(bins=10)
    keras.utils.set_random_seed(1)
    inputs = keras.Input((settings.frames, settings.width, 1))
    hidden = keras.layers.Conv2D(2, 5, strides=5, activation="hard_silu")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(4)(keras.layers.Flatten()(hidden)))
    folder = tmp_path / "export"
    manifest, golden = make(model, settings, folder, "hard")
    written = device.write(folder, manifest, golden)
    assert "HARD_SWISH" in written.omitted["c99"]
    assert written.parts == ("golden", "tflm")
    assert written.omitted["build"] == "It needs the C99 program, which is not there."
    assert "resolver.AddHardSwish() == 0" in (folder / "tflm" / "op_resolver.h").read_text()
    assert not names(folder) & {"c99", "Makefile", "qemu", "arduino"}
    readme = (folder / "README.md").read_text()
    assert "HARD\\_SWISH" in readme and "c99/kws_model" not in readme and "make qemu" not in readme


def test_operator_unknown_to_tflm_leaves_the_rest(alone: Callable[..., tuple[Path, Written]]) -> None:
    folder, written = alone(operators=[{"name": "GELU", "version": 1, "count": 1}])
    assert "operator GELU" in written.omitted["tflm"]
    assert "c99" in written.parts
    assert "tflm" not in names(folder)


def test_what_an_earlier_export_left_goes(alone: Callable[..., tuple[Path, Written]], case: Case) -> None:
    folder, _ = alone()
    (folder / "c99" / "old.c").write_text("")
    features = case.manifest["features"] | {"name": "mfcc"}
    alone(replace(case.golden, pcm=None, features=None), features=features)
    assert "old.c" not in names(folder / "c99")
    assert "demo" not in names(folder)


def test_vectors_of_another_model_leave_the_old_files(alone: Callable[..., tuple[Path, Written]], case: Case) -> None:
    folder, _ = alone()
    before = sorted(folder.rglob("*"))
    with pytest.raises(ValueError, match="golden vectors"):
        alone(replace(case.golden, inputs=case.golden.inputs[:, 1:]))
    with pytest.raises(ValueError, match="golden vectors"):
        alone(replace(case.golden, pcm=None, features=None))
    assert sorted(folder.rglob("*")) == before


@needs("gcc")
def test_the_readme_s_program_compiles(case: Case, alone: Callable[..., tuple[Path, Written]], tmp_path: Path) -> None:
    features = case.manifest["features"] | {"name": "mfcc"}
    network, _ = alone(replace(case.golden, pcm=None, features=None), features=features)
    for folder in (case.folder, network):
        (code,) = re.findall(r"```c\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
        assert code.count("\n") <= 24
        (tmp_path / "main.c").write_text(code)
        run(tmp_path, *C99, f"-I{folder / 'c99'}", "-c", "main.c")


def test_readme_and_card_tell_the_manifest_s_figures(case: Case) -> None:
    readme, card = ((case.folder / name).read_text() for name in ("README.md", "MODEL_CARD.md"))
    size = (case.folder / "model_int8.tflite").stat().st_size
    for text in (readme, card):
        for part in (
            f"{size:,} bytes",
            "16,652",
            "336,000",
            "at most 12,160 bytes",
            "49 frames of 40 values",
            "CC BY 4.0",
        ):
            assert part in text
        assert "real = (int8 + 128) * 0.1015625" in text
    assert "| TensorFlow Lite Micro, int8: what the device computes | 90.5% |" in card
    assert "ab12" in card and "continuous audio" in card
    for named in re.findall(r"^\| `([^`]*)` \|", readme, re.MULTILINE):
        for name in named.split(", "):
            stem = named.split(", ")[0].rsplit(".", 1)[0]
            path = f"{stem}{name}" if name.startswith(".") else name
            assert any((case.folder / place / path).exists() for place in (".", "c99", "golden")), path


def test_what_is_not_known_is_said(alone: Callable[..., tuple[Path, Written]]) -> None:
    folder, _ = alone(accuracy=None, arena=None, provenance={})
    readme, card = ((folder / name).read_text() for name in ("README.md", "MODEL_CARD.md"))
    assert "Not measured." in card
    assert "not measured: its interpreter did not run" in readme
    assert "is not recorded; ask before passing" in readme
    synthetic: dict[str, Any] = {"data": {"source": "synthetic", "digest": "ff"}}
    alone(provenance=synthetic)
    assert "eSpeak NG" in (folder / "README.md").read_text()


def test_long_strides_still_make_a_detector(tmp_path: Path, case: Case) -> None:
    from kws_exp.device import program

    features = case.manifest["features"] | {"stride_ms": 600.0}
    shape = {"shape": [1, 2, 40, 1]}
    made = program.detector_settings(case.manifest | {"features": features, "input": case.manifest["input"] | shape})
    assert made.minimum_count == made.results - 1 == 2
    assert np.ceil(made.average_window_ms / 600) == 2
