from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from kws_exp.schema import SILENCE, UNKNOWN
from kws_exp.stream.events import Detection, Utterance
from kws_exp.stream.match import KINDS, LATENCY, Matching, match, merge, microseconds, tally, truth

LABELS = (SILENCE, UNKNOWN, "yes", "no", "up")


def heard(*words: tuple[str, float]) -> list[Detection]:
    return [Detection(word, time, 200) for word, time in words]


def kinds(detections: list[Detection], utterances: list[Utterance], tolerance: float = 0.5) -> list[str]:
    return [event.kind for event in match(detections, utterances, LABELS, 1.0, tolerance).events]


def test_worked_out_by_hand() -> None:
    said = [
        Utterance("yes", 1.0, 1.5),
        Utterance(UNKNOWN, 4.0, 4.5),
        Utterance("no", 6.0, 6.4),
        Utterance("up", 9.0, 9.3),
    ]
    fired = heard(
        ("yes", 1.4),  # before its end: hit
        ("yes", 1.9),  # again
        ("no", 2.0),  # at the end of the tolerance of yes
        (SILENCE, 3.0),
        ("up", 4.2),  # at the unknown word
        (UNKNOWN, 4.4),
        ("no", 6.6),
        ("yes", 6.6),  # for no, too
        ("up", 8.9),  # before it was said
    )
    made = match(fired, said, LABELS, hours=0.5, tolerance=0.5)
    assert [event.kind for event in made.events] == [
        *("hit", "duplicate", "wrong word", "false accept", "hit", "wrong word", "false accept")
    ]
    assert [event.utterance for event in made.events] == [*[said[0]] * 3, None, said[2], said[2], None]
    assert made.misses == (said[3],)
    everything = made.figures()
    assert (everything.utterances, everything.hits, everything.misses) == (3, 2, 1)
    assert (everything.false_accepts, everything.wrong_words, everything.duplicates) == (2, 2, 1)
    assert everything.false_reject_rate == pytest.approx(1 / 3)
    assert everything.false_accepts_per_hour == 4
    yes, no, up = made.per_word()
    assert [(one.word, one.misses, one.wrong_words) for one in (yes, no, up)] == [
        *(("yes", 0, 1), ("no", 0, 1), ("up", 1, 0))
    ]
    assert yes.latency and yes.latency.median == pytest.approx(-0.1)
    assert yes.latency.median_from_begin == pytest.approx(0.4)
    assert everything.latency and everything.latency.percentile_95 == pytest.approx(-0.1 + 0.95 * 0.3)
    assert up.latency is None


def test_both_limits_belong_to_the_rule() -> None:
    said = [Utterance("yes", 0.3, 0.7)]
    assert kinds(heard(("yes", 0.8)), said, 0.1) == ["hit"]  # 0.7 + 0.1 is 0.7999999999999999
    assert kinds(heard(("yes", 0.3)), said, 0.1) == ["hit"]
    assert kinds(heard(("yes", 0.801)), said, 0.1) == ["false accept"]
    assert kinds(heard(("yes", 0.299)), said, 0.1) == ["false accept"]


def test_two_words_close_together_are_two_hits() -> None:
    said = [Utterance("yes", 1.0, 1.4), Utterance("yes", 1.5, 1.9)]
    assert kinds(heard(("yes", 1.6), ("yes", 1.7)), said) == ["hit", "hit"]
    assert kinds(heard(("yes", 1.6), ("yes", 2.0)), said) == ["hit", "hit"]
    assert match(heard(("yes", 1.6)), said, LABELS, 1.0, 0.5).misses == (said[1],)  # the first runs out first


words = st.sampled_from(["yes", "no"])
moments = st.integers(0, 400).map(lambda tenths: tenths / 10)
utterances = st.lists(
    st.builds(lambda word, begin, length: Utterance(word, begin, begin + length), words, moments, st.floats(0, 3))
)
detections = st.lists(st.builds(Detection, st.sampled_from(LABELS), moments, st.just(200)))


@given(said=utterances, fired=detections, tolerance=st.floats(0, 3))
def test_as_many_pairs_as_can_be(said: list[Utterance], fired: list[Detection], tolerance: float) -> None:
    made = match(sorted(fired, key=lambda one: one.seconds), said, LABELS, 1.0, tolerance)
    hits = [event for event in made.events if event.kind == "hit"]
    # each in time, and each utterance once, said as often as it is
    assert all(one.utterance and one.utterance.word == one.detection.word for one in hits)
    assert Counter([one.utterance for one in hits]) + Counter(made.misses) == Counter(said)
    in_time = np.array([[fits(one, other, tolerance) for other in said] or [False] for one in fired] or [[False]])
    matrix = csr_matrix(in_time.astype(np.int8))
    assert len(hits) == int((maximum_bipartite_matching(matrix) >= 0).sum())
    for event in made.events:
        assert event.kind == "hit" or not any(fits(event.detection, missed, tolerance) for missed in made.misses)


def fits(detection: Detection, utterance: Utterance, tolerance: float) -> bool:
    begin, end = (int(microseconds([time])[0]) for time in (utterance.begin, utterance.end))
    in_time = begin <= round(detection.seconds * 1e6) <= end + round(tolerance * 1e6)
    return detection.word == utterance.word and in_time


@given(said=utterances, fired=detections)
def test_the_quick_count_counts_the_same(said: list[Utterance], fired: list[Detection]) -> None:
    fired = [one for one in sorted(fired, key=lambda one: one.seconds) if one.word not in (SILENCE, UNKNOWN)]
    made = match(fired, said, LABELS, 1.0, 0.5)
    times = microseconds(one.seconds for one in fired)
    labels = np.array([LABELS.index(one.word) for one in fired], np.int64)
    table = tally(times, labels, truth(said, LABELS, 0.5), len(LABELS))
    for at, label in enumerate(LABELS):
        events = [event for event in made.events if event.detection.word == label]
        assert table[at, : len(KINDS)].tolist() == [sum(event.kind == kind for event in events) for kind in KINDS]
        latencies = sum(event.latency for event in events if event.latency is not None)
        assert table[at, LATENCY] / 1e6 == pytest.approx(latencies, abs=1e-4)


def test_recordings_add_up() -> None:
    one = match(heard(("yes", 1.2)), [Utterance("yes", 1.0, 1.5)], LABELS, 0.5)
    other = match(heard(("no", 1.2)), [], LABELS, 1.5)
    both = merge([one, other]).figures()
    assert (both.utterances, both.hits, both.false_accepts, both.hours) == (1, 1, 1, 2.0)
    assert both.false_accepts_per_hour == 0.5


def test_rates_without_a_denominator() -> None:
    figures = Matching(("yes",), (), (), 0.0).figures()
    assert figures.false_reject_rate is None and figures.false_accepts_per_hour is None and figures.latency is None
    assert json.loads(json.dumps(figures.to_json()))["misses"] == 0
