"""Composed recordings: labels say where the word is, the ratio is the one asked for, the same seed makes the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kws_exp.data import SILENT, Clips, Dataset, Partition, audio
from kws_exp.errors import KwsError
from kws_exp.schema import CLIP_SAMPLES, SAMPLE_RATE
from kws_exp.stream import compose, labels, make
from kws_exp.stream.compose import Plan, Recipe
from kws_exp.stream.extent import extent
from tests.stream import exports

LABELS = ("_silence_", "_unknown_", "yes", "no")
SHORT = Recipe(minutes=2, seed=3)


def dataset(noise: NDArray[np.int16] | None = None) -> Dataset:
    """Six recorded clips of each word in testing; noise of three stretches, one of them shorter than a segment."""
    clips = Clips(tuple(exports.clips(word, 6) for word in ("yes", "no", "bed")))
    paths = tuple(f"{word}/{number}.wav" for word in ("yes", "no", "bed") for number in range(6))
    noise = audio.read(exports.SPEECH / "_background_noise_" / "exercise_bike.flac") if noise is None else noise
    stretches = np.array([[0, 100_000], [200_000, 218_000], [300_000, 480_000]]) if len(noise) else np.zeros((0, 2))
    rows, of = np.array([*range(18), SILENT]), np.array([*[2] * 6, *[3] * 6, *[1] * 6, 0])
    testing = Partition(rows, of, stretches.astype(np.int64))
    empty = Partition(rows[:0], of[:0], testing.noise)
    parts = {"training": empty, "validation": empty, "testing": testing}
    return Dataset("speech_commands", "", LABELS, clips, paths, noise, parts, "0123", {})


DATA = dataset()


def whole(made: Plan, block: int = compose.BLOCK, data: Dataset = DATA) -> NDArray[np.int16]:
    return np.concatenate(list(compose.render(made, data, block)))


@settings(max_examples=15)
@given(block=st.integers(1_000, 500_000), snr_db=st.sampled_from([None, 6.0]), seed=st.integers(0, 5))
def test_blocks_and_repetition_make_no_difference(block: int, snr_db: float | None, seed: int) -> None:
    recipe = replace(SHORT, minutes=0.5, snr_db=snr_db, seed=seed)
    made = compose.plan(DATA, recipe)
    found = whole(made, block)
    assert len(found) == 30 * SAMPLE_RATE
    np.testing.assert_array_equal(found, whole(compose.plan(DATA, recipe)))
    assert made.words == compose.plan(DATA, recipe).words != compose.plan(DATA, replace(recipe, seed=seed + 1)).words


def test_words_lie_in_their_places() -> None:
    made = compose.plan(DATA, replace(SHORT, minutes=20))
    assert len(made.words) == 300
    for number, word in enumerate(made.words):
        assert number * 4 * SAMPLE_RATE <= word.at <= (number * 4 + 3) * SAMPLE_RATE
        assert (word.begin - word.at, word.end - word.at) == extent(DATA.clips[word.row])
        assert DATA.paths[word.row].startswith({"_unknown_": "bed"}.get(word.label, word.label))
    counts = {label: sum(word.label == label for word in made.words) for label in LABELS}
    assert counts["_silence_"] == 0
    assert abs(counts["_unknown_"] - 90) < 30 and abs(counts["yes"] - 105) < 35
    assert any(a.label == b.label == "yes" for a, b in zip(made.words, made.words[1:], strict=False))
    for label in ("yes", "no"):  # dealt: all clips before one comes again
        rows = [word.row for word in made.words if word.label == label]
        assert len(set(rows[:6])) == len(set(rows[6:12])) == 6


def test_equals_the_classic_mix() -> None:
    """The sum as generate_streaming_test_wav.py's mix_in_audio_sample makes it, sample by sample in whole arrays."""
    made = compose.plan(DATA, replace(SHORT, minutes=0.5))
    mixed = np.zeros(made.samples + 2 * CLIP_SAMPLES)

    def mix_in(at: int, sound: NDArray[np.float64], volume: float, ramp: int) -> None:
        ramps = np.minimum(1, np.minimum(np.arange(len(sound)), np.arange(len(sound))[::-1]) / ramp)
        mixed[at : at + len(sound)] += sound * volume * ramps

    for number, ((begin, end), volume) in enumerate(zip(made.noise, made.volumes, strict=True)):
        sound = DATA.noise[begin:end].astype(float)
        sound = np.concatenate([sound, sound[-2 : -2 - (24_000 - len(sound)) : -1]]) if len(sound) < 24_000 else sound
        mix_in(number * 16_000, sound, volume, 4_000)
    for word in made.words:
        mix_in(word.at, DATA.clips[word.row].astype(float), 1.0, 500)
    np.testing.assert_allclose(whole(made), np.clip(mixed[: made.samples], -32768, 32767), atol=0.52)
    assert 0 <= made.volumes.min() < made.volumes.max() <= SHORT.background_volume


