"""``python -m kws_exp.stream`` from end to end: composed and own recordings, scored, and an operating point chosen."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from kws_exp import config, data, run_folder, verify
from kws_exp.c99 import host
from kws_exp.data import TESTING
from kws_exp.errors import KwsError
from kws_exp.run_folder import RunFolder, RunRecord
from kws_exp.stream import choose, classic, commands, detect, labels, make, match, scores, spotter
from kws_exp.stream.__main__ import main
from kws_exp.stream.events import OperatingPoint, Scores, Stream, Utterance
from tests.stream import exports

pytestmark = [pytest.mark.slow, pytest.mark.skipif(host.compiler() is None, reason="no C compiler")]
Captured = pytest.CaptureFixture[str]
FILES = {"det.json", "det.png", "scores.json"}


def call(*arguments: str | Path | float) -> int:
    return main(list(map(str, arguments)))


@pytest.fixture(scope="module")
def streams(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes of each held-out partition."""
    folder = tmp_path_factory.mktemp("streams")
    for partition in ("testing", "validation"):
        assert call("make", run, folder / partition, "--minutes", 2, "--partition", partition) == 0
    return folder


@pytest.fixture
def copied(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_make_takes_what_the_run_did_not_train_on(run: Path, streams: Path, tmp_path: Path, capsys: Captured) -> None:
    made = run_folder.read_json(streams / "testing" / make.MANIFEST)
    dataset = data.load(config.load(run / "config.yaml"))
    held_out = {dataset.paths[row] for row in dataset.partitions[TESTING].rows if row >= 0}
    assert {clip["path"] for clip in made["clips"]} <= held_out
    assert made["recipe"]["seed"] == 59185 and made["data"]["digest"] == dataset.digest
    assert call("make", run / "export", tmp_path / "again", "--minutes", 2) == 0
    assert f"{tmp_path / 'again'}: 2 minutes of the testing partition, with " in capsys.readouterr().out
    assert files(tmp_path / "again") == files(streams / "testing")


def test_score_tells_what_the_modules_find(run: Path, streams: Path, tmp_path: Path, capsys: Captured) -> None:
    stream = streams / "testing"
    assert call("score", run, stream, "--json", "--out", tmp_path / "out", "--tolerance", 0.8) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found == run_folder.read_json(tmp_path / "out" / "scores.json")
    assert set(files(tmp_path / "out")) == {*FILES, "testing.txt"}
    with spotter.opened(run / "export") as model:
        scored = scores.score(stream / make.AUDIO, model)
        point = OperatingPoint.of(model.detector, model.labels)
    said = labels.read(stream / make.LABELS, scored.labels)
    expected = match.match(detect.detect(scored, point), said, scored.labels, 2 / 60, 0.8)
    assert found["all"] == found["all"] | expected.figures().to_json()
    assert [one["word"] for one in found["words"]] == ["yes", "no"]
    low, high = found["all"]["false_accepts_per_hour_interval"]
    assert low <= found["all"]["false_accepts_per_hour"] <= high
    counts = classic.statistics(said, classic.detect(scored, classic.STREAMING_TEST))
    assert found["classic"]["percentages"] == counts.percentages()
    assert found["c_program"]["status"] == "equal" and not found["c_program"]["detail"].startswith("0 ")
    assert found["stream_against_clips"]["runs"] == len(scored.seconds)
    events = labels.read(tmp_path / "out" / "testing.txt", scored.labels)
    fired = [event.detection for event in expected.events]
    assert [(one.word, round(1000 * one.begin)) for one in events] == [
        (one.word, round(1000 * one.seconds)) for one in fired
    ]


def test_the_table_tells_it_too(run: Path, streams: Path, capsys: Captured) -> None:
    assert call("score", run, streams / "testing", streams / "validation") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["word", "yes", "no", "all"]
    assert lines[4] == "2 recordings, 0.0667 h; a detection counts until 1 s after its word"
    assert lines[5].startswith("the classic's detector and rule (test_streaming_accuracy): ")
    assert lines[6].startswith("stream against clips of their own: ")
    assert lines[7].startswith("the C program's detections: equal (")


def test_own_recordings(run: Path, tmp_path: Path, capsys: Captured) -> None:
    soundfile.write(tmp_path / "hall.flac", exports.recorded(20), 16_000)
    labels.write(tmp_path / "hall.txt", [Utterance("yes", 0.2, 0.8), Utterance("no", 2.1, 2.9)])
    (tmp_path / "talk").mkdir()
    soundfile.write(tmp_path / "talk" / "radio.wav", exports.recorded(15)[::2], 8_000)

    def counted(*arguments: str | Path) -> dict[str, Any]:
        assert call("score", run, *arguments, "--json") == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    both = counted(tmp_path, "--no-keywords")
    assert both["all"]["utterances"] == 2 and both["hours"] == pytest.approx(35 / 3600)
    assert [recording["labels"] for recording in both["recordings"]] == [str(tmp_path / "hall.txt"), None]
    alone = counted(tmp_path / "talk" / "radio.wav", "--no-keywords")
    assert alone["all"]["utterances"] == 0 and alone["all"]["false_reject_rate"] is None
    (tmp_path / "hall.txt").rename(tmp_path / "else")
    assert counted(tmp_path / "hall.flac", "--labels", tmp_path / "else")["all"]["utterances"] == 2


def test_choose_keeps_the_trade_off_and_leaves_the_export_alone(
    copied: Path, streams: Path, tmp_path: Path, capsys: Captured
) -> None:
    before = files(copied / "export")
    assert call("choose", copied, streams / "validation", "--max-false-accepts-per-hour", 60) == 0
    assert files(copied / "export") == before
    kept = run_folder.read_json(copied / "operating_point" / "operating_point.json")
    assert kept["sentence"] in capsys.readouterr().out
    assert kept["figures"]["false_accepts"] <= 2 and kept["met"]
    assert kept["recordings"] == [{"name": "validation", "partition": "validation"}]
    with np.load(copied / "operating_point" / "tradeoff.npz", allow_pickle=False) as content:
        rows = content["tradeoff"]
    assert rows["misses"][rows["false_accepts"] <= 2].min() <= kept["figures"]["misses"]
    assert {row["false_accepts"] for row in kept["front"]} <= set(rows["false_accepts"].tolist())
    first = files(copied / "operating_point")
    again = ("choose", copied, streams / "validation", "--max-false-accepts-per-hour", 60)
    assert call(*again) == 0 == call(*again, "--out", tmp_path / "other")
    assert files(tmp_path / "other") == first == files(copied / "operating_point")


def test_choose_writes_the_point_into_manifest_and_c(copied: Path, streams: Path, capsys: Captured) -> None:
    wanted = ("choose", copied, streams / "validation", "--max-false-accepts-per-hour", 60, "--write")
    assert call(*wanted) == 0
    told = capsys.readouterr().out
    assert "the C program's detections: equal (" in told and "equal (0 " not in told
    kept = run_folder.read_json(copied / "operating_point" / "operating_point.json")
    manifest = run_folder.read_json(copied / "export" / "manifest.json")
    assert manifest["detector"] == manifest["detector"] | kept["operating_point"]
    assert manifest["operating_point"]["sentence"] == kept["sentence"]
    thresholds = ", ".join(map(str, kept["operating_point"]["thresholds"]))
    assert f"#define KWS_THRESHOLDS {{{thresholds}}}" in (copied / "export" / "c99" / "kws_settings.h").read_text()
    assert kept["sentence"] in (copied / "export" / "MODEL_CARD.md").read_text()
    assert verify.main([str(copied)]) == 0
    capsys.readouterr()
    assert call("score", copied, streams / "validation", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["all"] == kept["figures"] and found["c_program"]["status"] == "equal"
    first = files(copied)
    assert call(*wanted) == 0
    assert files(copied) == first


def test_a_point_beyond_the_limit_is_not_written(copied: Path) -> None:
    values = np.tile(np.array([-128, -128, 127, -128], np.int8), (600, 1))  # "yes" all along
    said = (Utterance("yes", 30.0, 30.5),)
    stream = Stream(Scores(("_silence_", "_unknown_", "yes", "no"), 0.99 + np.arange(600) / 10, values), said, 61.0)
    choice = choose.choose([stream])
    assert not choice.met
    before = files(copied)
    with pytest.raises(KwsError, match=r"must keep the limit of 0\.5 false accepts an hour, but this one does not"):
        commands.write_point(copied / "export", [], [stream], choice, {})
    assert files(copied) == before


def test_changed_data_are_told(copied: Path, tmp_path: Path, capsys: Captured) -> None:
    record = RunRecord("tiny", "0123", data={"digest": "another"})
    RunFolder(copied).write_record(record)
    assert call("make", copied, tmp_path / "new", "--minutes", 1) == 0
    assert "note: these are not the clips of the run (digest another, now " in capsys.readouterr().out


def test_mistakes(run: Path, streams: Path, tmp_path: Path, capsys: Captured) -> None:
    def told(*arguments: str | Path | float) -> str:
        assert call(*arguments, "--output-dir", tmp_path) == 2
        captured = capsys.readouterr()
        assert not captured.out and captured.err.count("\n") == 1
        return captured.err

    assert "is no export folder" in told("score", "latest", streams / "testing")
    refused = told("choose", run, streams / "validation", streams / "testing")
    assert f"{streams / 'testing'} is of the testing partition: make one with --partition validation" in refused
    assert "--tolerance must be from 0 to 60, but is -1" in told("score", run, streams, "--tolerance", -1)
    assert "must be from 0 to 3600, but is nan" in told("choose", run, streams, "--max-false-accepts-per-hour", "nan")
    assert "its partition must be validation or testing, but is training" in told(
        "make", run, tmp_path / "new", "--partition", "training"
    )
    assert "is there: name another" in told("make", run, streams / "testing")
    shutil.copytree(run / "export", tmp_path / "alone" / "export")
    assert "config.yaml tells, but" in told("make", tmp_path / "alone" / "export", tmp_path / "new")
    soundfile.write(tmp_path / "bare.wav", exports.recorded(3), 16_000)
    assert "bare.wav has no bare.txt: write it with lines" in told("score", run, tmp_path / "bare.wav")
    assert "the label file of one recording, but 2 are given" in told("score", run, streams, "--labels", "x.txt")
    assert "is said in none of 1" in told("choose", run, tmp_path / "bare.wav", "--no-keywords")
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").write_text("")
    assert "--out must be a folder to write to" in told("score", run, streams / "testing", "--out", tmp_path / "file")


@pytest.mark.parametrize("arguments", [["--help"], ["make", "--help"], ["score", "--help"], ["choose", "--help"]])
def test_help_imports_nothing_large(arguments: Sequence[str]) -> None:
    code = (
        "import sys; from kws_exp.stream import __main__ as command\n"
        f"try: command.main({arguments!r})\n"
        "finally: assert not {'numpy', 'yaml', 'rich'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("usage: python -m kws_exp.stream"), done.stderr
