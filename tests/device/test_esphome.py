from __future__ import annotations

import json
from pathlib import Path

import pytest

from kws_exp.device import esphome
from kws_exp.errors import KwsError

from .test_profiles import manifest

STREAMING = manifest(("CONV_2D", 3), inputs=(1, 3, 40), output=(1, 1), dtype="uint8", stride_ms=10.0) | {
    "labels": ["_silence_", "_unknown_", "hey\nyou"],
    "arena": {"ceiling": 22864, "host_bisect": 18000},
}


def test_model_that_loads_is_described_as_esphome_reads_it(tmp_path: Path) -> None:
    esphome.write(STREAMING, "hey_kws", tmp_path)
    written = json.loads((tmp_path / "hey_kws.json").read_text())
    assert written["type"] == "micro" and written["version"] == 2
    assert written["wake_word"] == "hey you"
    assert written["micro"]["feature_step_size"] == 10
    assert written["micro"]["tensor_arena_size"] == 22864
    assert set(written["micro"]) == {
        "probability_cutoff",
        "feature_step_size",
        "sliding_window_size",
        "tensor_arena_size",
        "minimum_esphome_version",
    }


def test_model_that_does_not_load_is_refused_with_the_reasons(tmp_path: Path) -> None:
    changed = manifest(("SOFTMAX", 2), inputs=(1, 3, 40), output=(1, 1), dtype="uint8", stride_ms=10.0)
    with pytest.raises(KwsError, match=r"operator SOFTMAX \(version 2\)\. The size of its arena is not known\.$"):
        esphome.write(changed | {"labels": ["yes"], "arena": None}, "yes_kws", tmp_path)
    assert not list(tmp_path.iterdir())
