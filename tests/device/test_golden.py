from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from kws_exp.device import golden
from kws_exp.device.golden import Golden

from .compilers import C99, CPP11, needs, program, run

PRINTS = """
#include <stdio.h>
#include "golden.h"
int main(void)
{
#if KWS_GOLDEN_FRONTEND
    fwrite(kws_golden_pcm, 1, sizeof kws_golden_pcm, stdout);
    fwrite(kws_golden_features, 1, sizeof kws_golden_features, stdout);
#endif
    fwrite(kws_golden_inputs, 1, sizeof kws_golden_inputs, stdout);
    fwrite(kws_golden_outputs, 1, sizeof kws_golden_outputs, stdout);
    return 0;
}
"""


def vectors(count: int = 4, frontend: bool = True) -> Golden:
    draw = np.random.default_rng(3)
    return Golden(
        draw.integers(-32768, 32768, (count, 500), np.int16) if frontend else None,
        draw.integers(0, 65536, (count, 5, 7), np.uint16) if frontend else None,
        draw.integers(-128, 128, (count, 35), np.int8),
        draw.integers(-128, 128, (count, 3), np.int8),
    )


@pytest.mark.parametrize("frontend", [True, False])
def test_file_gives_back_the_vectors_and_the_same_bytes_twice(frontend: bool, tmp_path: Path) -> None:
    written = vectors(frontend=frontend)
    contents = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        golden.write(written, tmp_path / name)
        contents.append([path.read_bytes() for path in sorted((tmp_path / name).iterdir())])
    assert contents[0] == contents[1]
    read = golden.load(tmp_path / "one" / golden.VECTORS)
    for (name, stage), (_, expected) in zip(read.stages(), written.stages(), strict=True):
        np.testing.assert_array_equal(stage, expected, name, strict=True)
    assert (read.pcm is not None) == frontend


@needs("gcc", "g++")
@pytest.mark.parametrize(("count", "compiler"), [(4, C99), (3, C99), (1, CPP11)])
def test_compiled_arrays_hold_the_same_bytes(count: int, compiler: tuple[str, ...], tmp_path: Path) -> None:
    written = vectors()
    golden.write(written, tmp_path)
    (tmp_path / "main.c").write_text(PRINTS)
    made = program(tmp_path, ["main.c", "golden.c"], f"-DKWS_GOLDEN_COUNT={count}", compiler=compiler)
    printed = subprocess.run([made], check=True, capture_output=True).stdout
    assert printed == b"".join(stage[:count].tobytes() for _, stage in written.stages())


@needs("gcc")
def test_more_vectors_than_there_are_do_not_compile(tmp_path: Path) -> None:
    golden.write(vectors(), tmp_path)
    complaint = run(tmp_path, *C99, "-DKWS_GOLDEN_COUNT=5", "-c", "golden.c", status=1)
    assert "KWS_GOLDEN_COUNT must be from 1 to 4" in complaint


def test_sixteen_loud_clips_stay_below_two_megabytes_of_text(tmp_path: Path) -> None:
    draw = np.random.default_rng(4)
    pcm = np.clip(draw.normal(0, 8000, (16, 16000)), -32768, 32767).astype(np.int16)
    features = draw.integers(0, 670, (16, 49, 40), np.uint16)
    loud = Golden(pcm, features, np.full((16, 1960), -128, np.int8), np.full((16, 4), -128, np.int8))
    golden.write(loud, tmp_path)
    assert (tmp_path / "golden.c").stat().st_size < 2_000_000
    assert loud.vector_bytes == 32000 + 3920 + 1960 + 4


def test_vectors_must_belong_together(tmp_path: Path) -> None:
    good = vectors()
    with pytest.raises(ValueError, match="outputs: 3 vectors of int8 for 4 inputs"):
        Golden(good.pcm, good.features, good.inputs, good.outputs[:3])
    with pytest.raises(ValueError, match="inputs: 4 vectors of int16"):
        Golden(None, None, good.inputs.astype(np.int16), good.outputs)
    with pytest.raises(ValueError, match="come together"):
        Golden(good.pcm, None, good.inputs, good.outputs)


def test_file_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vectors.npz"
    np.savez(path, inputs=np.zeros((1, 2), np.int8), others=np.zeros(3))
    with pytest.raises(ValueError, match="holds inputs, others"):
        golden.load(path)
    np.savez(path, inputs=np.array([{}], object), outputs=np.zeros((1, 2), np.int8))
    with pytest.raises(ValueError, match="allow_pickle"):
        golden.load(path)
