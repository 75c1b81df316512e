from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kws_exp.c99 import frontend_tables, host
from kws_exp.features import micro, micro_tables
from tests.c99 import programs

pytestmark = pytest.mark.skipif(host.compiler() is None, reason="no C compiler")


def adversarial() -> NDArray[np.int16]:
    """Seconds of what breaks 16-bit arithmetic: (signals, samples)."""
    rng = np.random.default_rng(3)
    time = np.arange(16000)
    impulses = np.where(time % 701 == 0, np.where(time % 1402 == 0, 32767, -32768), 0)
    lone = np.where(time == 7000, -32768, rng.integers(-3, 4, 16000))  # -32768 is not looked at, but scaled
    signals = [
        np.where(time // 8 % 2, 32767, -32768),  # 1 kHz
        np.where(time % 2, 32767, -32768),
        np.full(16000, -32768),
        np.full(16000, 32767),
        np.zeros(16000),
        impulses,
        lone,
        np.clip(rng.normal(0, 60000, 16000), -32768, 32767),
        rng.integers(-32768, 32768, 16000),
        rng.integers(-1, 2, 16000),
        np.clip(60000 * np.sin(time**2 / 20000), -32768, 32767),
        np.where(time < 8000, 0, 32767),
        np.where(rng.random(16000) < 0.5, -32768, 32767),
    ]
    return np.array([np.trunc(signal) for signal in signals], np.int16)


def check(program: Path, options: micro.Micro, clips: NDArray[np.int16]) -> None:
    """Compare features and quantised features of each clip with those of the training."""
    expected = micro.pcm_features(options)(clips)
    output = programs.feed(program, b"".join(map(programs.stream, clips)))
    features, quantized = programs.unpack(output, options.bins)
    np.testing.assert_array_equal(features, expected.reshape(features.shape))
    np.testing.assert_array_equal(quantized, micro.quantize(expected, options).reshape(features.shape))


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return programs.frontend(tmp_path_factory.mktemp("default"), micro.Micro())


@pytest.mark.parametrize("stride", [10, 20])
def test_golden(stride: int, tmp_path: Path) -> None:
    with np.load(programs.GOLDEN) as golden:
        pcm, expected = golden["pcm"], golden[f"features_30_{stride}"]
    program = programs.frontend(tmp_path, micro.Micro(stride_ms=stride))
    features, _ = programs.unpack(programs.feed(program, b"".join(map(programs.stream, pcm))), 40)
    np.testing.assert_array_equal(features, expected.reshape(features.shape))


def test_adversarial_signals(default: Path) -> None:
    check(default, micro.Micro(), adversarial())


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(0, 15), st.lists(st.integers(0, 1500), max_size=30))
def test_any_chunks(default: Path, seed: int, shift: int, chunks: list[int]) -> None:
    pcm = np.random.default_rng(seed).integers(-32768, 32768, 6000).astype(np.int16) >> shift
    features, _ = programs.unpack(programs.feed(default, programs.stream(pcm, chunks)), 40)
    np.testing.assert_array_equal(features, micro.pcm_features(micro.Micro())(pcm[None])[0])


@pytest.mark.parametrize("chunk", [1, 159, 160, 320, 480, 16000])
def test_equal_chunks(default: Path, chunk: int) -> None:
    pcm = adversarial()[10]
    features, _ = programs.unpack(programs.feed(default, programs.stream(pcm, [chunk] * (16000 // chunk))), 40)
    np.testing.assert_array_equal(features, micro.pcm_features(micro.Micro())(pcm[None])[0])


OTHERS = {
    "25/10": micro.Micro(window_ms=25, stride_ms=10),
    "32/32, 32 channels": micro.Micro(window_ms=32, stride_ms=32, bins=32),
    "40/20, 64 channels": micro.Micro(window_ms=40, stride_ms=20, bins=64),
    "64/32, 20 channels": micro.Micro(window_ms=64, stride_ms=32, bins=20),
    "128/50, 128 channels": micro.Micro(window_ms=128, stride_ms=50, bins=128),
    "4/7: the shortest, samples between windows": micro.Micro(window_ms=4, stride_ms=7, bins=8),
    "20/55": micro.Micro(window_ms=20, stride_ms=55),
    "an odd window": micro.Micro(window_ms=25.0625, stride_ms=20),
    "one channel": micro.Micro(bins=1, lower_hz=0),
    "no pcan": micro.Micro(pcan=False),
    "no log": micro.Micro(log=False),
    "neither": micro.Micro(pcan=False, log=False, ceiling=2560),
    "other pcan": micro.Micro(pcan_strength=0.3, pcan_offset=0.01, pcan_gain_bits=30, log_scale_shift=10, ceiling=300),
    "least gain": micro.Micro(pcan_strength=1, pcan_offset=10000, pcan_gain_bits=17),
    "coarse smoothing": micro.Micro(smoothing_bits=0, even_smoothing=1, odd_smoothing=0, min_signal_remaining=0),
    "fine smoothing": micro.Micro(smoothing_bits=16, even_smoothing=0.5, min_signal_remaining=1, ceiling=0.1),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_settings(name: str, tmp_path: Path) -> None:
    options = OTHERS[name]
    micro.validate(options)
    with np.load(programs.GOLDEN) as golden:
        clips = np.concatenate([golden["pcm"][::7], adversarial()])
    check(programs.frontend(tmp_path, options), options, clips)


@pytest.mark.parametrize("name", ["neither", "an odd window", "4/7: the shortest, samples between windows"])
def test_sanitizers(name: str, tmp_path: Path) -> None:
    check(programs.frontend(tmp_path, OTHERS[name], programs.CHECKED), OTHERS[name], adversarial())


def test_sanitizers_with_defaults(tmp_path: Path) -> None:
    check(programs.frontend(tmp_path, micro.Micro(), programs.CHECKED), micro.Micro(), adversarial())


@pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler")
def test_as_c_plus_plus(tmp_path: Path) -> None:
    check(programs.frontend(tmp_path, micro.Micro(), programs.PLUS_PLUS, ["g++"]), micro.Micro(), adversarial())


def test_quantize_all_values(tmp_path: Path) -> None:
    main = """
    #include <stdio.h>
    #include "kws_frontend.h"
    int main(void)
    {
        uint16_t features[KWS_FRONTEND_CHANNELS];
        int8_t quantized[KWS_FRONTEND_CHANNELS];
        while (fread(features, sizeof features, 1, stdin) == 1) {
            kws_frontend_quantize(features, quantized);
            fwrite(quantized, sizeof quantized, 1, stdout);
        }
        return 0;
    }
    """
    every = np.arange(1 << 16, dtype=np.uint16)
    for ceiling in (26.0, 0.1, 2560.0):
        options = micro.Micro(bins=32, ceiling=ceiling)
        programs.write_tables(tmp_path, options)
        program = programs.make(tmp_path, main, ["kws_frontend.c", "kws_fft.c"])
        quantized = np.frombuffer(programs.feed(program, every.tobytes()), np.int8)
        np.testing.assert_array_equal(quantized, micro.quantize(every, options))


def test_tables_are_the_same_twice(tmp_path: Path) -> None:
    texts = []
    for _ in range(2):
        frontend_tables.write(micro_tables.tables(micro.Micro()), tmp_path, 666)
        texts.append((tmp_path / frontend_tables.NAME).read_bytes())
    assert texts[0] == texts[1]
    assert b"#define KWS_FRONTEND_DIVISOR 666\n" in texts[0]
    assert max(map(len, texts[0].splitlines())) <= 120
