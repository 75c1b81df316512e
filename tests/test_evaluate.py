"""Scores against hand counts and known intervals."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws_exp.evaluate import Evaluation, mean_interval, score, wilson

LABELS = ("_silence_", "_unknown_", "yes")


def test_matrix_rows_are_true_and_columns_predicted() -> None:
    result = score(LABELS, np.array([0, 1, 1, 2, 2, 2]), np.array([0, 1, 2, 2, 2, 1]), 0.5)
    assert result.matrix == ((1, 0, 0), (0, 1, 1), (0, 1, 2))
    assert (result.clips, result.correct) == (6, 4)
    yes = result.per_class()[2]
    assert [yes.clips, yes.precision, yes.recall, yes.f1] == pytest.approx([3, 2 / 3, 2 / 3, 2 / 3])
    assert [(c.true, c.predicted, c.clips) for c in result.worst_confusions(1)] == [("_unknown_", "yes", 1)]


def test_a_label_without_clips_or_predictions_has_no_ratio() -> None:
    yes = score(LABELS, np.array([0, 1]), np.array([0, 0])).per_class()[2]
    assert (yes.clips, yes.precision, yes.recall, yes.f1) == (0, None, None, None)


def test_stored_form_is_json_and_reads_back() -> None:
    result = score(LABELS, np.array([0, 1, 2]), np.array([0, 2, 2]), 1.25)
    assert Evaluation.from_json(json.loads(json.dumps(result.to_json()))) == result


@pytest.mark.parametrize(
    ("correct", "total", "interval"),
    # statsmodels.stats.proportion.proportion_confint(correct, total, method="wilson")
    [(90, 100, (0.825634, 0.944771)), (0, 10, (0.0, 0.277533)), (10, 10, (0.722467, 1.0)), (0, 0, (0, 1))],
)
def test_wilson(correct: int, total: int, interval: tuple[float, float]) -> None:
    assert wilson(correct, total) == pytest.approx(interval, abs=1e-5)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1))
def test_counts_add_up(pairs: list[tuple[int, int]]) -> None:
    true, predicted = np.array(pairs).T
    result = score(LABELS, true, predicted)
    assert result.clips == len(pairs)
    assert result.correct == sum(t == p for t, p in pairs)
    low, high = result.interval
    assert low <= result.accuracy <= high
    assert sum(c.clips for c in result.worst_confusions(9)) == result.clips - result.correct


@given(st.lists(st.integers(0, 300), min_size=1, max_size=5))
def test_a_mean_over_seeds_lies_in_its_interval(correct: list[int]) -> None:
    shares = [count / 300 for count in correct]
    low, high = mean_interval(shares, 300)
    assert 0 <= low <= np.mean(shares) + 1e-12 and np.mean(shares) - 1e-12 <= high <= 1


def test_more_seeds_lessen_their_own_doubt_but_not_that_of_the_clips() -> None:
    widths = [np.subtract(*mean_interval([0.9, 0.8] * pairs, 300)[::-1]) for pairs in (1, 10, 1000)]
    assert widths[0] > widths[1] > widths[2] > 2 * 1.95 * np.sqrt(0.85 * 0.15 / 300)
    assert mean_interval([0.5], 300) == pytest.approx(wilson(150, 300))


def test_an_empty_partition_is_stored_as_json() -> None:
    empty = score(LABELS, np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert Evaluation.from_json(json.loads(json.dumps(empty.to_json(), allow_nan=False))) == empty


def test_table_names_rows_and_columns() -> None:
    lines = score(LABELS, np.array([2, 2]), np.array([2, 1])).table().splitlines()
    assert lines[0].split() == list(LABELS)
    assert lines[3].split() == ["yes", "0", "1", "1"]
