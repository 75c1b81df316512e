"""The classic's rules for partitions, on the official lists and by property."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws_exp.data.partition import NAMES, SILENT, TESTING, TRAINING, VALIDATION, divide, which_set
from kws_exp.schema import Data

RECORDED = Path(__file__).parents[3] / "shared" / "speech_commands"
SPEAKERS = st.text("0123456789abcdef", min_size=8, max_size=8)


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded clips are not beside the repository")
def test_split_equals_the_official_lists() -> None:
    listed = {
        line: name
        for name, file in ((VALIDATION, "validation_list.txt"), (TESTING, "testing_list.txt"))
        for line in (RECORDED / file).read_text().split()
    }
    clips = [path for path in RECORDED.glob("[a-z]*/*.flac")]
    assert len(clips) > 10_000
    for path in clips:
        official = listed.get(f"{path.parent.name}/{path.stem}.wav", TRAINING)
        assert which_set(path.name, 10, 10) == official, path.name


@pytest.mark.parametrize(
    ("file_name", "partition"),
    # computed with which_set of TensorFlow's input_data.py
    [("0132a06d_nohash_1.wav", TRAINING), ("some_recording.wav", which_set("some_recording.wav", 10, 10))],
)
def test_examples(file_name: str, partition: str) -> None:
    assert which_set(file_name, 10, 10) == partition


@given(SPEAKERS, st.integers(0, 99), st.sampled_from(["wav", "flac"]))
def test_a_speaker_is_in_one_partition(speaker: str, take: int, suffix: str) -> None:
    assert which_set(f"{speaker}_nohash_{take}.{suffix}", 10, 10) == which_set(f"{speaker}_nohash_0.wav", 10, 10)


@given(SPEAKERS, st.floats(0, 50), st.floats(0, 49))
def test_growing_the_validation_share_moves_clips_only_into_it(speaker: str, small: float, more: float) -> None:
    name = f"{speaker}_nohash_0.wav"
    if which_set(name, small, 0) == VALIDATION:
        assert which_set(name, small + more, 0) == VALIDATION


def example_paths() -> list[str]:
    words = ["bed", "cat", "no", "yes"]
    return [f"{word}/{speaker * 2_654_435_761 % 2**32:08x}_nohash_0.wav" for word in words for speaker in range(300)]


@given(st.floats(0, 100), st.floats(0, 60), st.integers(0, 2**32 - 1))
def test_percentages_labels_and_rows(silence: float, unknown: float, seed: int) -> None:
    paths = example_paths()
    parts = divide(paths, ["yes", "no"], [], Data(silence_percentage=silence, unknown_percentage=unknown), seed)
    seen: list[int] = []
    for name in NAMES:
        part = parts[name]
        keywords = int(np.sum(part.labels >= 2))
        others = sum(which_set(path.split("/")[1], 10, 10) == name for path in paths if path[:3] in {"bed", "cat"})
        assert np.sum(part.labels == 0) == math.ceil(keywords * silence / 100)
        assert np.sum(part.labels == 1) == min(others, math.ceil(keywords * unknown / 100))
        assert ((part.rows == SILENT) == (part.labels == 0)).all()
        for row, label in zip(part.rows, part.labels, strict=True):
            if row != SILENT:
                word, file_name = paths[row].split("/")
                assert label == {"yes": 2, "no": 3}.get(word, 1)
                assert which_set(file_name, 10, 10) == name
                seen.append(row)
    assert len(seen) == len(set(seen))


@given(st.lists(st.integers(1, 2_000_000), max_size=8), st.floats(0, 45), st.floats(0, 45))
def test_no_stretch_of_noise_is_in_two_partitions(lengths: list[int], validation: float, testing: float) -> None:
    ends = [int(end) for end in np.cumsum(lengths)]
    settings = Data(validation_percentage=validation, testing_percentage=testing)
    stretches = [tuple(s) for part in divide([], [], ends, settings, 0).values() for s in part.noise]
    for (_, end), (begin, _) in zip(sorted(stretches), sorted(stretches)[1:], strict=False):
        assert end <= begin
    assert all(end - begin >= 16_000 for begin, end in stretches)


def test_same_seed_same_unknowns() -> None:
    def unknowns(seed: int) -> list[int]:
        part = divide(example_paths(), ["yes", "no"], [], Data(unknown_percentage=25), seed)[TRAINING]
        return [int(row) for row in part.rows[part.labels == 1]]

    assert unknowns(1) == unknowns(1)
    assert unknowns(1) != unknowns(2)
