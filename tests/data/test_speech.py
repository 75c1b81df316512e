"""What eSpeak NG says: the same whenever it is said again, whatever it said before."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws_exp.data import espeak, speech, synthetic, voices
from kws_exp.schema import SynthesisRecipe

# What eSpeak NG remembers: how many periods it has spoken, that the last sound was a voiced plosive or fricative,
# and the intonation of robosoft2. Who hears of it: the trilled r of Scotland, klatt voices, words of two stresses.
BEFORE = (("en-US", "m5", "five"), ("en", "klatt4", "dog"), ("en-029", "robosoft2", "up"))
AFTER = (("en-GB-scotland", "three"), ("en-US", "nine"), ("en-US", "supersonic"))


@pytest.fixture
def scratch() -> Iterator[Path]:
    with speech.voice_folder() as folder:
        yield folder


@pytest.mark.parametrize("variant", voices.variants())
def test_what_was_said_before_does_not_matter(variant: str, scratch: Path) -> None:
    for accent, word in AFTER:
        said = set()
        for other_accent, other_variant, other_word in BEFORE:
            other = speech.write_voice(voices.Speaker(other_accent, other_variant, 1.1), scratch)
            speech.speak(other, other_word, 230, 40, 70, 5)
            voice = speech.write_voice(voices.Speaker(accent, variant, 1.0), scratch)
            samples = speech.speak(voice, word, 150, 50, 50, 3)
            said.add(samples.tobytes())
        assert len(said) == 1, word
        assert len(samples) > 0.1 * espeak.SAMPLE_RATE


def make_alone(number: int) -> bytes:
    with speech.voice_folder() as scratch:
        return speech.make_clip("right", number, SynthesisRecipe(), 0, scratch)[1].tobytes()


def test_a_clip_made_alone_equals_that_of_a_task(tmp_path: Path) -> None:
    numbers = (9, 11, 35)  # Scottish
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        alone = pool.map(make_alone, numbers, chunksize=1)
    synthetic.synthesize(["right"], tmp_path / "speech", SynthesisRecipe(clips_per_word=36), 0, others=[])
    files = {synthetic.clip_number(file.name): file for file in (tmp_path / "speech" / "right").iterdir()}
    assert alone == [soundfile.read(files[number], dtype="int16")[0].tobytes() for number in numbers]


def test_a_temporary_folder_with_a_long_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("long" * 20)))
    with speech.voice_folder() as folder:
        voice = speech.write_voice(voices.Speaker("en", "f1", 1.0), folder)
        assert np.any(speech.speak(voice, "yes", 150, 50, 50, 1))


def test_a_long_word_is_spoken_faster(scratch: Path) -> None:
    voice = speech.write_voice(voices.Speaker("en-US", "m1", 1.0), scratch)
    assert len(speech.speak(voice, "television", 80, 50, 50, 1)) < 1.05 * espeak.SAMPLE_RATE
