"""A complete run folder made in milliseconds: what training, evaluation and export would have left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kws_exp import run_folder
from kws_exp.evaluate import Evaluation
from kws_exp.run_folder import RunFolder, RunRecord

LABELS = ("_silence_", "_unknown_", "yes", "no", "left")
CONFIG = """\
words:
- 'yes'
- 'no'
- left
data:
  name: auto
  dir: null
features:
  name: log_mel
  bins: 40
model:
  name: tiny_conv
optimizer:
  learning_rate:
  - 0.001
train:
  steps:
  - 800
tracking:
  enabled: true
  uri: null
  experiment: kws_exp
  registered_model: null
seed: 59185
tags:
  board: nano33
"""
MATRIX = ((60, 2, 0, 1, 0), (3, 48, 4, 6, 2), (0, 2, 58, 1, 2), (1, 5, 0, 57, 0), (0, 3, 1, 0, 59))


def make(output_dir: Path, name: str = "tiny_conv_yes-no-left", **changes: Any) -> RunFolder:
    """Write a finished run below ``output_dir/runs``; ``changes`` are fields of its record."""
    folder = run_folder.create(output_dir / "runs", name)
    folder.write_record(RunRecord(**(_record(name, folder) | changes)))
    run_folder.write_text(folder.path / "config.yaml", CONFIG)
    (folder.path / "log.txt").write_text("data: synthetic speech\n")
    add_points(folder, 10, 800)
    finish(folder)
    return folder


def add_points(folder: RunFolder, first: int, last: int) -> None:
    """Append curve points of every tenth step and a validation pass of every 400th, as training does."""
    rows: list[dict[str, Any]] = []
    confusions: list[dict[str, Any]] = []
    for step in range(first, last + 1, 10):
        near = float(np.exp(-step / 300))
        stamp = {"step": step, "time": 1_795_412_000_000 + step}
        train = {"train/accuracy": 0.95 - 0.7 * near, "train/loss": 0.2 + near, "train/learning_rate": 0.001}
        rows.append(stamp | train)
        if step % 400 == 0:
            rows.append(stamp | {"val/accuracy": 0.93 - 0.7 * near, "val/loss": 0.25 + near})
            confusions.append({"step": step, "matrix": MATRIX})
    run_folder.append_lines(folder.curves, list(rows))
    run_folder.append_lines(folder.confusions, list(confusions))


def finish(folder: RunFolder) -> None:
    """Write evaluation, manifest and proof."""
    run_folder.write_json(folder.path / "evaluation.json", Evaluation(LABELS, MATRIX, 0.31).to_json())
    folder.export.mkdir()
    (folder.export / "labels.txt").write_text("\n".join(LABELS))
    run_folder.write_json(folder.export / "manifest.json", _manifest())
    run_folder.write_json(folder.export / "proof.json", _proof())


def _record(name: str, folder: RunFolder) -> dict[str, Any]:
    return {
        "name": name,
        "run_id": f"{abs(hash(folder.path)):032x}",
        "status": "FINISHED",
        "overrides": ["words=[yes,no,left]", "model=tiny_conv"],
        "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": "true"},
        "data": {
            "source": "synthetic",
            "description": "data: synthetic speech by eSpeak NG; for recorded speech give data.dir=FOLDER",
            "digest": "89abcdef01234567",
            "words": ["yes", "no", "left"],
            "counts": {
                "training": {"_silence_": 72, "_unknown_": 72, "yes": 240, "no": 240, "left": 240},
                "validation": {"_silence_": 9, "_unknown_": 9, "yes": 30, "no": 30, "left": 30},
                "testing": dict(zip(LABELS, map(sum, MATRIX), strict=True)),
            },
            "skipped": {"yes/broken.wav": "not an audio file"},
        },
        "versions": {"python": "3.11.7", "tensorflow": "2.21.0"},
        "seconds": {"data": 12.0, "training": 41.5, "evaluation": 1.2, "export": 14.0},
    }


def _manifest() -> dict[str, Any]:
    return {
        "schema_version": 1,
        "name": "tiny_conv",
        "labels": list(LABELS),
        "sample_rate": 16000,
        "clip_samples": 16000,
        "features": {"name": "log_mel", "window_ms": 30.0, "stride_ms": 20.0, "bins": 40},
        "input": {"shape": [1, 49, 40, 1], "dtype": "int8", "scale": 0.1, "zero_point": -12},
        "output": {"shape": [1, 5], "dtype": "int8", "scale": 1 / 256, "zero_point": -128},
        "operators": [
            {"name": "CONV_2D", "version": 3, "count": 1},
            {"name": "FULLY_CONNECTED", "version": 4, "count": 1},
        ],
        "parameters": 20_653,
        "macs": 340_000,
        "arena": {"host_bisect": 9616, "ceiling": 12_096, "default_total": 9616, "note": ""},
        "accuracy": _proof()["forms"]["accuracy"],
        "device": _proof()["device"],
        "files": {
            "model_int8.tflite": {"bytes": 23_456, "sha256": "0" * 64},
            "model_float.tflite": {"bytes": 85_000, "sha256": "1" * 64},
        },
        "provenance": {},
    }


def _proof() -> dict[str, Any]:
    forms = {
        "clips": 315,
        "accuracy": {"keras": 0.895, "float_tflite": 0.895, "int8_tflite": 0.889, "int8_tflm": 0.889},
        "agreement": {
            "keras/float_tflite": 1.0,
            "keras/int8_tflite": 0.987,
            "keras/int8_tflm": 0.987,
            "float_tflite/int8_tflite": 0.987,
            "float_tflite/int8_tflm": 0.987,
            "int8_tflite/int8_tflm": 1.0,
        },
        "tflm": "run",
        "equal_rows": 315,
        "largest_difference": 0,
        "arena": None,
    }
    core = {
        "name": "cortex-m4",
        "status": "equal",
        "clips": 20,
        "different": {"outputs": 0},
        "flash": 27_528,
        "ram": 8_428,
        "inference_instructions": 1_537_778,
        "frame_instructions": 71_105,
        "inference_ms": [19.2, 23.1],
        "frame_ms": [0.89, 1.07],
    }
    device = {
        "scope": "from samples to the network's output",
        "host": "equal",
        "clips": 315,
        "compared": {"features": 1_234_800, "inputs": 617_400, "outputs": 1_575},
        "different": {"features": 0, "inputs": 0, "outputs": 0},
        "emulation": "equal",
        "cores": [core],
        "method": "estimate",
    }
    return {"forms": forms, "device": device, "profile": "tflm", "unfit": [], "ethos_u": [], "omitted": {}}
