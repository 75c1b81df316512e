from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kws_exp.c99 import host
from kws_exp.c99.settings import Settings, write
from kws_exp.errors import KwsError
from kws_exp.features import micro
from tests.c99 import programs
from tests.c99.recognize import Recognizer
from tests.c99.test_frontend import adversarial

pytestmark = pytest.mark.skipif(host.compiler() is None, reason="no C compiler")

LABELS = ("_silence_", "_unknown_", 'say "ja"?', "größer\\")
MODEL_H = """
#include <stdint.h>
#define KWS_MODEL_INPUT_SIZE {frames} * {channels}
#define KWS_MODEL_OUTPUT_SIZE {labels}
#ifdef __cplusplus
extern "C"
#endif
void kws_model_run(const int8_t *input, int8_t *output);
"""
# in place of a network: the average of every fourth value
MODEL_C = """
#include "kws_model.h"
void kws_model_run(const int8_t *input, int8_t *output)
{
    for (int label = 0; label < KWS_MODEL_OUTPUT_SIZE; ++label) {
        int32_t sum = 0, count = 0;
        for (int at = label; at < KWS_MODEL_INPUT_SIZE; at += KWS_MODEL_OUTPUT_SIZE, ++count)
            sum += input[at] + 128;
        output[label] = (int8_t)(sum / count - 128);
    }
}
"""
# as FRONTEND_MAIN of tests.c99.programs: chunks after their lengths; a negative one begins a new stream
STREAM_MAIN = """
#include <stdio.h>
#include "kws.h"

int main(void)
{
    static kws detector;
    static int16_t chunk[1 << 16];
    int32_t count;
    while (fread(&count, sizeof count, 1, stdin) == 1) {
        if (count < 0) {
            kws_init(&detector);
            continue;
        }
        if (fread(chunk, sizeof *chunk, (size_t)count, stdin) != (size_t)count)
            return 1;
        for (size_t taken = 0; taken < (size_t)count;) {
            kws_detection detection;
            taken += kws_push(&detector, chunk + taken, (size_t)count - taken, &detection);
            if (detection.label == KWS_NO_LABEL)
                continue;
            printf("%d %u %u %u\\n", (int)detection.label, (unsigned)detection.time_ms, (unsigned)detection.score,
                   (unsigned)detection.is_new);
        }
    }
    return 0;
}
"""
CLASSIFY_MAIN = """
#include <stdio.h>
#include "kws.h"

int main(void)
{
    static kws detector;
    static int16_t clip[KWS_CLIP_SAMPLES];
    static uint16_t features[KWS_FRAMES * KWS_CHANNELS];
    int8_t scores[KWS_LABELS], again[KWS_LABELS];
    while (fread(clip, sizeof clip, 1, stdin) == 1) {
        kws_classify(&detector, clip, NULL, again);
        kws_classify(&detector, clip, features, scores);
        for (int label = 0; label < KWS_LABELS; ++label)
            if (scores[label] != again[label] || scores[label] != detector.scores[label])
                return 1;
        fwrite(features, sizeof features, 1, stdout);
        fwrite(detector.input, sizeof detector.input, 1, stdout);
        fwrite(scores, sizeof scores, 1, stdout);
    }
    return 0;
}
"""
LABELS_MAIN = """
#include <stdio.h>
#include "kws.h"

int main(void)
{
    for (int label = 0; label < KWS_LABELS; ++label)
        puts(kws_labels[label]);
    return 0;
}
"""


def options(features: micro.Micro, **more: object) -> Settings:
    shape = Settings(LABELS, 16000, 16000, features.frames, features.bins, features.stride_ms, detection_threshold=90)
    return dataclasses.replace(shape, **more)  # type: ignore[arg-type]


def build(folder: Path, main: str, features: micro.Micro, detector: Settings, *more: Sequence[str]) -> Path:
    programs.write_tables(folder, features)
    write(detector, folder)
    shape = MODEL_H.format(frames=detector.frames, channels=detector.channels, labels=len(detector.labels))
    (folder / "kws_model.h").write_text(shape)
    (folder / "kws_model.c").write_text(MODEL_C)
    sources = ["kws.c", "kws_frontend.c", "kws_fft.c", "kws_postprocess.c", "kws_model.c"]
    return programs.make(folder, main, sources, *more)


