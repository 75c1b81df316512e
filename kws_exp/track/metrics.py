"""The figures by which runs are compared, read from a run's folder.

MLflow shows groups in the order of their names: those of the cores come last, lest they bury the curves.
"""

from __future__ import annotations

from typing import Any

from kws_exp import budget, run_folder
from kws_exp.evaluate import Evaluation
from kws_exp.misheard import section as misheard
from kws_exp.run_folder import RunFolder
from kws_exp.summary import DEVICE_VALIDATION

CORE_FIGURES = ("flash", "ram", "inference_instructions", "frame_instructions")


def of(folder: RunFolder) -> dict[str, float]:
    """Return the figures by which runs are compared: :func:`scores`, and the budget of time."""
    return scores(folder) | budget.metrics(folder.record().seconds)


def scores(folder: RunFolder) -> dict[str, float]:
    """Return test scores and sizes, and what a sweep says of itself."""
    found: dict[str, float] = {}
    if (folder.path / "evaluation.json").exists():
        found |= _test_scores(Evaluation.from_json(run_folder.read_json(folder.path / "evaluation.json")))
    if (folder.export / "manifest.json").exists():
        found |= _device_figures(run_folder.read_json(folder.export / "manifest.json"))
    if (folder.export / "proof.json").exists():
        found |= _ethos_figures(run_folder.read_json(folder.export / "proof.json"))
    for name in (run_folder.SWEEP, run_folder.STREAM):
        if (folder.path / name).exists():
            found |= run_folder.read_json(folder.path / name)["metrics"]
    if (folder.path / DEVICE_VALIDATION).exists():
        found["val/accuracy_int8"] = run_folder.read_json(folder.path / DEVICE_VALIDATION)["accuracy"]
    return found | misheard.metrics(folder)


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
    figures |= {f"test/accuracy_{form}": value for form, value in (manifest["accuracy"] or {}).items()}
    return figures | _core_figures(manifest["device"] or {})


def _ethos_figures(proof: dict[str, Any]) -> dict[str, float]:
    """Return what Vela estimates for each Ethos-U."""
    return {
        f"verified/{found['accelerator']}/{key}": float(found[key])
        for found in proof["ethos_u"]
        if found["status"] == "estimated"
        for key in ("cycles", "ms", "sram", "flash")
    }


def _core_figures(device: dict[str, Any]) -> dict[str, float]:
    """Return what the generated C takes on each core that it ran on."""
    figures: dict[str, float] = {}
    if device.get("host") in ("equal", "different"):
        figures["verified/bytes_different"] = sum(device["different"].values())
    for core in device.get("cores", []):
        if not core["clips"]:
            continue
        found = {key: core[key] for key in CORE_FIGURES if core[key] is not None}
        found |= {
            f"inference_ms_{end}": value for end, value in zip(("low", "high"), core["inference_ms"], strict=True)
        }
        figures |= {f"verified/{core['name']}/{key}": float(value) for key, value in found.items()}
    return figures
