from __future__ import annotations

import numpy as np
import pytest

from kws_exp.schema import SILENCE, UNKNOWN
from kws_exp.stream import classic
from kws_exp.stream.classic import Rule, Statistics, recognize, statistics
from kws_exp.stream.events import Detection, Scores, Utterance

LABELS = (SILENCE, "a", "b")


def steady(*stretches: tuple[int, int]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return probabilities of one for a label, for so many runs."""
    return np.concatenate([np.tile(np.eye(3, dtype=np.float32)[label], (runs, 1)) for label, runs in stretches])


def said(*words: tuple[str, float]) -> list[Utterance]:
    return [Utterance(word, time / 1000, time / 1000 + 1) for word, time in words]


def heard(*words: tuple[str, int]) -> list[Detection]:
    return [Detection(word, time / 1000, 255) for word, time in words]


def test_find_commands_of_tensorflow_s_test() -> None:
    found = recognize(LABELS, steady((1, 10), (2, 10)), range(0, 2000, 100), Rule(1000, 0.2))
    # a: when a quarter of the window has passed; b: on top of ten of a only when six of the window's eleven are b
    assert [(one.word, one.milliseconds) for one in found] == [("a", 300), ("b", 1500)]
    assert [one.score for one in found] == pytest.approx([1, 6 / 11])


def test_the_same_word_fires_again_only_after_another_label() -> None:
    times = range(0, 8000, 100)
    assert [one.word for one in recognize(LABELS, steady((1, 80)), times, Rule())] == ["a"]
    quiet = np.concatenate([steady((1, 30)), np.zeros((20, 3), np.float32), steady((1, 30))])
    assert [one.word for one in recognize(LABELS, quiet, times, Rule())] == ["a"]
    between = recognize(LABELS, steady((1, 30), (0, 20), (1, 30)), times, Rule())
    assert [one.word for one in between] == ["a", SILENCE, "a"]


def test_suppression_is_lifted_by_silence_alone() -> None:
    times, rule = range(0, 3000, 100), Rule(300, 0.6, 1500, 1)
    after_word = recognize(LABELS, steady((1, 8), (2, 22)), times, rule)
    assert [(one.word, one.milliseconds) for one in after_word] == [("a", 100), ("b", 1700)]  # more than 1500 ms later
    after_silence = recognize(LABELS, steady((1, 20), (0, 3), (2, 7)), times, rule)
    assert [(one.word, one.milliseconds) for one in after_silence] == [("a", 100), (SILENCE, 2200), ("b", 2500)]


def test_the_average_must_be_above_and_the_count_and_a_quarter_of_the_window_reached() -> None:
    half = np.tile(np.array([0, 0.5, 0], np.float32), (10, 1))
    times = range(0, 1000, 100)
    assert recognize(LABELS, half, times, Rule(1000, 0.501)) == []
    assert recognize(LABELS, half, times, Rule(1000, 0.499, minimum_count=6))[0].milliseconds == 500
    assert recognize(LABELS, half, times, Rule(801, 0.499, minimum_count=1))[0].milliseconds == 300  # 200 < 801 / 4
    assert recognize(LABELS, half, times, Rule(800, 0.499, minimum_count=1))[0].milliseconds == 200


def test_int8_scores_at_the_time_of_the_second_s_beginning() -> None:
    values = np.where(steady((0, 5), (1, 20)) > 0, 127, -128).astype(np.int8)
    scores = Scores(LABELS, 1.0 + np.arange(25) / 10, values)
    # five of the window's six runs, at 255 / 256 each; it began as silence, which thus is nothing new
    assert classic.detect(scores) == [Detection("a", 0.9, 212)]


def test_statistics_of_tensorflow_s_test() -> None:
    counted = statistics(said(("a", 1000), ("b", 9000)), heard(("a", 1200), ("b", 5000), ("a", 8700)), 0.5)
    assert counted == Statistics(ground_truth=2, matched=2, correct=1, wrong=1, false_positives=1)
    assert counted.percentages() == {"matched": 100, "correct": 50, "wrong": 50, "false_positive": 50}


def test_statistics_worked_out_by_hand() -> None:
    truth = said(("b", 10000), ("a", 4000), ("a", 5000), (UNKNOWN, 20000))
    found = heard(
        ("a", 2500),  # 1500 before the first a: correct
        (SILENCE, 4000),  # silence is no detection
        ("a", 5100),  # within 1500 of both, the first counts, and it was matched: wrong
        ("a", 6500),  # the first is 2500 away now, the second is not matched: correct
        ("b", 11501),  # 1501 after b: false positive
        (UNKNOWN, 19000),  # correct
        ("b", 21000),  # wrong, on the utterance of unknown
    )
    counted = statistics(truth, found)
    assert counted == Statistics(ground_truth=4, matched=3, correct=3, wrong=2, false_positives=1)
    assert counted.percentages() == {"matched": 75, "correct": 75, "wrong": 50, "false_positive": 25}


def test_no_ground_truth_no_percentages() -> None:
    counted = statistics([], heard(("a", 100)))
    assert (counted.false_positives, counted.percentages()) == (1, None)
