"""``python -m kws_exp.listen``: a recording played through the path of the microphone."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console

from kws_exp import label
from kws_exp.listen import __main__ as listen
from kws_exp.listen import screen
from kws_exp.listen.detector import Moment
from kws_exp.stream.events import Detection
from tests.stream import exports

Captured = pytest.CaptureFixture[str]
LABELS = ("_silence_", "_unknown_", "yes", "no")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exports.eager(tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("audio") / "words.flac"
    soundfile.write(path, exports.recorded(30), 16_000)
    return path


def run(*arguments: str | Path) -> int:
    return listen.main(list(map(str, arguments)))


@pytest.mark.slow
def test_hears_what_label_hears(exported: Path, recording: Path, capsys: Captured) -> None:
    assert label.main([str(exported), str(recording), "--csv"]) == 0
    rows = [line.split(",")[1:] for line in capsys.readouterr().out.splitlines()[1:]]
    assert run(exported, "--file", recording, "--no-wait") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [(float(time), word, score) for time, _, word, score in lines] == [
        (round(float(time), 2), word, score) for time, word, score in rows
    ]
    assert len(lines) > 3


@pytest.mark.slow
def test_a_recording_is_played_at_its_speed(exported: Path, tmp_path: Path, capsys: Captured) -> None:
    soundfile.write(tmp_path / "short.wav", np.zeros(32_000, np.int16), 16_000)
    start = time.monotonic()
    assert run(exported, "--file", tmp_path / "short.wav") == 0
    assert time.monotonic() - start >= 2
    assert capsys.readouterr().out == "no keyword\n"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent otherwise")
def test_ctrl_c_ends_it_quietly(exported: Path, recording: Path) -> None:
    command = [sys.executable, "-u", "-m", "kws_exp.listen", str(exported), "--file", str(recording)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline().split()[2] in LABELS
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == ""
        assert process.wait() == 0


@pytest.mark.slow
def test_mistakes(exported: Path, recording: Path, tmp_path: Path, capsys: Captured) -> None:
    def told(*arguments: str | Path) -> str:
        assert run(*arguments, "--output-dir", tmp_path) == 2
        captured = capsys.readouterr()
        assert captured.err.count("\n") == 1 and not captured.out
        return captured.err

    assert "a model is needed, but none is given" in told()
    assert "is no export folder" in told("latest")
    assert "--no-wait goes with a recording" in told(exported, "--no-wait")
    assert "--file and --device exclude each other" in told(exported, "--file", recording, "--device", "usb")
    assert "must be a file that exists" in told(exported, "--file", tmp_path / "missing.wav")
    soundfile.write(tmp_path / "short.wav", np.zeros(8_000, np.int16), 16_000)
    assert "must be at least 0.99 s long" in told(exported, "--file", tmp_path / "short.wav", "--no-wait")


def test_a_terminal_shows_bars_and_keywords() -> None:
    heard = [
        Moment(1.29, np.array([0, 20, 255, 5]), Detection("yes", 1.29, 255)),
        Moment(2.5, np.array([255, 0, 0, 0]), Detection("_silence_", 2.5, 255)),
    ]
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=100, color_system=None)
    assert screen.show(heard, LABELS, (200, 200, 200, 255), console) == 1
    shown = terminal.getvalue()
    assert "    1.29 s  yes  0.996\n" in shown
    assert "_silence_  " in shown and "2.5 s" in shown
    assert "_silence_  0.996" not in shown  # it fires, but is no word


def test_bars_are_as_long_as_scores_and_marked_at_thresholds() -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(screen.bars(Moment(1.0, np.array([0, 128, 255, 64]), None), LABELS, (200, 128, 200, 255)))
    silence, unknown, yes, no, _ = console.export_text().splitlines()
    assert [line.count("█") for line in (silence, unknown, yes, no)] == [0, 20, 38, 10]
    assert [line.find("┃") - line.find("·") for line in (silence, unknown)] == [31, -1]
    assert "┃" in yes and "┃" not in no and no.endswith("0.25")
