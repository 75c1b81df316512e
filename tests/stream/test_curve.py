from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2
from scipy.stats import poisson as distribution

from kws_exp import figures
from kws_exp.stream import curve
from kws_exp.stream.curve import det, poisson, poisson_upper
from kws_exp.stream.detect import detect
from kws_exp.stream.events import OperatingPoint, Stream
from kws_exp.stream.match import match, merge
from tests.stream.random_streams import LABELS, WORDS, stream
from tests.test_figures import words

POINT = OperatingPoint((128, 255, 0, 0, 0, 0), average_window_ms=500, suppression_ms=1000)


@pytest.fixture(scope="module")
def streams() -> list[Stream]:
    made = stream(240, 1, hop_ms=100)
    return [made, Stream(stream(120, 2, hop_ms=100, false_gap=10).scores, (), 120)]


@pytest.mark.parametrize("threshold", [0, 130, 254, 255])
def test_a_point_of_the_curve_is_what_a_detector_with_that_threshold_does(
    streams: list[Stream], threshold: int
) -> None:
    point = OperatingPoint((128, 255, *[threshold] * 4), average_window_ms=500, suppression_ms=1000)
    made = merge([match(detect(one.scores, point), one.utterances, LABELS, one.hours) for one in streams])
    curves = det(streams, POINT)
    assert [one.word for one in curves] == [None, *WORDS]
    for one in curves:
        expected = made.figures(one.word)
        assert one.utterances == expected.utterances
        assert one.hours == pytest.approx(0.1)
        assert one.false_reject_rates[threshold] == expected.false_reject_rate
        assert one.false_accepts_per_hour[threshold] == pytest.approx(expected.false_accepts_per_hour)
    assert json.loads(json.dumps(curves[0].to_json()))["thresholds"][threshold] == threshold


def test_the_ends_of_the_curve(streams: list[Stream]) -> None:
    everything = det(streams, POINT)[0]
    assert (everything.false_reject_rates[255], everything.false_accepts[255]) == (1, 0)
    assert everything.misses[100] < everything.utterances / 2
    assert everything.false_accepts[100] > 5


def test_bands_hold_their_points(streams: list[Stream]) -> None:
    for one in det(streams, POINT):
        low, high = one.miss_band()
        assert np.all((low <= one.false_reject_rates + 1e-12) & (one.false_reject_rates <= high + 1e-12))
        low, high = one.accept_band()
        assert np.all((low <= one.false_accepts_per_hour) & (one.false_accepts_per_hour < high))


def test_poisson_intervals_are_exact() -> None:
    counts = np.arange(30)
    low, high = poisson(counts)
    np.testing.assert_allclose(high, chi2.ppf(0.975, 2 * counts + 2) / 2)
    np.testing.assert_allclose(low[1:], chi2.ppf(0.025, 2 * counts[1:]) / 2)
    assert low[0] == 0
    assert high[0] == pytest.approx(3.689, abs=1e-3)
    np.testing.assert_allclose(distribution.cdf(counts, high), 0.025)
    assert poisson_upper(0) == pytest.approx(2.996, abs=1e-3)  # the rule of three
    assert distribution.cdf(4, poisson_upper(4)) == pytest.approx(0.05)


def test_the_figure(streams: list[Stream], tmp_path: Path) -> None:
    point = OperatingPoint((128, 255, *[200] * 4), average_window_ms=500, suppression_ms=1000)
    made = merge([match(detect(one.scores, point), one.utterances, LABELS, one.hours) for one in streams])
    drawn = curve.draw(det(streams, POINT), "a title", made.figures(), 0.5)
    assert {"a title", "operating point", "limit, 0.5", "all words", *WORDS} <= set(words(drawn))
    figures.save(drawn, tmp_path / "det.png")
    assert (tmp_path / "det.png").stat().st_size > 10_000


def test_a_figure_without_false_accepts_or_without_keywords(streams: list[Stream]) -> None:
    quiet = Stream(stream(60, 3, hop_ms=100).scores, (), 60)
    for one in ([quiet], [Stream(quiet.scores, (), 7200)]):
        assert figures.pixels(curve.draw(det(one, POINT), "title")).ndim == 3
    never = OperatingPoint((255,) * 6, minimum_count=1000)
    assert figures.pixels(curve.draw(det(streams, never), "title")).ndim == 3