@pytest.mark.parametrize("snr_db", [-5.0, 10.0, 30.0])
def test_the_ratio_is_that_over_the_word(snr_db: float) -> None:
    made = compose.plan(DATA, replace(SHORT, snr_db=snr_db, minutes=1))
    silent = Clips(tuple(np.zeros_like(block) for block in DATA.clips.blocks))
    noise = whole(made, data=replace(DATA, clips=silent)).astype(float)
    checked = 0
    for word in made.words:
        spoken = DATA.clips[word.row].astype(float)
        spoken[:500] *= np.arange(500) / 500
        spoken[-500:] *= np.arange(500)[::-1] / 500
        power = np.mean(spoken[word.begin - word.at : word.end - word.at] ** 2)
        behind = np.mean(noise[word.begin : word.end] ** 2)
        loudest = np.abs(noise[word.begin : word.end]).max()
        if behind > 100 and loudest < 32_767:  # below, the rounding to 16 bits counts
            checked += 1
            assert 10 * np.log10(power / behind) == pytest.approx(snr_db, abs=0.3)
    assert checked >= 5


def test_without_noise() -> None:
    quiet = dataset(np.zeros(0, np.int16))
    made = compose.plan(quiet, SHORT)
    found = whole(made, data=quiet)
    spoken = np.zeros(len(found), bool)
    for word in made.words:
        spoken[word.at : word.at + CLIP_SAMPLES] = True
    assert found[spoken].any() and not found[~spoken].any()
    with pytest.raises(KwsError, match=r"^a ratio of 10 dB needs noise that training does not hear, but the testing "):
        compose.plan(quiet, replace(SHORT, snr_db=10.0))


def test_extent_is_the_word() -> None:
    rng = np.random.default_rng(0)
    clip = rng.normal(0, 20, CLIP_SAMPLES)
    clip[5_000:9_000] += 5_000 * np.sin(np.arange(4_000) / 5)
    clip[10_500:11_500] += rng.normal(0, 800, 1_000)  # after a closure of 94 ms
    clip[300:330] += 8_000  # a click
    begin, end = extent(clip.astype(np.int16))
    assert begin == pytest.approx(5_000, abs=320) and end == pytest.approx(11_500, abs=320)
    assert extent(np.zeros(CLIP_SAMPLES, np.int16)) == (0, CLIP_SAMPLES)
    lengths = [(end - begin) / SAMPLE_RATE for begin, end in map(extent, exports.clips("yes", 60))]
    assert 0.4 < np.median(lengths) < 0.65


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"partition": "training"}, "its partition must be validation or testing, but is training: take testing"),
        (
            {"partition": "validation"},
            "the validation partition has none of _unknown_: .* ask for 0 % of unknown words",
        ),
        ({"partition": "validation", "unknown_percentage": 0}, "has none of yes: .* raise data.validation_percentage"),
        ({"minutes": 0.05}, r"from 0.0667 minutes, in which one word and its gap fit, to 10000, but is to last 0.05: "),
        ({"minutes": float("nan")}, "is to last nan: ten are"),
        ({"gap_s": -1}, "the gap beside a word, in seconds, must be from 0 to 3600, but is -1: the nearest is 0"),
        ({"unknown_percentage": 130}, "the percentage of unknown words must be .* but is 130: the nearest is 100"),
        (
            {"snr_db": float("nan")},
            "the signal-to-noise ratio in dB must be from -60 to 100, but is nan: the nearest is -60",
        ),
    ],
)
def test_what_cannot_be_composed(changes: dict[str, object], told: str) -> None:
    with pytest.raises(KwsError, match=told):
        compose.plan(DATA, replace(SHORT, **changes))  # type: ignore[arg-type]


def test_folder(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    made = make.write(tmp_path / "a", DATA, SHORT, lambda *state: told.append(state))
    make.write(tmp_path / "b", DATA, SHORT)
    for name in (make.AUDIO, make.LABELS, make.MANIFEST):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    np.testing.assert_array_equal(soundfile.read(tmp_path / "a" / make.AUDIO, dtype="int16")[0], whole(made))
    read = labels.read(tmp_path / "a" / make.LABELS, LABELS, 120)
    assert [one.word for one in read] == [word.label for word in made.words]
    assert [one.begin for one in read] == pytest.approx([word.begin / SAMPLE_RATE for word in made.words])
    manifest = json.loads((tmp_path / "a" / make.MANIFEST).read_text())
    assert manifest["recipe"]["seed"] == 3 and manifest["data"]["digest"] == "0123"
    assert len(manifest["clips"]) == len(made.words)
    assert told[-1] == ("seconds of audio", 120, 120)
    with pytest.raises(KwsError, match=r"into a new folder, but \S+a is there"):
        make.write(tmp_path / "a", DATA, SHORT)
    (tmp_path / "file").touch()
    with pytest.raises(KwsError, match=r"must be a place with room to write to"):
        make.write(tmp_path / "file" / "x", DATA, SHORT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "file"]
