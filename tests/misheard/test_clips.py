from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kws_exp import augment
from kws_exp.data import SILENT, TESTING, Clips, Dataset, Partition
from kws_exp.misheard import clips
from kws_exp.schema import Config


def outputs_for(dataset: Dataset, wrong: dict[int, tuple[int, float]]) -> NDArray[np.float32]:
    """Give every clip its label with logit 9, but some another one with another logit."""
    labels = dataset.partitions[TESTING].labels
    logits = 9 * np.eye(len(dataset.labels), dtype=np.float32)[labels]
    for number, (label, logit) in wrong.items():
        logits[number] = logit * np.eye(len(dataset.labels))[label]
    return logits


def test_the_most_confident_errors_come_first_with_all_that_is_known(dataset: Dataset) -> None:
    silence = len(dataset.partitions[TESTING]) - 1
    found = clips.choose(dataset, outputs_for(dataset, {0: (2, 1.0), 9: (3, 5.0), silence: (1, 3.0)}))
    assert [clip.number for clip in found.clips] == [9, silence, 0]
    assert [(clip.true, clip.predicted) for clip in found.clips] == [
        ("yes", "no"),
        ("_silence_", "_unknown_"),
        ("_unknown_", "yes"),
    ]
    first, noise, other = found.clips
    assert first.score == np.exp(5) / (np.exp(5) + 3) and first.true_score == 1 / (np.exp(5) + 3)
    assert (first.path, first.speaker) == (dataset.paths[9], dataset.paths[9][4:12])
    assert (noise.path, noise.speaker, noise.spoken) == ("", "", "")
    assert other.spoken == "stop"
    assert found.counts() == {"tested": 26, "misheard": 3, "shown": 3, "form": "float"}


def test_int8_scores_are_probabilities_already(dataset: Dataset) -> None:
    outputs = np.full((26, 4), -128, np.int8)
    outputs[:, 2] = 127
    found = clips.choose(dataset, outputs, shown=5)
    assert found.counts() == {"tested": 26, "misheard": 18, "shown": 5, "form": "int8"}
    assert [clip.number for clip in found.clips] == [0, 1, 2, 3, 4]  # equal scores: in the order of the partition
    assert found.clips[0].score == 255 / 256


@given(
    st.lists(st.tuples(st.integers(0, 3), *[st.floats(-30, 30, width=32)] * 4), max_size=40),
    st.integers(0, 50),
)
def test_all_errors_and_nothing_else(drawn: list[tuple[Any, ...]], shown: int) -> None:
    labels = np.array([row[0] for row in drawn], np.int64)
    logits = np.array([row[1:] for row in drawn], np.float32).reshape(-1, 4)
    part = Partition(np.full(len(drawn), SILENT), labels, np.zeros((0, 2), np.int64))
    data = Dataset("", "", tuple("abcd"), Clips(()), (), np.zeros(0, np.int16), {TESTING: part}, "", {})
    found = clips.choose(data, logits, shown=shown)
    wrong = {number for number in range(len(drawn)) if int(np.argmax(logits[number])) != labels[number]}
    scores = [clip.score for clip in found.clips]
    assert found.misheard == len(wrong) and len(scores) == min(shown, len(wrong))
    assert {clip.number for clip in found.clips} <= wrong
    assert scores == sorted(scores, reverse=True)
    assert all(0.25 <= clip.score <= 1 and clip.true_score <= clip.score for clip in found.clips)


def test_a_model_that_diverged_has_errors_without_confidence(dataset: Dataset) -> None:
    found = clips.choose(dataset, np.full((26, 4), np.nan, np.float32))
    assert {clip.score for clip in found.clips} == {0.0}


def test_a_speaker_is_told_by_the_file_name() -> None:
    assert clips.speaker("yes/004ae714_nohash_1.wav", {}) == "004ae714"
    assert clips.speaker("yes/004ae714_nohash_1.wav", {"004ae714": "en-GB-scotland, m3"}).endswith(
        "714 (en-GB-scotland, m3)"
    )
    assert clips.speaker("yes/my_recording.wav", {}) == ""
    assert clips.speaker("", {}) == ""


def test_every_synthetic_clip_has_a_known_voice(config: Config, dataset: Dataset) -> None:
    voices = clips.voice_names(config)
    assert all(clips.speaker(path, voices).endswith(")") for path in dataset.paths)


def test_what_is_heard_is_what_was_tested(config: Config, dataset: Dataset) -> None:
    (every,) = augment.evaluation_audio(dataset, TESTING, config.seed)
    numbers = np.array([25, 3, 11], np.int64)
    heard = clips.audio(dataset, config.seed, numbers)
    np.testing.assert_array_equal(heard, every[numbers])
    assert heard[0].any()  # silence, too
    assert clips.audio(dataset, config.seed, numbers[:0]).shape == (0, 16_000)
    many = replace(dataset.partitions[TESTING], rows=np.arange(250) % 24, labels=np.zeros(250, np.int64))
    larger = replace(dataset, partitions={TESTING: many})
    np.testing.assert_array_equal(clips.audio(larger, config.seed, np.array([245, 5]))[0], every[5])
