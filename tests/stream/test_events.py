from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from kws_exp.c99.settings import Settings
from kws_exp.schema import SILENCE, UNKNOWN, Detector
from kws_exp.stream.events import OperatingPoint, keywords

LABELS = (SILENCE, UNKNOWN, "yes")


def test_a_point_of_the_settings_has_their_threshold_for_each_label() -> None:
    point = OperatingPoint.of(asdict(Detector(detection_threshold=180, repeat=True)), LABELS)
    assert point == OperatingPoint((180, 180, 180), 1000, 1500, 3, True)


def test_a_point_survives_the_manifest_and_reaches_the_settings_of_the_c_program() -> None:
    point = OperatingPoint((255, 128, 90), 350, 700, 2, True)
    kept = json.loads(json.dumps(asdict(Detector()) | point.settings()))
    assert OperatingPoint.of(kept, LABELS) == point
    settings = Settings(LABELS, 16000, 16000, 49, 40, 20.0, **point.settings())
    assert (list(settings.thresholds), settings.average_window_ms, settings.suppression_ms) == (
        [255, 128, 90],
        350,
        700,
    )
    assert (settings.minimum_count, settings.repeat) == (2, True)


def test_each_label_has_its_threshold() -> None:
    with pytest.raises(ValueError, match="2 thresholds for 3 labels"):
        OperatingPoint.of(asdict(Detector()) | {"thresholds": [1, 2]}, LABELS)


def test_keywords() -> None:
    assert keywords(("no", *LABELS)) == ("no", "yes")
