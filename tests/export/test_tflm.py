from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws_exp.errors import KwsError
from kws_exp.export import Exported, interpreters, tflm


@given(st.integers(0, 1 << 22))
def test_search_finds_the_smallest_size(needed: int) -> None:
    tried: list[int] = []

    def fits(size: int) -> bool:
        tried.append(size)
        return size >= needed

    assert tflm.smallest_arena(fits) == max(1024, -(-needed // 16) * 16)
    assert min(tried) >= 1024
    assert all(size % 16 == 0 for size in tried)


@pytest.mark.slow
@pytest.mark.skipif(not interpreters.tflm_available(), reason="tflite-micro is not installed")
class TestInterpreter:
    def test_outputs_and_arena(self, conv_export: Exported) -> None:
        clips = np.zeros((3, 20, 12, 1), np.int8)
        device = interpreters.tflm(conv_export.folder / "model_int8.tflite", clips)
        assert device.outputs.shape == (3, 4)
        assert device.outputs.dtype == np.int8
        # preparing this network takes more for a while than the interpreter keeps in the end
        assert 1024 < device.allocated < device.smallest_arena < 4096

    def test_files_that_are_no_model(self, tmp_path: Path) -> None:
        path = tmp_path / "noise.tflite"
        path.write_bytes(b"not a model")
        with pytest.raises(KwsError, match=r"^TensorFlow Lite Micro failed \(exit status 1\): "):
            interpreters.tflm(path, np.zeros((1, 20, 12, 1), np.int8))
