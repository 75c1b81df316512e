from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from kws_exp.c99 import qemu
from kws_exp.device import Golden, Written
from kws_exp.features import FRONT_ENDS

from .compilers import C99, CPP11, needs, program, run
from .conftest import Case

pytestmark = [pytest.mark.slow, needs("make", "gcc")]

ALL_EQUAL = "16 vectors from samples to scores: all bytes equal"
# what ESP-IDF's and Zephyr's CMake would do, as far as the exported files can tell
STUBS = """
cmake_minimum_required(VERSION 3.13)
project(firmware C)
set(CONFIG_TINY_CONV_KWS y)
function(idf_component_register)
  cmake_parse_arguments(given "" "" "SRCS;INCLUDE_DIRS" ${ARGN})
  add_library(idf STATIC ${given_SRCS})
  target_include_directories(idf PUBLIC ${given_INCLUDE_DIRS})
endfunction()
macro(zephyr_library_named name)
  set(ZEPHYR_CURRENT_LIBRARY ${name})
  add_library(${name} STATIC)
endmacro()
macro(zephyr_library_sources)
  target_sources(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGN})
endmacro()
macro(zephyr_include_directories)
  target_include_directories(${ZEPHYR_CURRENT_LIBRARY} PUBLIC ${ARGN})
endmacro()
foreach(part . esp-idf/tiny_conv_kws zephyr)
  string(MAKE_C_IDENTIFIER ${part} place)
  add_subdirectory("${EXPORT}/${part}" ${place})
endforeach()
foreach(library kws idf tiny_conv_kws)
  add_executable(use_${library} main.c)
  target_link_libraries(use_${library} ${library})
endforeach()
"""
USES = """
#include "kws.h"
static kws detector;
int main(void)
{
    kws_init(&detector);
    return 0;
}
"""


def change(path: Path, pattern: str, amount: int) -> None:
    """Add to the two hundredth sample of an array, or to its first number: the window leaves out the first sample."""
    text = path.read_text()
    before = r"(?:-?\d+,\s*){200}" if "pcm" in pattern else ""
    found = re.search(rf"(?s)({pattern}[^=]*= \{{\s*\{{?\s*{before})(-?\d+)", text)
    assert found, pattern
    path.write_text(f"{text[: found.start(2)]}{int(found[2]) + amount}{text[found.end(2) :]}")


def test_make_passes_the_self_test_where_it_was_not_made(copied: Path) -> None:
    assert f"passed: {ALL_EQUAL}" in run(copied, "make")
    assert "up to date" not in run(copied, "make", "clean")
    assert not (copied / "build").exists()


@pytest.mark.parametrize(
    ("file", "array", "amount", "report"),
    [
        ("c99/kws_model.c", "int32_t layer_1_bias", 4000, r"vector 0, output, value \d+: -?\d+ instead of -?\d+"),
        ("c99/kws_frontend_tables.h", "kws_frontend_rising", 300, r"vector 0, features, value \d+: \d+ instead of \d+"),
        ("golden/golden.c", "kws_golden_pcm", 9000, r"vector 0, features, value \d+: \d+ instead of \d+"),
        ("golden/golden.c", "kws_golden_features", 1, r"vector 0, features, value 0: (\d+) instead of \d+"),
        ("golden/golden.c", "kws_golden_inputs", 1, r"vector 0, input, value 0: -?\d+ instead of -?\d+"),
        ("golden/golden.c", "kws_golden_outputs", 1, r"vector 0, output, value 0: -?\d+ instead of -?\d+"),
    ],
)
def test_self_test_tells_the_first_difference(file: str, array: str, amount: int, report: str, copied: Path) -> None:
    change(copied / file, array, amount)
    printed = run(copied, "make", "CFLAGS=-O1 -DKWS_GOLDEN_COUNT=1", status=2)
    assert re.search(f"^FAILED: {report}$", printed, re.MULTILINE), printed


@needs("g++")
def test_self_test_runs_as_cpp_and_under_the_sanitizers(copied: Path) -> None:
    sources = [str(path.relative_to(copied)) for path in sorted(copied.glob("c99/*.c"))]
    sources += [f"golden/{name}.c" for name in ("golden", "selftest", "main")]
    flags = ("-Ic99", "-Igolden", "-DKWS_GOLDEN_COUNT=2")
    sanitized = (*C99, "-g", "-fsanitize=undefined,address", "-fno-sanitize-recover=all")
    for compiler in ((*CPP11, "-x", "c++"), sanitized):
        made = program(copied, sources, *flags, compiler=compiler)
        assert "passed: 2 vectors" in run(copied, made)


