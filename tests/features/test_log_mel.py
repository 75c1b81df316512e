from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.fft import rfft

from kws_exp.features.log_mel import LogMel, build
from kws_exp.features.mel import filterbank

SECONDS = np.arange(16_000) / 16_000


def tone(hertz: float, amplitude: float) -> NDArray[np.float32]:
    return (amplitude * np.sin(2 * np.pi * hertz * SECONDS)).astype(np.float32)[None]


@pytest.mark.parametrize("stride_ms", [10.0, 20.0])
def test_equals_the_formula_in_double_precision(stride_ms: float) -> None:
    settings = LogMel(stride_ms=stride_ms)
    audio = np.random.default_rng(0).uniform(-0.3, 0.3, (3, 16_000)).astype(np.float32)
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(480) / 480)
    frames = np.stack([audio[:, i * settings.stride :][:, :480] for i in range(settings.frames)], axis=1)
    power = np.abs(rfft(frames * taper, 512)) ** 2 @ filterbank(257, 40, 125, 7500)
    expected = (10 * np.log10(power) - -50) / 90 * 2 - 1
    np.testing.assert_allclose(build(settings)(audio), expected, atol=2e-6)


def test_silence_is_the_floor_and_full_scale_the_ceiling() -> None:
    extract = build(LogMel())
    silence, loudest = extract(np.zeros((1, 16_000), np.float32)), extract(np.sign(tone(440.5, 1.0)))
    np.testing.assert_allclose(silence, -1, atol=1e-6)
    assert loudest.max() == pytest.approx(1, abs=1e-6)
    assert np.abs(loudest).max() <= 1 + 1e-6


def test_equal_steps_of_loudness_are_equal_steps() -> None:
    extract = build(LogMel())
    quiet, loud = extract(tone(1000, 0.01)), extract(tone(1000, 0.1))
    assert loud.max() - quiet.max() == pytest.approx(2 * 20 / 90, abs=1e-3)


def test_a_tone_peaks_in_its_filter() -> None:
    mel = 1127 * np.log1p(np.array([125, 7500, 1000]) / 700)
    expected = (mel[2] - mel[0]) / (mel[1] - mel[0]) * 41 - 1
    assert build(LogMel())(tone(1000, 0.5))[0, 20].argmax() == round(expected)
