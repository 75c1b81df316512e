"""The stage of a run: its figures are those of the same streams on disk, scored by command."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from kws_exp import config, data, run_folder, summary
from kws_exp.c99 import host
from kws_exp.errors import KwsError
from kws_exp.run_folder import RunFolder
from kws_exp.schema import Stream
from kws_exp.stream import choose, install, make, section, sources, spotter, stage
from kws_exp.stream.compose import Recipe
from kws_exp.track import metrics as metrics_of

pytestmark = [pytest.mark.slow, pytest.mark.skipif(host.compiler() is None, reason="no C compiler")]
SETTINGS = Stream(minutes=2, snr_db=15, max_false_accepts_per_hour=90)


def test_it_chooses_on_validation_and_scores_on_test(run: Path, tmp_path: Path) -> None:
    folder = RunFolder(Path(shutil.copytree(run, tmp_path / "run")))
    dataset = data.load(config.load(run / "config.yaml"))
    manifest = (folder.export / "manifest.json").read_bytes()
    told: list[tuple[str, int, int]] = []
    metrics = stage.evaluate(folder, SETTINGS, dataset, 7, lambda *state: told.append(state))
    kept = run_folder.read_json(folder.path / "stream.json")
    assert (folder.export / "manifest.json").read_bytes() == manifest
    assert (folder.figures / "det.png").stat().st_size > 10_000
    assert ("seconds of testing audio", 120, 120) in told and told[-1] == ("quarters held out", 4, 4)

    streams = {}
    with spotter.opened(folder.export) as model:
        for partition in ("validation", "testing"):
            place = tmp_path / partition
            make.write(place, dataset, Recipe(2, snr_db=15, partition=partition, seed=7))
            (found,) = sources.find([place])
            streams[partition] = sources.load(found, model)
    expected = choose.choose([streams["validation"]], 90)
    assert kept["chosen"]["operating_point"] == expected.point.settings()
    assert kept["chosen"]["sentence"] == expected.sentence
    tested = choose.matched([streams["testing"]], expected.point).figures()
    # label files have whole microseconds, and latencies are counted from their ends
    expected_latency = tested.latency and pytest.approx(asdict(tested.latency), abs=2e-6)
    assert kept["test"] == kept["test"] | tested.to_json() | {"latency": expected_latency}
    assert metrics["stream/false_reject_rate"] == tested.false_reject_rate == kept["test"]["false_reject_rate"]
    assert metrics["stream/false_accepts_per_hour"] == tested.false_accepts_per_hour
    assert metrics.get("stream/latency") == (kept["test"]["latency"] or {}).get("median")
    assert len(kept["curve"]) == 3 and kept["settings"]["minutes"] == 2
    report = "\n".join(section.lines(folder))
    assert f"| all | {tested.utterances} |" in report and expected.sentence in report
    assert metrics_of.scores(folder)["stream/false_reject_rate"] == tested.false_reject_rate
    misses = expected.matching.figures().false_reject_rate if expected.met else 1.0
    assert summary.scores(folder, "best")["misses"] == misses
    install.write(folder.export, expected.point, {**kept["chosen"]})  # what the file holds is enough for an export


def test_what_cannot_be_composed_is_told(run: Path) -> None:
    dataset = data.load(config.load(run / "config.yaml"))
    with pytest.raises(KwsError, match=r"a stream must last from 0.0667 minutes"):
        stage.evaluate(RunFolder(run), Stream(minutes=0), dataset, 7)
