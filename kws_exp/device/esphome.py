"""``esphome/NAME.json``: what ESPHome's micro_wake_word must know of a model, where it could load it.

The fields are those of version 2 of its manifest (components/micro_wake_word/__init__.py in esphome/esphome), the
defaults those of its own models. The surprising fact: it has no use for a model of whole clips, see
:data:`kws_exp.device.profiles.ESPHOME`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kws_exp import run_folder
from kws_exp.device.names import one_line
from kws_exp.device.profiles import ESPHOME, check
from kws_exp.errors import KwsError

_CUTOFF, _WINDOW, _VERSION = 0.97, 5, "2024.7.0"  # as in models/v2/okay_nabu.json, esphome/micro-wake-word-models


def write(manifest: Mapping[str, Any], stem: str, folder: Path) -> None:
    """Write ``STEM.json`` into ``folder``; it refers to ``model_int8.tflite`` in the folder above.

    Raises:
        KwsError: micro_wake_word could not load the model; a sentence for each reason.
    """
    reasons = check(manifest, ESPHOME)
    if manifest["arena"] is None:
        reasons.append("The size of its arena is not known.")
    if reasons:
        raise KwsError(" ".join(reasons))
    run_folder.write_json(folder / f"{stem}.json", describe(manifest))


def describe(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of the file."""
    return {
        "type": "micro",
        "wake_word": one_line(manifest["labels"][-1]),
        "author": "kws_exp",
        "model": "../model_int8.tflite",
        "trained_languages": [],  # the manifest does not tell
        "version": 2,
        "micro": {
            "probability_cutoff": _CUTOFF,
            "feature_step_size": int(manifest["features"]["stride_ms"]),
            "sliding_window_size": _WINDOW,
            "tensor_arena_size": manifest["arena"]["ceiling"],
            "minimum_esphome_version": _VERSION,
        },
    }
