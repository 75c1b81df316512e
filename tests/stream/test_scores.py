"""A recording's scores: those of the complete C program, whatever computes them and in whatever blocks."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kws_exp.c99 import host
from kws_exp.c99 import settings as c_settings
from kws_exp.device.program import DETECTOR, detector_settings
from kws_exp.errors import KwsError
from kws_exp.export import interpreters
from kws_exp.features.log_mel import LogMel
from kws_exp.features.micro import Micro
from kws_exp.stream import detect, frames, inference, scores, spotter
from kws_exp.stream.events import OperatingPoint, Scores
from kws_exp.stream.spotter import Spotter
from tests.stream import exports

pytestmark = [pytest.mark.slow]
needs_compiler = pytest.mark.skipif(host.compiler() is None, reason="no C compiler")
STREAM_MAIN = """
#include <stdio.h>
#include "kws.h"

int main(void)
{
    static kws detector;
    static int16_t chunk[777];
    size_t count;
    kws_init(&detector);
    while ((count = fread(chunk, sizeof *chunk, 777, stdin)) > 0)
        for (size_t taken = 0; taken < count;) {
            kws_detection detection;
            taken += kws_push(&detector, chunk + taken, count - taken, &detection);
            if (detection.label == KWS_NO_LABEL)
                continue;
            printf("%u %d %u %u", detector.time_ms, detection.is_new, (unsigned)detection.label, detection.score);
            for (int label = 0; label < KWS_LABELS; ++label)
                printf(" %d", detector.scores[label]);
            putchar('\\n');
        }
    return 0;
}
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exports.make(Micro(), tmp_path_factory.mktemp("micro"))


@pytest.fixture(scope="module")
def opened(exported: Path) -> Iterator[Spotter]:
    with spotter.opened(exported, threads=2) as made:
        yield made


@pytest.fixture(scope="module")
def floating(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spotter]:
    with spotter.opened(exports.make(LogMel(stride_ms=15), tmp_path_factory.mktemp("log_mel"))) as made:
        yield made


@pytest.fixture(scope="module")
def pcm() -> NDArray[np.int16]:
    return exports.recorded(22)


def joined(parts: Iterator[Scores]) -> Scores:
    found = list(parts)
    return Scores(
        found[0].labels, np.concatenate([part.seconds for part in found]), np.concatenate([p.values for p in found])
    )


def device(exported: Path, scratch: Path, pcm: NDArray[np.int16], **rules: Any) -> NDArray[np.int64]:
    """Run the complete generated program: a row of time, is_new, label, score and outputs for each run."""
    shutil.copytree(exported / "c99", scratch, dirs_exist_ok=True)
    manifest = json.loads((exported / "manifest.json").read_text())
    c_settings.write(replace(detector_settings(manifest), **rules), scratch)
    (scratch / "main.c").write_text(STREAM_MAIN)
    program = host.compile(scratch, ["main.c", *DETECTOR, *host.NETWORK], scratch / "program")
    lines = subprocess.run([program], input=pcm.tobytes(), capture_output=True, check=True).stdout.splitlines()
    return np.array([line.split() for line in lines], np.int64)


@needs_compiler
@pytest.mark.parametrize("hop", [1, 5, 49])
def test_equals_the_c_program(
    exported: Path, opened: Spotter, pcm: NDArray[np.int16], hop: int, tmp_path: Path
) -> None:
    expected = device(
        exported, tmp_path, pcm, hop_frames=hop, detection_threshold=90, suppression_ms=300, minimum_count=2
    )
    found = joined(scores.stream([pcm], opened, hop))
    np.testing.assert_array_equal(found.values, expected[:, 4:])
    np.testing.assert_array_equal(detect.clock(found.seconds), expected[:, 0])
    assert len(np.unique(found.values.argmax(axis=1))) >= 3
    point = OperatingPoint((90,) * 4, suppression_ms=300, minimum_count=2)
    fired = [(event.word, round(event.seconds * 1000), event.score) for event in detect.detect(found, point)]
    assert fired == [(opened.labels[label], time, best) for time, new, label, best, *_ in expected if new]


