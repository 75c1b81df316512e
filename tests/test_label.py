"""``python -m kws_exp.label`` over clips, recordings and what is neither, in each of its forms."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws_exp import label, run_folder
from kws_exp.stream import detect, scores, spotter
from kws_exp.stream.events import OperatingPoint
from tests.stream import exports

pytestmark = pytest.mark.slow
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exports.eager(tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audio")
    for number, clip in enumerate(exports.clips("yes", 3)):
        soundfile.write(folder / f"clip {number}.wav", clip, 16_000)
    (folder / "deep").mkdir()
    soundfile.write(folder / "deep" / "long.flac", exports.recorded(30), 16_000)
    return folder


def run(*arguments: str | Path) -> int:
    return label.main(list(map(str, arguments)))


def test_clips_and_recordings(exported: Path, audio: Path, capsys: Captured) -> None:
    assert run(exported, audio, "--json", "--top", "2") == 0
    heard = json.loads(capsys.readouterr().out)
    assert [Path(one["file"]).name for one in heard] == ["clip 0.wav", "clip 1.wav", "clip 2.wav", "long.flac"]
    with spotter.opened(exported) as model:
        right = (scores.classify(exports.clips("yes", 3), model).astype(int) + 128) / 256
        found = scores.score(audio / "deep" / "long.flac", model)
    for one, expected in zip(heard[:3], right, strict=True):
        assert one["clip"] and one["length"] == 1
        assert [entry["score"] for entry in one["labels"]] == sorted(expected, reverse=True)[:2]
        assert one["labels"][0]["label"] == model.labels[int(expected.argmax())]
    fired = detect.detect(found, OperatingPoint((70,) * 4, suppression_ms=300))
    words = [(event.word, event.seconds, event.score / 256) for event in fired if event.word in ("yes", "no")]
    assert [(entry["label"], entry["seconds"], entry["score"]) for entry in heard[3]["labels"]] == words
    assert words and not heard[3]["clip"] and heard[3]["length"] == 30


def test_table_and_csv_tell_the_same(exported: Path, audio: Path, capsys: Captured) -> None:
    files = [audio / "clip 0.wav", audio / "deep" / "long.flac"]
    assert run(exported, *files, "--csv", "--top", "1") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["file"] for row in rows} == set(map(str, files))
    assert rows[0]["seconds"] == "" and float(rows[1]["seconds"]) > 0
    assert run(exported, *files, "--top", "1") == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert len(lines) == len(rows)
    for row, line in zip(rows, lines, strict=True):
        assert line.split()[-2:] == [row["label"], row["score"]]


def test_short_clips_and_silence(exported: Path, tmp_path: Path, capsys: Captured) -> None:
    soundfile.write(tmp_path / "short.ogg", exports.clips("no", 1)[0, :6_000], 22_050)
    soundfile.write(tmp_path / "silence.wav", np.zeros(32_000, np.int16), 16_000)
    assert run(exported, tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert [line.split()[-3] for line in lines[1:2]] == ["clip"]


def test_a_file_that_fails_does_not_stop_the_others(exported: Path, audio: Path, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no audio")
    command = [sys.executable, "-m", "kws_exp.label", exported, tmp_path, audio / "clip 1.wav", "missing.wav", "--csv"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 4
    assert [line.partition(" must be ")[0] for line in done.stderr.splitlines()] == [
        f"kws_exp: {tmp_path / 'text.wav'}",
        "kws_exp: a recording",
    ]


def test_mistakes(exported: Path, audio: Path, tmp_path: Path, capsys: Captured) -> None:
    def told(*arguments: str | Path) -> str:
        assert run(*arguments, "--output-dir", tmp_path) == 2
        captured = capsys.readouterr()
        assert not captured.out.strip("[]\n")
        assert captured.err.count("\n") == 1
        return captured.err

    assert "is no export folder" in told("latest", audio)
    assert "--top must be at least 1, but is 0" in told(exported, audio, "--top", "0")
    assert "must be a file that exists" in told(exported, tmp_path / "missing.wav")
    (tmp_path / "empty").mkdir()
    assert "a folder must hold recordings (.wav, .flac, .ogg)" in told(exported, tmp_path / "empty")


def test_a_run_is_found(exported: Path, audio: Path, tmp_path: Path, capsys: Captured) -> None:
    folder = run_folder.create(tmp_path / "runs", "tiny")
    folder.write_record(run_folder.RunRecord(name="tiny", run_id="abc"))
    shutil.copytree(exported, folder.export)
    for wanted in ("latest", "abc"):
        assert run(wanted, audio / "clip 0.wav", "--output-dir", tmp_path) == 0
    assert capsys.readouterr().out.count("clip 0.wav") == 2
