"""Misses of a network in training: those of its export on the same stream."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kws_exp import config, data
from kws_exp.c99 import host
from kws_exp.errors import KwsError
from kws_exp.export.quantize import quantize
from kws_exp.features.log_mel import LogMel
from kws_exp.features.micro import Micro
from kws_exp.schema import Features, Stream
from kws_exp.stream import compose, curve, events, scores, selection, spotter
from kws_exp.stream.search import Space
from kws_exp.stream.spotter import Spotter
from kws_exp.train import Predict
from tests.stream import exports

SETTINGS = Stream(minutes=4, max_false_accepts_per_hour=600)


def test_levels_are_probabilities_in_the_steps_of_the_device() -> None:
    found = selection.levels(np.array([[0, 100, 0], [1, 1, -9000], [0, 0, np.log(2)]], np.float32))
    np.testing.assert_array_equal(found, [[-128, 127, -128], [0, 0, -128], [-64, -64, 0]])


@pytest.mark.slow
@pytest.mark.skipif(host.compiler() is None, reason="no C compiler")
@pytest.mark.parametrize("front_end", [Micro(), LogMel("log_mel")], ids=["micro", "log_mel"])
def test_misses_are_those_of_the_export(front_end: Features, run: Path, tmp_path: Path) -> None:
    settings = replace(config.load(run / "config.yaml"), features=front_end, stream=SETTINGS)
    dataset = data.load(settings)
    told: list[tuple[str, int, int]] = []
    counted = selection.misses(settings, dataset, lambda *state: told.append(state))
    assert told[-1] == ("seconds of validation audio", 240, 240)
    with spotter.opened(exports.make(front_end, tmp_path)) as model:
        outputs: list[NDArray[np.int8]] = []
        found = counted(_predict(model, outputs))
        made = compose.plan(dataset, compose.Recipe(4, partition="validation", seed=settings.seed))
        parts = list(scores.stream(compose.render(made, dataset), model))
    heard = events.Scores(
        model.labels, *(np.concatenate([getattr(part, name) for part in parts]) for name in ("seconds", "values"))
    )
    np.testing.assert_array_equal(np.concatenate(outputs), heard.values)
    stream = events.Stream(heard, made.utterances, 240)
    point = events.OperatingPoint.of(model.detector, model.labels)
    least = 1.0
    for window in Space().average_window_ms:
        sweep, *_ = curve.det([stream], replace(point, average_window_ms=window, minimum_count=1))
        kept = sweep.false_accepts <= 40  # 600 an hour, in four minutes
        least = min(least, *sweep.false_reject_rates[kept])
    assert found == least
    assert found < 1 or front_end.name == "log_mel"  # whose network, untrained, hears no word at all


def test_a_stream_without_keywords_is_told(run: Path) -> None:
    settings = replace(config.load(run / "config.yaml"), seed=3, stream=Stream(minutes=4 / 60))
    dataset = data.load(settings)
    sentences = []
    for seed in range(12):  # one word each, 30 % of them no keyword
        try:
            selection.misses(replace(settings, seed=seed), dataset)
        except KwsError as error:
            sentences.append(str(error))
    assert sentences and all("is said in none of 1: give" in sentence for sentence in sentences)


def _predict(model: Spotter, outputs: list[NDArray[np.int8]]) -> Predict:
    """Give the logits whose softmax is what the exported network says."""

    def predict(features: NDArray[np.float32]) -> NDArray[np.float32]:
        inputs = quantize(features, model.scale, model.zero_point)
        outputs.append(model.infer(inputs.reshape(-1, inputs.shape[2]), inputs.shape[1]))
        return np.log(np.maximum(outputs[-1].astype(np.float32) + 128, 1e-6))

    return predict
