from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kws_exp.data import SILENT, TESTING, Dataset, Partition
from kws_exp.evaluate import wilson
from kws_exp.features import Extract
from kws_exp.misheard import chart, noise
from kws_exp.misheard.noise import Predict, mix, speech_power
from kws_exp.schema import Config


def burst(rng: np.random.Generator, begin: int, end: int, level: float) -> NDArray[np.float32]:
    """Return a clip (1, 16000) that is noise of an RMS level in a stretch, and zeros elsewhere."""
    clip = np.zeros((1, 16_000), np.float32)
    clip[0, begin:end] = rng.normal(0, level, end - begin)
    return clip


@given(
    st.integers(0, 30),
    st.integers(1, 20),
    st.floats(0.001, 0.5),
    st.floats(0.0001, 0.5),
    st.floats(-5, 20),
    st.integers(0, 99),
)
def test_the_ratio_is_that_of_the_active_speech_to_the_noise(
    begin: int, length: int, level: float, hiss: float, snr_db: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    clip, added = burst(rng, 320 * begin, 320 * (begin + length), level), burst(rng, 0, 16_000, hiss)
    mixed = mix(clip, added, snr_db)
    assert np.abs(mixed).max() <= 1
    speech, gain = np.linalg.lstsq(np.stack([clip[0], added[0]], axis=1).astype(float), mixed[0], rcond=None)[0]
    active = np.mean(np.square(clip[0, 320 * begin : 320 * (begin + length)], dtype=float))
    ratio = speech**2 * active / (gain**2 * np.mean(np.square(added, dtype=float)))
    assert 10 * np.log10(ratio) == pytest.approx(snr_db, abs=0.01)


def test_pauses_and_quiet_noise_are_no_speech() -> None:
    rng = np.random.default_rng(1)
    word = burst(rng, 3200, 6400, 0.1)
    assert speech_power(word + burst(rng, 0, 16_000, 0.001))[0] == pytest.approx(0.01, rel=0.1)
    assert speech_power(np.zeros((2, 16_000), np.float32)).tolist() == [0, 0]


def test_what_has_no_ratio_stays_as_it_is() -> None:
    rng = np.random.default_rng(1)
    word, zeros = burst(rng, 3200, 6400, 0.1), np.zeros((1, 16_000), np.float32)
    np.testing.assert_array_equal(mix(word, zeros, 0.0), word)
    np.testing.assert_array_equal(mix(zeros, word, 0.0), zeros)


def test_accuracy_falls_with_the_ratio(config: Config, dataset: Dataset, extract: Extract, nearest: Predict) -> None:
    points = noise.accuracies(dataset, extract, nearest, config.seed)
    assert [point.snr_db for point in points] == [None, 20, 15, 10, 5, 0, -5]
    assert {point.clips for point in points} == {24}  # no silence
    assert points[0].accuracy == 1.0  # the very clips that it knows
    assert points[-1].accuracy < points[1].accuracy <= 1.0
    assert all((point.low, point.high) == wilson(round(24 * point.accuracy), 24) for point in points)
    assert noise.accuracies(dataset, extract, nearest, config.seed) == points


def test_a_large_partition_is_thinned_out_evenly(
    config: Config, dataset: Dataset, extract: Extract, nearest: Predict
) -> None:
    heard: list[int] = []

    def predict(features: NDArray[np.float32]) -> NDArray[np.float32]:
        heard.append(len(features))
        return np.asarray(nearest(features), np.float32)

    assert noise.accuracies(dataset, extract, predict, config.seed, most=6)[0].clips == 6
    assert heard == [6] * 7
    part = dataset.partitions[TESTING]
    many = Partition(np.tile(part.rows, 16), np.tile(part.labels, 16), part.noise)  # more than are rendered at a time
    found = noise.accuracies(replace(dataset, partitions={TESTING: many}), extract, nearest, config.seed, most=300)
    assert (found[0].accuracy, found[0].clips) == (1.0, 300)


def test_without_speech_or_noise_there_is_nothing_to_measure(
    config: Config, dataset: Dataset, extract: Extract, nearest: Predict
) -> None:
    part = dataset.partitions[TESTING]
    for other in (
        replace(part, noise=np.zeros((0, 2), np.int64)),
        replace(part, rows=np.full(2, SILENT), labels=np.zeros(2, np.int64)),
    ):
        assert noise.accuracies(replace(dataset, partitions={TESTING: other}), extract, nearest, config.seed) == ()


def test_the_figure_has_every_point() -> None:
    from matplotlib.text import Text

    points = [noise.Point(ratio, 0.9, 0.8, 0.95, 100) for ratio in noise.RATIOS_DB]
    texts = [text.get_text() for text in chart.noise(points, "title").findobj(Text)]
    assert {"clean", "20 dB", "-5 dB", "title"} <= set(texts)
    assert texts.count("90.0%") == 7
