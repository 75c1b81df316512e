"""One synthetic clip: a word, a number, a recipe and a seed in; a speaker's name and a second of audio out."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kws_exp.data import espeak, noises, rooms, voices
from kws_exp.errors import KwsError
from kws_exp.schema import CLIP_SAMPLES, SAMPLE_RATE

if TYPE_CHECKING:
    from kws_exp.schema import SynthesisRecipe

SPEAKERS = 1000  # of a seed; each word begins with another one
LONGEST = 0.95  # seconds of speech in a clip; a longer word is spoken faster
QUICK = 260  # words a minute, as fast as people speak
TALKERS = 8  # at a time in the babble
VOICE_FILE = "voice"
LONGEST_PARENT = espeak.LONGEST_VOICE_PATH - len(f"/tmp01234567/{VOICE_FILE}")  # with the name that tempfile makes


def make_clip(
    word: str, number: int, recipe: SynthesisRecipe, seed: int, scratch: Path
) -> tuple[str, NDArray[np.int16]]:
    """Return the name of the speaker and the samples, shape (16000,), of one clip; ``scratch`` is a folder."""
    key = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
    rng = np.random.default_rng([seed, key, number])
    first = 10 * (key % (SPEAKERS // 10))  # voices.PARTITIONS repeats every ten
    speaker = voices.speaker(seed, (first + number) % SPEAKERS, recipe.pitch_spread)
    rate = math.exp(rng.uniform(math.log(recipe.rate[0]), math.log(recipe.rate[1])))
    pitch, pitch_range, noise_seed = rng.normal(50, 8), rng.uniform(*recipe.pitch_range), rng.integers(1, 2**31)
    spoken = speak(write_voice(speaker, scratch), word, rate, pitch, pitch_range, int(noise_seed))
    return speaker.name, rooms.record(spoken, recipe, rng)


def check_speakable(word: str) -> None:
    """Check that a word is a folder name and that an English voice can say it within a second.

    Raises:
        KwsError: it is not, or it cannot.
    """
    latin = all(char in " '-_" or char.isdigit() or unicodedata.name(char, "").startswith("LATIN") for char in word)
    if not latin or not word[:1].isalnum():
        raise KwsError(
            f"synthetic speech is English, so a word is of Latin letters and digits, but '{word}' is not: spell it as "
            "it sounds, or record it and give data.dir=FOLDER"
        )
    with voice_folder() as scratch:
        seconds = _shortest(word, scratch)
    if not 0 < seconds <= 1:
        problem = f"lasts {seconds:.1f} s even when spoken fast" if seconds else "gives no sound"
        raise KwsError(
            f"a synthetic clip is one second, but '{word}' {problem}: take a shorter word, or record it and give "
            "data.dir=FOLDER"
        )


@contextlib.contextmanager
def voice_folder() -> Iterator[Path]:
    """Lend a folder for voice files, in the temporary folder, or in /tmp where the path of that is too long.

    Raises:
        KwsError: both are too long for eSpeak NG.
    """
    parents = [parent for parent in (tempfile.gettempdir(), "/tmp") if len(os.fsencode(parent)) <= LONGEST_PARENT]
    if not parents:
        raise KwsError(
            f"eSpeak NG needs a temporary folder with a path of at most {LONGEST_PARENT} bytes, but it is "
            f"'{tempfile.gettempdir()}': set TMPDIR (TEMP on Windows) to a shorter one"
        )
    with tempfile.TemporaryDirectory(dir=parents[0]) as name:
        yield Path(name)


def write_voice(speaker: voices.Speaker, scratch: Path) -> Path:
    """Write a speaker's voice file into the folder ``scratch``, over the last speaker's; return its path."""
    file = scratch / VOICE_FILE
    file.write_text(voices.voice_file(speaker) + espeak.STEADY, encoding="utf-8")
    return file


def speak(voice: Path, word: str, rate: float, pitch: float, pitch_range: float, seed: int) -> NDArray[np.float32]:
    """Return the word without the silence around it, at a rate at which it fits into a clip."""
    text = word.replace("_", " ")
    longest = LONGEST * espeak.SAMPLE_RATE
    spoken = rooms.trim(espeak.speak(voice, text, round(rate), round(pitch), round(pitch_range), seed))
    if len(spoken) > longest:
        faster = min(rate * len(spoken) / longest, espeak.FASTEST)
        spoken = rooms.trim(espeak.speak(voice, text, round(faster), round(pitch), round(pitch_range), seed))
    return spoken


def _shortest(word: str, scratch: Path) -> float:
    """Return how many seconds a word takes at a quick but human rate, 0 if it gives no sound."""
    voice = write_voice(voices.Speaker("en-US", "m1", 1.0), scratch)
    return len(speak(voice, word, QUICK, 50, 50, 1)) / espeak.SAMPLE_RATE


def babble(words: Sequence[str], recipe: SynthesisRecipe, seed: int) -> NDArray[np.float32]:
    """Return a minute of words, some eight at a time, all over each other; shape (960000,) at 16 kHz."""
    rng = np.random.default_rng([seed, 0])
    mixed = np.zeros(noises.SECONDS * SAMPLE_RATE, np.float32)
    with voice_folder() as scratch:
        for start in rng.integers(0, len(mixed) - CLIP_SAMPLES, TALKERS * noises.SECONDS):
            word = words[int(rng.integers(len(words)))]
            _, samples = make_clip(word, int(rng.integers(SPEAKERS)), recipe, seed, scratch)
            mixed[start : start + CLIP_SAMPLES] += samples / np.sqrt(np.mean(np.square(samples, dtype=np.float32)) + 1)
    return mixed
