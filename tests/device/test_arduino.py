from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kws_exp.device import Written

from .compilers import CPP11, needs, program, run
from .conftest import Case

pytestmark = pytest.mark.slow

ARDUINO_H = """
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdio>
struct Printer {
  void begin(long) {}
  void print(const char *text) { std::printf("%s", text); }
  void print(char text) { std::printf("%c", text); }
  void print(double number) { std::printf("%.2f", number); }
  void println(const char *text) { std::printf("%s\\n", text); }
  void println(int number) { std::printf("%d\\n", number); }
};
extern Printer Serial;
"""
PDM_H = """
#pragma once
#include <cstring>
struct Microphone {
  void (*receive)() = nullptr;
  const int16_t *samples = nullptr;
  void onReceive(void (*function)()) { receive = function; }
  bool begin(int channels, long rate) { return channels == 1 && rate == 16000; }
  int read(void *buffer, int bytes) {
    std::memcpy(buffer, samples, bytes);
    return bytes;
  }
};
extern Microphone PDM;
"""
MAIN = """
#include "Arduino.h"
#include "PDM.h"
#include "golden.h"
#include "sketch.h"
Printer Serial;
Microphone PDM;
int main() {
  setup();
  for (int start = 0; start + 256 <= 3 * 16000 && PDM.receive; start += 256) {
    PDM.samples = kws_golden_pcm[0] + start;
    PDM.receive();
    loop();
  }
  loop();
}
"""


def library(case: Case, folder: Path) -> Path:
    with zipfile.ZipFile(case.folder / "arduino" / "tiny_conv_kws.zip") as archive:
        archive.extractall(folder)
    return folder / "tiny_conv_kws"


def test_library_is_of_revision_2_2(case: Case, tmp_path: Path) -> None:
    root = library(case, tmp_path)
    lines = (root / "library.properties").read_text().splitlines()
    properties = dict(line.split("=", 1) for line in lines)
    mandatory = {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"}
    assert mandatory <= set(properties)
    assert properties["name"] == "tiny_conv_kws"
    assert properties["sentence"] == "Keyword spotter for yes, no"
    assert (root / "src" / properties["includes"]).exists()
    assert (root / "examples" / "KeywordSpotting" / "KeywordSpotting.ino").exists()


def test_every_entry_has_the_same_time(case: Case) -> None:
    with zipfile.ZipFile(case.folder / "arduino" / "tiny_conv_kws.zip") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@needs("gcc", "g++")
@pytest.mark.parametrize("board", ["-DARDUINO_ARDUINO_NANO33BLE", "-DARDUINO_UNKNOWN"])
def test_example_hears_the_microphone_of_the_board(board: str, case: Case, tmp_path: Path) -> None:
    root = library(case, tmp_path)
    for name, text in {"Arduino.h": ARDUINO_H, "PDM.h": PDM_H, "main.cc": MAIN}.items():
        (tmp_path / name).write_text(text)
    example = root / "examples" / "KeywordSpotting" / "KeywordSpotting.ino"
    (tmp_path / "sketch.h").write_text(f'#pragma once\n#include "Arduino.h"\n{example.read_text()}')
    includes = ["-I.", "-I../../..", f"-I{root / 'src'}", f"-I{case.folder / 'golden'}"]
    for source in (*root.glob("src/*.c"), case.folder / "golden" / "golden.c"):
        run(tmp_path, "gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-c", *includes, source)  # as Arduino's do
    objects = [path.name for path in tmp_path.glob("*.o")]
    made = program(tmp_path, ["main.cc", *objects], *includes, board, compiler=CPP11)
    heard = run(tmp_path, made)
    assert (heard.split()[0] == "yes") == (board != "-DARDUINO_UNKNOWN") if heard else board == "-DARDUINO_UNKNOWN"


@needs("g++")
def test_network_alone_has_an_example_of_its_own(
    alone: Callable[..., tuple[Path, Written]], case: Case, tmp_path: Path
) -> None:
    features = case.manifest["features"] | {"name": "mfcc"}
    folder, _ = alone(replace(case.golden, pcm=None, features=None), features=features)
    root = library(replace(case, folder=folder), tmp_path)
    (tmp_path / "Arduino.h").write_text(ARDUINO_H)
    example = (root / "examples" / "NetworkAlone" / "NetworkAlone.ino").read_text()
    (tmp_path / "main.cc").write_text(f'#include "Arduino.h"\n{example}Printer Serial;\nint main() {{ loop(); }}\n')
    sources = [str(path) for path in root.glob("src/*.c")]
    run(tmp_path, "gcc", "-c", *sources)
    objects = [path.name for path in tmp_path.glob("*.o")]
    made = program(tmp_path, ["main.cc", *objects], f"-I{root / 'src'}", compiler=CPP11)
    assert run(tmp_path, made) == ""
