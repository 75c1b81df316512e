from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from kws_exp.export import c_array

_PRINTS = """
#include <cstdint>
#include <cstdio>
#include "model_data.h"
int main() {
  if (reinterpret_cast<std::uintptr_t>(g_model) % 16 != 0) return 1;
  return std::fwrite(g_model, 1, g_model_len, stdout) == g_model_len ? 0 : 2;
}
"""


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
def test_compiled_array_holds_the_same_bytes_aligned(tmp_path: Path) -> None:
    model = np.random.default_rng(0).integers(0, 256, 1003, dtype=np.uint8).tobytes()
    c_array.write(model, tmp_path)
    (tmp_path / "main.cc").write_text(_PRINTS)
    strict = ["-std=c++11", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    command = ["g++", *strict, "main.cc", "model_data.cc", "-o", "print"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert subprocess.run([tmp_path / "print"], check=True, capture_output=True).stdout == model
