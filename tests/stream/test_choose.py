from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from kws_exp.errors import KwsError
from kws_exp.schema import SILENCE, UNKNOWN
from kws_exp.stream.choose import COUNTS, Choice, choose, matched
from kws_exp.stream.events import NEVER, OperatingPoint, Scores, Stream, Utterance
from kws_exp.stream.match import merge
from kws_exp.stream.quarters import PARTS, quarters
from kws_exp.stream.search import Rule, Space
from tests.stream.random_streams import LABELS, stream

QUICK = Space((300, 700), (500, 1500), (3, 1))


@pytest.fixture(scope="module")
def streams() -> list[Stream]:
    return [stream(420, 1, hop_ms=100, false_gap=30), Stream(stream(180, 2, 100, false_gap=20).scores, (), 180)]


@pytest.fixture(scope="module")
def choice(streams: list[Stream]) -> Choice:
    return choose(streams, 12.5, QUICK)


def test_the_limit_is_kept_and_no_better_point_was_tried(choice: Choice) -> None:
    assert choice.allowed == 2  # of 12.5 in an hour, in ten minutes
    found = choice.matching.figures()
    assert choice.met and found.false_accepts <= 2
    rows = choice.tradeoff[choice.tradeoff["false_accepts"] <= 2]
    failures = rows["misses"] + rows["wrong_words"] + rows["duplicates"]
    assert failures.min() == found.misses + found.wrong_words + found.duplicates
    assert found.misses == rows["misses"][failures == failures.min()].min()
    assert max(choice.point.thresholds[2:]) < NEVER


def test_it_is_better_than_the_default_at_as_many_false_accepts(streams: list[Stream]) -> None:
    default = matched(streams, OperatingPoint((200,) * 6)).figures()
    assert default.false_accepts_per_hour
    found = choose(streams, default.false_accepts_per_hour, QUICK)
    assert found.allowed == default.false_accepts
    assert found.matching.figures().misses < default.misses


def test_every_row_tells_what_its_point_does(choice: Choice, streams: list[Stream]) -> None:
    assert len(choice.tradeoff) > 1000
    rng = np.random.default_rng(1)
    for row in choice.tradeoff[rng.choice(len(choice.tradeoff), 25, replace=False)]:
        settings = (row[name].item() for name in ("average_window_ms", "suppression_ms", "minimum_count", "repeat"))
        made = matched(streams, OperatingPoint(tuple(row["thresholds"].tolist()), *settings)).figures()
        assert [row[name] for name in ("misses", *COUNTS)] == [getattr(made, name) for name in ("misses", *COUNTS)]


def test_the_front_gets_better_with_every_false_accept(choice: Choice) -> None:
    front, rows = choice.front(), choice.tradeoff
    assert len(front) > 3
    assert np.all(np.diff(front["false_accepts"]) > 0) and np.all(np.diff(front["misses"]) < 0)
    for one in front:
        assert one["misses"] == rows["misses"][rows["false_accepts"] <= one["false_accepts"]].min()


def test_the_same_again(choice: Choice, streams: list[Stream]) -> None:
    again = choose(streams, 12.5, QUICK)
    assert again.point == choice.point
    assert again.tradeoff.tobytes() == choice.tradeoff.tobytes()


def test_misses_alone_count_without_a_penalty(streams: list[Stream]) -> None:
    found = choose(streams, 12.5, replace(QUICK, penalty=0))
    rows = found.tradeoff
    assert found.matching.figures().misses == rows["misses"][rows["false_accepts"] <= 2].min()


