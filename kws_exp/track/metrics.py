"""The figures by which runs are compared, read from a run's folder."""

from __future__ import annotations

from typing import Any

from kws_exp import run_folder
from kws_exp.evaluate import Evaluation
from kws_exp.run_folder import RunFolder


def of(folder: RunFolder) -> dict[str, float]:
    """Return the figures by which runs are compared: test scores, sizes, and seconds by stage."""
    found: dict[str, float] = {}
    if (folder.path / "evaluation.json").exists():
        found |= _test_scores(Evaluation.from_json(run_folder.read_json(folder.path / "evaluation.json")))
    if (folder.export / "manifest.json").exists():
        found |= _device_figures(run_folder.read_json(folder.export / "manifest.json"))
    return found | {f"wall_seconds/{stage}": value for stage, value in folder.record().seconds.items()}


def _test_scores(evaluation: Evaluation) -> dict[str, float]:
    if not evaluation.clips:
        return {}
    low, high = evaluation.interval
    scores = {"test/accuracy": evaluation.accuracy, "test/accuracy_low": low, "test/accuracy_high": high}
    if evaluation.loss is not None:
        scores["test/loss"] = evaluation.loss
    return scores


def _device_figures(manifest: dict[str, Any]) -> dict[str, float]:
    figures = {
        "export/parameters": manifest["parameters"],
        "export/macs": manifest["macs"],
        "export/int8_bytes": manifest["files"]["model_int8.tflite"]["bytes"],
    }
    if manifest["arena"]:
        figures["export/arena_bytes"] = manifest["arena"]["host_bisect"]
    return figures | {f"test/accuracy_{form}": value for form, value in (manifest["accuracy"] or {}).items()}