def test_the_interpreter_gives_the_same_bytes(
    exported: Path, opened: Spotter, pcm: NDArray[np.int16], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not interpreters.tflm_available() or host.compiler() is None:
        pytest.skip("one of the two is not there")
    monkeypatch.setenv("CC", "no-such-compiler")
    with spotter.opened(exported) as interpreted:
        found = joined(scores.stream([pcm[: 16_000 * 6]], interpreted, 3))
    np.testing.assert_array_equal(found.values, joined(scores.stream([pcm[: 16_000 * 6]], opened, 3)).values)


@settings(max_examples=10)
@given(sizes=st.lists(st.integers(0, 40_000), max_size=12), hop=st.integers(1, 49), live=st.booleans())
def test_blocks_make_no_difference(
    opened: Spotter, floating: Spotter, pcm: NDArray[np.int16], sizes: list[int], hop: int, live: bool
) -> None:
    parts = np.split(pcm, np.minimum(np.cumsum(sizes, dtype=np.int64), len(pcm)))
    for spotter_ in (opened, floating):
        expected = joined(scores.stream([pcm], spotter_, hop))
        found = joined(scores.stream(parts, spotter_, hop, live))
        np.testing.assert_array_equal(found.values, expected.values)
        np.testing.assert_array_equal(found.seconds, expected.seconds)


def test_a_float_front_end_sees_what_training_sees(floating: Spotter, pcm: NDArray[np.int16]) -> None:
    shift = 3 * floating.features.stride
    streamed = np.concatenate(list(frames.along([pcm], floating, 500)))
    for start in (0, 3, 200):
        clip = pcm[start // 3 * shift :][: floating.samples]
        alone = frames.of_clips(clip[None], floating)[0]
        along = streamed[start // 3 * 3 :][: floating.frames]
        assert np.mean(along != alone) < 1e-3  # of another row of the same product, the last bit may differ
    difference = scores.difference([pcm], floating)
    assert difference.runs == len(joined(scores.stream([pcm], floating)).seconds)
    assert difference.steps < 1e-3 and difference.top == 0


def test_the_noise_estimate_is_carried_along(opened: Spotter, pcm: NDArray[np.int16]) -> None:
    found = scores.difference(np.array_split(pcm, 7), opened)
    values = joined(scores.stream([pcm], opened)).values
    at = np.arange(len(values)) * opened.hop * opened.features.stride
    clips = np.stack([pcm[start : start + opened.samples] for start in at])
    alone = scores.classify(clips, opened)
    np.testing.assert_array_equal(values[0], alone[0])  # as the stream begins, so does a clip
    assert found.runs == len(values)
    assert found.top == np.mean(values.argmax(1) != alone.argmax(1)) > 0
    streamed = np.concatenate(list(frames.along([pcm], opened, 100)))
    inputs = np.stack([streamed[run * opened.hop :][: opened.frames] for run in range(len(values))])
    steps = np.abs(inputs.astype(float) - frames.of_clips(clips, opened)).mean()
    assert found.steps == pytest.approx(steps)
    assert steps > 1


@given(
    sizes=st.lists(st.integers(0, 30), max_size=20),
    length=st.integers(1, 20),
    stride=st.integers(1, 25),
    most=st.integers(1, 6),
)
def test_segments_hold_every_window_once(sizes: Sequence[int], length: int, stride: int, most: int) -> None:
    signal = np.arange(sum(sizes))
    found = []
    for segment in frames.segments(np.split(signal, np.cumsum(sizes)), length, stride, most):
        assert 1 + (len(segment) - length) // stride <= most
        found += [segment[at : at + length].tolist() for at in range(0, len(segment) - length + 1, stride)]
    assert found == [signal[at : at + length].tolist() for at in range(0, len(signal) - length + 1, stride)]


@pytest.mark.parametrize("live", [False, True])
def test_a_stream_need_not_end(opened: Spotter, pcm: NDArray[np.int16], live: bool) -> None:
    given = 0

    def endless() -> Iterator[NDArray[np.int16]]:
        nonlocal given
        while True:
            given += 1
            yield pcm[:16_000]

    parts = scores.stream(endless(), opened, 5, live)
    seconds = np.concatenate([next(parts).seconds for _ in range(3)])
    np.testing.assert_allclose(seconds, 0.99 + 0.1 * np.arange(len(seconds)))
    assert given - seconds[-1] < (1.1 if live else 110)


def test_a_file_is_scored_in_stages(opened: Spotter, pcm: NDArray[np.int16], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.flac", np.tile(pcm, 4), 16_000)
    told: list[tuple[str, int, int]] = []
    found = scores.score(tmp_path / "long.flac", opened, 10, lambda *state: told.append(state))
    np.testing.assert_array_equal(found.values, joined(scores.stream([np.tile(pcm, 4)], opened, 10)).values)
    assert told[-1] == ("seconds of long.flac", 88, 88)
    assert len(told) > 3


def test_too_short_and_hops_that_are_none(opened: Spotter, pcm: NDArray[np.int16], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", pcm[:15_000], 16_000)
    with pytest.raises(KwsError, match=r"must be at least 0.99 s long, .* but \S+short.wav has 0.94 s: "):
        scores.score(tmp_path / "short.wav", opened)
    for hop, near in ((0, 1), (50, 49)):
        with pytest.raises(KwsError, match=rf"every 1 to 49 frames, .* but the hop is {hop}: give {near}$"):
            list(scores.stream([pcm], opened, hop))


def test_folders_that_hold_no_model(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(KwsError, match=r"must hold manifest.json and model_int8.tflite, but they cannot be read"):
        spotter.opened(tmp_path).__enter__()
    copied = Path(shutil.copytree(exported, tmp_path / "copied"))
    content = bytearray((copied / "model_int8.tflite").read_bytes())
    content[-3] ^= 1
    (copied / "model_int8.tflite").write_bytes(content)
    with pytest.raises(KwsError, match=r"must be the model that manifest.json describes"):
        spotter.opened(copied).__enter__()
    shutil.copy(exported / "model_int8.tflite", copied)
    manifest = json.loads((copied / "manifest.json").read_text())
    manifest["features"]["name"] = "logmel"
    (copied / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(KwsError, match=r"is 'logmel' \(did you mean 'log_mel'\?\): run it with the kws_exp"):
        spotter.opened(copied).__enter__()


def test_neither_compiler_nor_interpreter(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    monkeypatch.setattr(interpreters, "tflm_available", lambda: False)
    with pytest.raises(KwsError, match=r"needs a C compiler, but none was found, nor tflite-micro"):
        inference.network(exported / "model_int8.tflite", 49).__enter__()