def model(quantized: NDArray[np.int8]) -> list[int]:
    """What MODEL_C computes."""
    values = quantized.reshape(-1).astype(np.int64) + 128
    return [int(values[label :: len(LABELS)].sum()) // len(values[label :: len(LABELS)]) - 128 for label in range(4)]


def expected(pcm: NDArray[np.int16], features: micro.Micro, detector: Settings) -> list[tuple[int, ...]]:
    frames = micro.quantize(micro.pcm_features(features)(pcm[None]), features)[0]
    recognizer = Recognizer(detector, detector.thresholds or [detector.detection_threshold] * len(LABELS))
    detections: list[tuple[int, ...]] = []
    for end in range(detector.frames, len(frames) + 1, detector.hop):
        samples = features.window + (end - 1) * features.stride
        detections.append(recognizer.add(samples * 1000 // 16000, model(frames[end - detector.frames : end])))
    return detections


def speech(seconds: int, seed: int) -> NDArray[np.int16]:
    """Noise whose level and colour change from second to second."""
    rng = np.random.default_rng(seed)
    parts = [
        np.convolve(rng.normal(0, 10 ** rng.uniform(0, 4.5), 16000), rng.normal(0, 1, 8), "same")
        for _ in range(seconds)
    ]
    return np.clip(np.concatenate(parts), -32768, 32767).astype(np.int16)


CLASSIC = micro.Micro()
LONG = micro.Micro(window_ms=20, stride_ms=40.0625, bins=20)  # no whole milliseconds, and samples between windows
KINDS = {
    "classic": (CLASSIC, options(CLASSIC)),
    "every frame": (CLASSIC, options(CLASSIC, hop_frames=1, average_window_ms=300, suppression_ms=200, repeat=True)),
    "all frames": (CLASSIC, options(CLASSIC, hop_frames=49, average_window_ms=2000, repeat=True)),
    "long strides": (LONG, options(LONG, hop_frames=3, average_window_ms=500, suppression_ms=300)),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: build(tmp_path_factory.mktemp("detector"), STREAM_MAIN, *kind) for name, kind in KINDS.items()}


def run(program: Path, pcm: NDArray[np.int16], chunks: Sequence[int]) -> list[tuple[int, ...]]:
    return [tuple(map(int, line.split())) for line in programs.feed(program, programs.stream(pcm, chunks)).splitlines()]


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=12)
@given(seed=st.integers(0, 2**32), chunks=st.lists(st.integers(0, 20000), max_size=20))
def test_stream(built: dict[str, Path], name: str, seed: int, chunks: list[int]) -> None:
    pcm = speech(6, seed)
    assert run(built[name], pcm, [*chunks, *[60000] * 6]) == expected(pcm, *KINDS[name])


@pytest.mark.parametrize("name", KINDS)
def test_something_is_detected(built: dict[str, Path], name: str) -> None:
    detections = run(built[name], speech(20, 1), [1600] * 200)
    assert sum(is_new for *_, is_new in detections) >= 1
    assert detections == expected(speech(20, 1), *KINDS[name])
    features, detector = KINDS[name]
    assert detections[0][1] == (features.window + (detector.frames - 1) * features.stride) // 16


def test_classify(tmp_path: Path) -> None:
    program = build(tmp_path, CLASSIFY_MAIN, CLASSIC, options(CLASSIC))
    with np.load(programs.GOLDEN) as golden:
        clips = np.concatenate([golden["pcm"], adversarial()])
    clip = np.dtype([("features", "<u2", (49, 40)), ("input", "i1", (49, 40)), ("scores", "i1", 4)])
    results = np.frombuffer(programs.feed(program, clips.tobytes()), clip)
    features = micro.pcm_features(CLASSIC)(clips)
    np.testing.assert_array_equal(results["features"], features)
    np.testing.assert_array_equal(results["input"], micro.quantize(features, CLASSIC))
    assert results["scores"].tolist() == [model(quantized) for quantized in results["input"]]


def test_labels(tmp_path: Path) -> None:
    program = build(tmp_path, LABELS_MAIN, CLASSIC, options(CLASSIC))
    assert programs.feed(program, b"").decode().splitlines() == list(LABELS)


@pytest.mark.parametrize("flags", [(programs.CHECKED,), (programs.PLUS_PLUS, ["g++"])])
def test_sanitizers_and_c_plus_plus(flags: tuple[Sequence[str], ...], tmp_path: Path) -> None:
    if len(flags) == 2 and not shutil.which("g++"):
        pytest.skip("no C++ compiler")
    program = build(tmp_path, STREAM_MAIN, *KINDS["long strides"], *flags)
    assert run(program, speech(5, 4), [777] * 103) == expected(speech(5, 4), *KINDS["long strides"])


def test_parts_of_different_exports_do_not_compile(tmp_path: Path) -> None:
    with pytest.raises(KwsError, match=r"kws_frontend_tables\.h and kws_settings\.h are not of the same export"):
        build(tmp_path, STREAM_MAIN, CLASSIC, options(CLASSIC, channels=20))
    with pytest.raises(KwsError, match="the frames of a clip are not those that the network takes"):
        build(tmp_path, STREAM_MAIN, CLASSIC, options(CLASSIC, frames=98))
    program = build(tmp_path, STREAM_MAIN, CLASSIC, options(CLASSIC))
    (tmp_path / "kws_model.h").write_text(MODEL_H.format(frames=49, channels=40, labels=5))
    with pytest.raises(KwsError, match=r"kws_model\.h and kws_settings\.h are not of the same export"):
        programs.make(program.parent, STREAM_MAIN, ["kws.c"])
