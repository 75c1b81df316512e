from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from kws_exp.schema import SILENCE, UNKNOWN
from kws_exp.stream.choose import matched
from kws_exp.stream.events import NEVER, Scores, Stream
from kws_exp.stream.search import Cell, Goal, Rule, Space, allocate, cells, improve, latency
from tests.stream.random_streams import stream

SMALL = Space((500,), (1000,), (1,), (Rule(True, NEVER, NEVER),), (60, 120, 180, 230, 250))


def two_words(seconds: float = 240, seed: int = 5) -> Stream:
    made = stream(seconds, seed, hop_ms=100, false_gap=12)
    said = tuple(one for one in made.utterances if one.word in ("yes", "no"))
    labels = (SILENCE, UNKNOWN, "yes", "no")
    return Stream(Scores(labels, made.scores.seconds, made.scores.values[:, :4].copy()), said, seconds)


@pytest.fixture(scope="module")
def cell() -> Cell:
    (made,) = cells([two_words()], SMALL, 1.0)
    return made


@pytest.mark.parametrize("allowed", [0, 1, 2, 5, 100])
def test_the_allocation_is_the_best_of_all_if_words_have_no_effect_on_each_other(cell: Cell, allowed: int) -> None:
    goal = Goal(allowed, 1.0)

    def alone(words: tuple[int, ...]) -> tuple[float, float]:
        tables = [cell.count(tuple(x if i == at else NEVER for i, x in enumerate(words))) for at in range(2)]
        ranks = [goal.rank(table) for table in tables]
        return max(0, sum(rank[3] for rank in ranks) - allowed), sum(rank[1] for rank in ranks)

    least = min(alone(words) for words in product(SMALL.thresholds, repeat=2))
    assert least[0] == 0
    assert alone(allocate(cell, SMALL.thresholds, goal)) == least


@pytest.mark.parametrize("allowed", [0, 2, 8])
def test_no_single_threshold_makes_what_was_improved_better(cell: Cell, allowed: int) -> None:
    goal = Goal(allowed, 1.0)
    words = improve(cell, allocate(cell, SMALL.thresholds, goal), SMALL.thresholds, goal)
    rank = goal.rank(cell.count(words))
    for at, threshold in product(range(2), SMALL.thresholds):
        assert rank <= goal.rank(cell.count((*words[:at], threshold, *words[at + 1 :])))
    best = min(goal.rank(cell.count(both)) for both in product(SMALL.thresholds, repeat=2))
    assert rank[:2] == best[:2]  # which need not be, but is


def test_what_is_reduced_counts_as_the_whole_stream_does() -> None:
    streams, space = [two_words(), two_words(90, 8)], Space((200, 700), (500, 1500), (1, 4), thresholds=(50, 150, 250))
    tried = list(cells(streams, space, 0.8))
    assert {(one.point.average_window_ms, one.point.suppression_ms, one.point.repeat) for one in tried} == set(
        product((200, 700), (500, 1500), (False, True))
    )
    for one in tried:
        for words in ((50, 150), (250, 50)):
            point = replace(one.point, thresholds=one.thresholds(words))
            made, table = matched(streams, point, 0.8), one.count(words)
            figures = [made.figures(word) for word in ("yes", "no")]
            expected = [(each.hits, each.false_accepts, each.wrong_words, each.duplicates) for each in figures]
            assert [tuple(row) for row in table[2:, :4].tolist()] == expected
            late = [event.latency for event in made.events if event.latency is not None]
            assert latency(table) == pytest.approx(np.mean(late), abs=1e-6)


def test_a_minimum_count_that_decides_nothing_or_does_not_fit_is_left_out() -> None:
    made = two_words()
    made.scores.values[:10] = (127, -128, -128, -128)
    space = replace(SMALL, minimum_count=(3, 1, 6, 7))

    def counts(*streams: Stream) -> list[int]:
        return [one.point.minimum_count for one in cells(streams, space, 1.0)]

    assert counts(made) == [3]  # a window of 500 ms holds six runs, 7 would never fire
    made.scores.values[:4] = (-128, -128, 127, -128)
    assert counts(made) == [3, 6]  # the window is a quarter full from the third run on
    once = Stream(replace(made.scores, seconds=made.scores.seconds[:1], values=made.scores.values[:1]), (), 1.0)
    assert counts(made, once) == [3, 6]  # a recording of a single run fits everywhere


def test_no_hit_no_latency() -> None:
    assert latency(np.zeros((3, 5), np.int64)) == float("inf")
