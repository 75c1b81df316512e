from __future__ import annotations

import re
import subprocess
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from kws_exp import c99
from kws_exp.c99 import host, kernels
from tests.c99.compare import needed, tflm
from tests.c99.handmade import Model

HEADER = (c99.RUNTIME / "kws_kernels.h").read_text(encoding="ascii")
STRUCTURES = [
    each
    for each in vars(kernels).values()
    if isinstance(each, type) and issubclass(each, kernels.Structure) and hasattr(each, "__dataclass_fields__")
]


@pytest.mark.parametrize("structure", STRUCTURES)
def test_structures_are_those_of_the_header(structure: type[kernels.Structure]) -> None:
    bodies = {name: body for body, name in re.findall(r"typedef struct \{(.*?)\n\} (\w+);", HEADER, re.DOTALL)}
    members = re.findall(r"^ {4}[\w ]+[ *](\w+)(?:\[\d\])?;", bodies[structure.c_name()], re.MULTILINE)
    assert members == [field.name for field in fields(structure)]  # type: ignore[arg-type]


def test_every_structure_of_the_header_is_there() -> None:
    assert {structure.c_name() for structure in STRUCTURES} == set(re.findall(r"^\} (\w+);", HEADER, re.MULTILINE))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two convolutions with the same weights, and a residual."""
    folder = tmp_path_factory.mktemp("source")
    model = Model((1, 6, 5, 2), 0.05, -3)
    weights = np.random.default_rng(3).integers(-127, 128, (2, 3, 3, 2))
    both = model.constant(weights, [0.01, 0.02])
    hidden = model.tensor((1, 6, 5, 2), 0.04, -10)
    model.operator("CONV_2D", [0, both], hidden, padding=0, strideH=1, strideW=1, fusedActivationFunction=1)
    again = model.constant(weights, [0.01, 0.02])
    other = model.operator(
        "CONV_2D", [hidden, again], model.tensor((1, 6, 5, 2), 0.05, 1), padding=0, strideH=1, strideW=1
    )
    result = model.operator("ADD", [hidden, other], model.tensor((1, 6, 5, 2), 0.06, -1))
    c99.write(model.save(folder / "model.tflite", result), folder)
    return folder


def test_files(folder: Path) -> None:
    header, source = (folder / "kws_model.h").read_text("ascii"), (folder / "kws_model.c").read_text("ascii")
    assert "#define KWS_MODEL_INPUT_SIZE 60 " in header
    assert "#define KWS_MODEL_OUTPUT_SIZE 60\n" in header
    assert "#define KWS_MODEL_INPUT_SCALE 0.0500000007f\n#define KWS_MODEL_INPUT_ZERO_POINT (-3)\n" in header
    assert "#define KWS_MODEL_OUTPUT_SCALE 0.0599999987f\n#define KWS_MODEL_OUTPUT_ZERO_POINT (-1)\n" in header
    assert source.count("_weights[36] = {") == 1  # equal arrays are there once
    assert "    /* CONV_2D: 1x6x5x2 to 1x6x5x2, 1,080 MACs */\n    kws_conv_2d(&layer_1, input, arena + 0, " in source
    assert "    kws_add(&layer_3, arena + 0, arena + 60, output);\n" in source
    assert max(map(len, source.splitlines())) <= 120
    for name in c99.KERNELS:
        assert (folder / name).read_bytes() == (c99.RUNTIME / name).read_bytes()


def test_the_same_bytes_again(folder: Path, tmp_path: Path) -> None:
    c99.write(folder / "model.tflite", tmp_path)
    assert all(
        (tmp_path / name).read_bytes() == (folder / name).read_bytes() for name in ("kws_model.c", "kws_model.h")
    )


@needed
def test_c_plus_plus(folder: Path, tmp_path: Path) -> None:
    inputs = np.random.default_rng(1).integers(-128, 128, (20, 60)).astype(np.int8)
    flags = ("-x", "c++", "-std=c++11", "-O1", "-Wall", "-Wextra", "-Werror", "-pedantic")
    program = host.compile(folder, [*host.NETWORK, host.BATCH], tmp_path / "batch", flags, ["g++"])
    assert np.array_equal(host.feed(program, inputs), tflm(folder / "model.tflite", inputs))


@needed
def test_layers_that_are_not_called_take_no_flash(folder: Path, tmp_path: Path) -> None:
    flags = (*host.FAST, "-ffunction-sections", "-Wl,--gc-sections")
    program = host.compile(folder, [*host.NETWORK, host.BATCH], tmp_path / "batch", flags)
    symbols = subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r" T (kws_\w+)", symbols)) - {"kws_rescale"} == {"kws_model_run", "kws_conv_2d", "kws_add"}