@needs("cmake", "ctest")
def test_cmake_builds_and_tests(copied: Path) -> None:
    run(copied, "cmake", "-B", "build/cmake", "-DCMAKE_C_FLAGS=-Wall -Wextra -Werror")
    run(copied, "cmake", "--build", "build/cmake", "--parallel", "2")
    assert "100% tests passed, 0 tests failed out of 1" in run(copied, "ctest", "--test-dir", "build/cmake")


@needs("cmake")
def test_firmware_takes_the_folder_as_library_component_and_module(copied: Path, tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(STUBS)
    (tmp_path / "main.c").write_text(USES)
    run(tmp_path, "cmake", "-B", "build", f"-DEXPORT={copied}")
    run(tmp_path, "cmake", "--build", "build", "--parallel", "2")
    for name in ("kws", "idf", "tiny_conv_kws"):
        run(tmp_path, tmp_path / "build" / f"use_{name}")


def test_demo_hears_the_keyword_that_the_model_leans_to(copied: Path, case: Case) -> None:
    run(copied, "make", "demo")
    assert case.golden.pcm is not None
    heard = run(copied, copied / "build" / "demo", data=case.golden.pcm[:3].astype("<i2").tobytes())
    # frames 48 are there after 990 ms, the fourth run of the network after 300 more
    assert re.fullmatch(r"    1\.29 s  yes +\d\d %\n", heard), heard
    assert run(copied, copied / "build" / "demo", data=b"\0") == ""


@needs(qemu.COMPILER)
def test_library_for_a_core(copied: Path) -> None:
    printed = run(copied, "make", "m0plus")
    assert (copied / "build" / "m0plus" / "libkws.a").exists()
    assert "TOTALS" in printed


@pytest.mark.skipif(not qemu.available(), reason=f"not installed: {', '.join(qemu.missing())}")
@pytest.mark.parametrize("core", ["m0plus", "m4", "m55"])
def test_self_test_passes_on_an_emulated_core(core: str, copied: Path) -> None:
    printed = run(copied, "make", f"qemu-{core}")
    assert re.search(rf"^Cortex {core}: \d+ vectors from samples to scores: all bytes equal$", printed, re.MULTILINE)
    assert re.search(r"^\d{7} instructions per inference$", printed, re.MULTILINE)
    assert re.search(r"^\d{5,6} instructions per frame of features$", printed, re.MULTILINE)


@pytest.mark.skipif(not qemu.available(), reason=f"not installed: {', '.join(qemu.missing())}")
def test_self_test_fails_on_an_emulated_core(copied: Path) -> None:
    change(copied / "golden" / "golden.c", "kws_golden_outputs", 1)
    printed = run(copied, "make", "qemu-m4", status=2)
    assert re.search(r"Cortex m4: vector 0, output, value 0: -?\d+ instead of -?\d+", printed), printed


def test_without_a_front_end_the_network_is_tested_alone(
    alone: Callable[..., tuple[Path, Written]], case: Case
) -> None:
    log_mel = asdict(FRONT_ENDS["log_mel"].settings(name="log_mel"))
    folder, written = alone(Golden(None, None, case.golden.inputs, case.golden.outputs), features=log_mel)
    assert set(written.omitted) == {"detector", "esphome"}
    assert written.omitted["detector"].startswith("The device cannot compute features=log_mel, so the C program is ")
    assert {path.name for path in folder.glob("c99/*")} == {
        f"kws_{name}.{end}" for name in ("model", "kernels") for end in "hc"
    }
    assert "passed: 16 vectors from the network's input to its output: all bytes equal" in run(folder, "make")
    assert "the device cannot compute the features" in run(folder, "make", "demo", status=2)
    if qemu.available():
        assert "Cortex m33: 16 vectors from the network's input" in run(folder, "make", "qemu-m33")


def test_rules_of_the_detector_come_from_the_manifest(alone: Callable[..., tuple[Path, Written]]) -> None:
    rules = {"thresholds": [255, 255, 100, 120], "suppression_ms": 700}
    folder, _ = alone(detector=rules)
    text = (folder / "c99" / "kws_settings.h").read_text()
    assert "#define KWS_THRESHOLDS {255, 255, 100, 120}" in text
    assert "#define KWS_SUPPRESSION_MS 700" in text


def test_same_inputs_give_the_same_bytes(alone: Callable[..., tuple[Path, Written]], case: Case) -> None:
    folder, written = alone()
    assert written == case.written
    for path in folder.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (case.folder / path.relative_to(folder)).read_bytes(), path
