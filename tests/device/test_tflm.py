from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kws_exp.device import tflm
from kws_exp.errors import KwsError

from .compilers import CPP11, needs, program, run

MANIFEST: dict[str, Any] = {
    "labels": ["_silence_", "_unknown_", "yes", 'a "b"\n\\c??/', "für"],
    "sample_rate": 16000,
    "clip_samples": 16000,
    "features": {"name": "log_mel", "window_ms": 25.0, "stride_ms": 12.5},
    "input": {"shape": [1, 79, 40, 1], "dtype": "int8", "scale": 0.10156249254941940, "zero_point": -5},
    "output": {"shape": [1, 5], "dtype": "int8", "scale": 1.0, "zero_point": -128},
    "operators": [{"name": name, "version": 1, "count": 1} for name in ("SOFTMAX", "CONV_2D", "CONV_2D")],
    "arena": {"host_bisect": 9616, "ceiling": 12096, "default_total": 9616},
}
PRINTS = r"""
#include <cstdint>
#include <cstdio>
#include <cstring>
#include "arena.h"
#include "micro_model_settings.h"
#include "model_data.h"
#include "op_resolver.h"

enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };  // as in TensorFlow Lite Micro
struct Resolver {
  int conv = 0, softmax = 0;
  TfLiteStatus AddConv2D() { return ++conv, kTfLiteOk; }
  TfLiteStatus AddSoftmax() { return ++softmax, full ? kTfLiteError : kTfLiteOk; }
  bool full = false;
};

int main() {
  Resolver resolver, full;
  full.full = true;
  if (!AddOperators(resolver) || AddOperators(full) || resolver.conv != 1 || resolver.softmax != 1) return 1;
  if (reinterpret_cast<std::uintptr_t>(g_model) % 16 != 0) return 2;
  std::printf("[%d, %d, %d, %d, %d, %d", kOperatorCount, kTensorArenaSize, kAudioSampleFrequency, kMaxAudioSampleSize,
              kFeatureSize, kFeatureCount);
  std::printf(", %d, %.9g, %d, %.9g, %d", kFeatureElementCount, kInputScale, kInputZeroPoint, kOutputScale,
              kOutputZeroPoint);
  std::printf(", %.9g, %d, %d, %d, %d, \"", double(kFeatureStrideMs), kFeatureDurationMs, kCategoryCount, kSilenceIndex,
              kUnknownIndex);
  for (const char* label : kCategoryLabels)
    for (std::size_t i = 0; i <= std::strlen(label); ++i) std::printf("%02x", label[i] & 0xff);
  std::printf("\"]");
  return g_model[g_model_len - 1] == 7 ? 0 : 3;
}
"""


@needs("g++")
def test_firmware_sees_what_the_manifest_says(tmp_path: Path) -> None:
    tflm.write(b"model\x07", MANIFEST, tmp_path)
    (tmp_path / "main.cc").write_text(PRINTS)
    made = program(tmp_path, ["main.cc", "model_data.cc", "micro_model_settings.cc"], compiler=CPP11)
    *numbers, labels = json.loads(run(tmp_path, made))
    assert numbers[:6] == [2, 12096, 16000, 512, 40, 79]
    assert numbers[6:11] == [3160, 0.101562493, -5, 1, -128]
    assert numbers[11:] == [12.5, 25, 5, 0, 1]
    assert bytes.fromhex(labels).decode() == "".join(f"{label}\0" for label in MANIFEST["labels"])


def test_arena_that_nobody_measured_is_not_defined(tmp_path: Path) -> None:
    text = tflm.arena(MANIFEST | {"arena": None})
    assert "did not run" in text and "constexpr" not in text
    assert "A ceiling, not a measurement" in tflm.arena(MANIFEST)


def test_unknown_operator_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    unknown = [{"name": "GELU", "version": 1, "count": 1}]
    with pytest.raises(KwsError, match="does not have the operator GELU"):
        tflm.write(b"", MANIFEST | {"operators": unknown}, tmp_path)
    assert not list(tmp_path.iterdir())