def test_one_word_gets_the_best_of_all_its_thresholds() -> None:
    made = stream(300, 7, hop_ms=100, false_gap=20)
    said = tuple(one for one in made.utterances if one.word == "yes")
    one = Stream(Scores(LABELS[:3], made.scores.seconds, made.scores.values[:, :3].copy()), said, 300)
    space = Space((500,), (1000,), (1,), (Rule(True, NEVER, NEVER),), tuple(range(40, NEVER)))
    for limit in (0, 12, 60, 600):
        found = choose([one], limit, space).matching.figures()
        points = (OperatingPoint((NEVER, NEVER, threshold), 500, 1000, 1, True) for threshold in space.thresholds)
        tried = [matched([one], point).figures() for point in points]
        within = [(each.misses + each.duplicates, each.misses) for each in tried if each.false_accepts <= limit / 12]
        assert (found.misses + found.duplicates, found.misses) == min(within)


def certain(hours: float, false_accept: bool, begins: Sequence[float] = (10,)) -> Stream:
    """Return a stream in which each "yes" is heard without a doubt, and one where nothing is, as surely."""
    times = np.arange(1, begins[-1] + 50, 0.1)
    values = np.tile(np.array([127, -128, -128], np.int8), (len(times), 1))
    for begin in (*begins, 40) if false_accept else begins:
        values[(times > begin) & (times < begin + 2)] = (-128, -128, 127)
    said = tuple(Utterance("yes", begin, begin + 1) for begin in begins)
    return Stream(Scores((SILENCE, UNKNOWN, "yes"), times, values), said, hours * 3600)


def test_a_limit_out_of_reach_is_told_in_one_sentence() -> None:
    found = choose([certain(0.5, True)], 0.5, QUICK)
    assert not found.met
    assert (found.matching.figures().hits, found.matching.figures().false_accepts) == (1, 1)
    assert found.sentence == (
        "0 of 1 keywords missed and 1 false accept: the limit of 0.5 an hour (0 in 0.5 h) is out of reach of this "
        "network as long as every word may fire; train it against what fires, or raise the limit"
    )


def test_a_short_stream_does_not_promise_more_than_it_shows() -> None:
    found = choose([certain(0.5, False)], 0.5, QUICK)
    assert found.upper_per_hour is None
    assert found.sentence == (
        "0 of 1 keywords missed and no false accepts, within the limit of 0.5 an hour (0 in 0.5 h); there is too "
        "little to choose on a part and count on the rest, so other recordings may show more"
    )
    four = certain(4 * 60 / 3600, False, (10, 70, 130, 190))
    told = (
        "chosen on three quarters and counted on the fourth, in turn, 0 are missed, with no false accepts, which shows"
    )
    assert choose([four], 0.5, QUICK).sentence.endswith(
        f"; {told} fewer than 44.9 an hour at 95 %; 5.99 h without one would show the limit"
    )
    assert choose([four] * 100, 0.5, QUICK).sentence.endswith(f"; {told} fewer than 0.449 an hour at 95 %")


def test_what_is_held_out_was_not_chosen_on(choice: Choice, streams: list[Stream]) -> None:
    parts, counted = [quarters(one) for one in streams], []
    for held_out in range(PARTS):
        rest = [part for own in parts for number, part in enumerate(own) if number != held_out]
        two = 2 / sum(one.hours for one in rest)  # 1.5 false accepts, rounded against the choice
        counted.append(matched([own[held_out] for own in parts], choose(rest, two, QUICK).point))
    assert choice.held_out is not None
    assert choice.held_out.figures() == merge(counted).figures()
    assert choose([certain(1 / 3600, False)] * 8, 0.5, QUICK).held_out is None  # shorter than an averaging window


def test_thresholds_lie_in_the_middle_of_the_equally_good() -> None:
    assert 120 < choose([certain(0.5, False)], 0.5, QUICK).point.thresholds[2] < 180


def test_nothing_to_choose_on() -> None:
    with pytest.raises(KwsError, match="chosen on recordings with keywords, but yes, no, left, right is said in none"):
        choose([Stream(stream(30, 1, 100).scores, (Utterance(UNKNOWN, 1, 2),), 30)])
    with pytest.raises(ValueError, match="no minimum count that fits"):
        choose([certain(1, False)], 0.5, replace(QUICK, minimum_count=(99,)))
