"""Batches made ahead: all steps once, in order, groups that end where the loop has something to do."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kws_exp import pipeline
from kws_exp.pipeline import Source
from kws_exp.schema import Train

steps = st.integers(1, 200)


SETTINGS = Train(eval_interval=1000, save_interval=1000)
LIKE = ((2, 49, 40), np.float32), ((2,), np.int64)


def numbered(step: int, found: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    found[:], labels[:] = step, step


@given(steps, steps, steps, steps, st.integers(1, 30), st.lists(st.integers(1, 12), min_size=1))
def test_spans_hold_every_step_once_and_end_at_every_interval(
    first: int, last: int, log: int, evaluate: int, save: int, sizes: list[int]
) -> None:
    settings = Train(log_interval=log, eval_interval=evaluate, save_interval=save)
    turn = iter(sizes * 200)
    found = list(pipeline.spans(first, last, settings, lambda: next(turn)))
    assert [step for span in found for step in span] == list(range(first, last + 1))
    assert all(0 < len(span) <= max(sizes) for span in found)
    ends = {span[-1] for span in found}
    assert ends >= {step for step in range(first, last + 1) for every in (log, evaluate, save) if step % every == 0}


@pytest.mark.parametrize("most", [1, 3, 10])
def test_groups_come_in_order_whoever_is_faster(most: int) -> None:
    late = threading.Event()

    def source(step: int, found: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
        if step == 1:
            late.wait(5)  # the first batch is ready last
        elif step == 2 * most:
            late.set()
        numbered(step, found, labels)

    late.set() if most == 1 else None
    groups = list(pipeline.groups(SETTINGS, Source(LIKE, source), 1, 47, lambda: most))
    assert [step for group in groups for step in group.steps] == list(range(1, 48))
    for group in groups:
        features, labels = group.arrays
        assert features.shape == (len(group.steps), 2, 49, 40)
        np.testing.assert_array_equal(features[:, 0, 0, 0], list(group.steps))
        np.testing.assert_array_equal(labels[:, 1], list(group.steps))


def test_an_error_of_the_source_is_raised_where_its_group_is_due() -> None:
    def source(step: int, found: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
        if step == 25:
            raise ValueError("step 25")
        numbered(step, found, labels)

    groups = pipeline.groups(SETTINGS, Source(LIKE, source), 1, 100, lambda: 10)
    assert [next(groups).steps, next(groups).steps] == [range(1, 11), range(11, 21)]
    with pytest.raises(ValueError, match="step 25"):
        next(groups)


def test_closing_ends_the_threads() -> None:
    before = threading.active_count()
    groups = pipeline.groups(SETTINGS, Source(LIKE, numbered), 1, 10_000, lambda: 10)
    next(groups)
    groups.close()
    assert threading.active_count() == before
