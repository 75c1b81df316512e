"""The complete generated C program over recorded words: its detections, and what is said where it cannot be run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

from kws_exp import run_folder
from kws_exp.c99 import host
from kws_exp.errors import KwsError
from kws_exp.features.log_mel import LogMel
from kws_exp.features.micro import Micro
from kws_exp.proof.finding import DIFFERENT, EQUAL
from kws_exp.stream import firmware, install, scores, spotter
from kws_exp.stream.detect import detect
from kws_exp.stream.events import OperatingPoint, Scores
from tests.stream import exports
from tests.stream.conftest import CHOSEN, POINT

pytestmark = [pytest.mark.slow, pytest.mark.skipif(host.compiler() is None, reason="no C compiler")]


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("audio") / "words.flac"
    soundfile.write(path, exports.recorded(60), 16_000)
    return path


@pytest.fixture(scope="module")
def exported(run: Path) -> Path:
    return run / "export"


@pytest.fixture(scope="module")
def scored(exported: Path, audio: Path) -> Iterator[Scores]:
    with spotter.opened(exported) as model:
        yield scores.score(audio, model)


@pytest.mark.parametrize(
    "point",
    [
        POINT,
        replace(POINT, average_window_ms=350, suppression_ms=0, minimum_count=1),
        replace(POINT, repeat=True, thresholds=(255, 255, 60, 70), average_window_ms=500),
    ],
)
def test_the_c_program_fires_the_same_events(
    exported: Path, audio: Path, scored: Scores, point: OperatingPoint, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(exported, tmp_path / "export"))
    install.write(folder, point, CHOSEN)
    fired = detect(scored, point)
    told: list[tuple[str, int, int]] = []
    found = firmware.compare(folder, [(audio, fired)] * 2, lambda *state: told.append(state))
    assert found.status == EQUAL and found.detail.startswith(f"{2 * len(fired)} events")
    assert len({event.word for event in fired}) >= 2 and len(fired) > 3
    assert told[-1] == ("seconds of words.flac, in C", 60, 60)


def test_other_events_are_named(exported: Path, audio: Path, scored: Scores) -> None:
    fired = detect(scored, POINT)
    first, second = fired[:2]
    for wrong, sentence in (
        ([replace(first, score=first.score + 1), *fired[1:]], f"fires {first.word} at {first.seconds:.3f} s"),
        (fired[1:], f"not {second.word} at {second.seconds:.3f} s ({second.score})"),
        (fired[:-1], "not nothing more"),
        ([*fired, first], "fires nothing more, not"),
    ):
        found = firmware.compare(exported, [(audio, wrong)])
        assert found.status == DIFFERENT and found.wrong
        assert found.detail.startswith("words.flac: the C program fires ") and sentence in found.detail


def test_nothing_is_run_that_was_not_made_here(exported: Path, audio: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(exported, tmp_path / "export"))
    source = folder / "c99" / "kws.c"
    source.write_text(source.read_text() + "/* not ours */\n")
    found = firmware.compare(folder, [(audio, [])])
    assert found.status == "not run: c99/kws.c is not what this kws_exp makes of model and manifest"
    assert not found.wrong


def test_where_it_cannot_be_run(exported: Path, audio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    floating = exports.make(LogMel(), tmp_path / "log_mel")
    assert firmware.compare(floating, []).status == "not run: the device cannot compute features=log_mel"
    alone = exports.make(Micro(), tmp_path / "alone")
    shutil.rmtree(alone / "c99")
    assert firmware.compare(alone, []).status.startswith("not run: c99/kws_model.c is not what")
    with pytest.raises(KwsError, match="must be a file that exists"):
        firmware.compare(exported, [(tmp_path / "missing.wav", [])])
    monkeypatch.setenv("CC", "no-such-compiler")
    assert firmware.compare(exported, [(audio, [])]).status == "not run: no C compiler was found"


def test_the_export_keeps_its_detector_when_it_is_read(exported: Path) -> None:
    with spotter.opened(exported) as model:
        assert OperatingPoint.of(model.detector, model.labels) == POINT
    assert run_folder.read_json(exported / "manifest.json")["detector"]["thresholds"] == list(POINT.thresholds)
