"""Test recordings with a known ground truth: held-out words over held-out noise.

The recipe is that of TensorFlow's ``generate_streaming_test_wav.py``: one word in each stretch of a clip and a gap, at
a random offset, three in ten of them unknown; ramps of 500 samples at both ends of a clip; behind it segments of noise
that overlap by half a second, each at a volume of its own. What differs: clips come as cards are dealt, so that none
comes twice before all came once; the ground truth is where the word is (:func:`kws_exp.stream.extent.extent`), not
where its clip begins; nothing is from training; and a signal-to-noise ratio can be asked for.

The surprising fact: with such a ratio it is the noise that is made louder or softer, never the word. Its level is
steady over a word and goes in a straight line, in decibels, from one word to the next: a word keeps the level that it
was spoken at, and the front end's gain control does not undo the experiment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kws_exp.data import SILENT, TESTING, VALIDATION, Dataset, Partition
from kws_exp.data.partition import NAMES, UNKNOWN_LABEL
from kws_exp.errors import KwsError
from kws_exp.schema import CLIP_SAMPLES, SAMPLE_RATE, SILENCE, UNKNOWN, Stream
from kws_exp.stream.events import Utterance
from kws_exp.stream.extent import extent

RAMP = 500  # samples, at both ends of a clip
OVERLAP = SAMPLE_RATE // 2  # of two segments of noise; the ramps at their ends take half of it each
SEGMENT = CLIP_SAMPLES + OVERLAP
LEVEL = 1000.0  # RMS of a segment of noise before its gain, where a ratio is asked for
SOFTEST = 1e-3  # of LEVEL**2: noise that is softer over a word does not make the rest louder by more than 30 dB
BLOCK = 20 * SAMPLE_RATE
LIMITS = {
    "gap_s": ("the gap beside a word, in seconds,", 0, 3600),
    "unknown_percentage": ("the percentage of unknown words", 0, 100),
    "background_volume": ("the volume of the background", 0, 1),
    "snr_db": ("the signal-to-noise ratio in dB", -60, 100),
}


@dataclass(frozen=True)
class Recipe:
    """What to compose; the defaults are the classic's."""

    minutes: float = 10.0
    gap_s: float = 3.0  # beside each clip: the clip lies anywhere in this and its own second
    unknown_percentage: float = 30.0  # of the words
    snr_db: float | None = None  # of each word, over its extent; None: as recorded, and the volume counts
    background_volume: float = 0.1  # upper bound of a uniform draw for each segment
    partition: str = TESTING  # testing | validation
    seed: int = 59185

    @classmethod
    def of(cls, settings: Stream, partition: str, seed: int) -> Recipe:
        """Return that of a stream which a run composes for itself."""
        return cls(settings.minutes, snr_db=settings.snr_db, partition=partition, seed=seed)

    @property
    def period(self) -> int:
        """Samples from one word's place to the next one's."""
        return CLIP_SAMPLES + round(self.gap_s * SAMPLE_RATE)

    @property
    def samples(self) -> int:
        """Length of the recording."""
        return round(self.minutes * 60 * SAMPLE_RATE)


@dataclass(frozen=True)
class Word:
    """A clip and its place."""

    label: str
    row: int  # of the data set's clips
    at: int  # where the clip begins in the recording
    begin: int  # of the word, in the recording
    end: int


@dataclass(frozen=True, eq=False)
class Plan:
    """All that is drawn; :func:`render` then does it."""

    samples: int
    words: tuple[Word, ...]
    noise: NDArray[np.int64]  # (segments, 2) begin and end in the data set's noise; one a second
    volumes: NDArray[np.float32]  # (segments,)
    gain_db: NDArray[np.float64] | None = None  # (words,) of the noise over each word

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        """The ground truth."""
        return tuple(Utterance(word.label, word.begin / SAMPLE_RATE, word.end / SAMPLE_RATE) for word in self.words)


def plan(dataset: Dataset, recipe: Recipe) -> Plan:
    """Draw which word comes when, over which noise; the same seed draws the same.

    Raises:
        KwsError: A setting is out of range, or the partition lacks a word, unknown words or noise.
    """
    part = dataset.partitions[_checked(recipe)]
    seeds = np.random.SeedSequence([recipe.seed, NAMES.index(recipe.partition)]).spawn(2)
    for_words, for_noise = (np.random.Generator(np.random.Philox(seed)) for seed in seeds)
    words = tuple(_words(dataset, part, recipe, for_words))
    noise = _segments(part, -(-recipe.samples // CLIP_SAMPLES), for_noise)
    if recipe.snr_db is None:
        volumes = for_noise.uniform(0, recipe.background_volume, len(noise))
        return Plan(recipe.samples, words, noise, volumes.astype(np.float32))
    if not len(noise):
        raise KwsError(
            f"a ratio of {recipe.snr_db:g} dB needs noise that training does not hear, but the {recipe.partition} "
            "partition has none: add recordings of ten seconds or more to _background_noise_, or leave the ratio out"
        )
    rms = [np.sqrt(np.mean(np.square(_segment(dataset, *place)))) for place in noise]
    even = Plan(recipe.samples, words, noise, np.array(LEVEL / np.maximum(rms, 1), np.float32))
    gain_db = [_loudness(even, dataset, word) - recipe.snr_db for word in words]
    return Plan(even.samples, words, noise, even.volumes, np.array(gain_db))


def render(made: Plan, dataset: Dataset, block: int = BLOCK) -> Iterator[NDArray[np.int16]]:
    """Yield the recording, ``block`` samples at a time; sums beyond 16 bits are clipped, as in the classic."""
    for begin in range(0, made.samples, block):
        end = min(begin + block, made.samples)
        mixed = _background(made, dataset, begin, end)
        if made.gain_db is not None:
            mixed *= _gain(made, begin, end)
        for word in (word for word in made.words if begin - CLIP_SAMPLES < word.at < end):
            _add(mixed, begin, word.at, _faded(dataset.clips[word.row], RAMP))
        yield np.clip(np.rint(mixed), -32768, 32767).astype(np.int16)


def _words(dataset: Dataset, part: Partition, recipe: Recipe, rng: np.random.Generator) -> Iterator[Word]:
    hands = _hands(dataset, part, recipe, rng)
    keywords = [label for label in dataset.labels if label not in (SILENCE, UNKNOWN)]
    for number in range(recipe.samples // recipe.period):
        at = number * recipe.period + int(rng.integers(recipe.period - CLIP_SAMPLES + 1))
        unknown = rng.uniform(0, 100) < recipe.unknown_percentage
        # drawn, not dealt: a word that follows itself is what a detector may miss
        label = UNKNOWN if unknown else keywords[int(rng.integers(len(keywords)))]
        row = next(hands[label])
        begin, end = extent(dataset.clips[row])
        yield Word(label, row, at, at + begin, at + end)


def _hands(dataset: Dataset, part: Partition, recipe: Recipe, rng: np.random.Generator) -> dict[str, Iterator[int]]:
    """Return the clips of each label, as an endless deal."""
    hands = {}
    for index, label in enumerate(dataset.labels):
        rows = part.rows[(part.labels == index) & (part.rows != SILENT)]
        needed = recipe.unknown_percentage > 0 if index == UNKNOWN_LABEL else label != SILENCE
        if needed and not len(rows):
            raise KwsError(
                f"a stream is made of clips that training does not hear, but the {recipe.partition} partition has none "
                f"of {label}: record more speakers, or "
                + ("ask for 0 % of unknown words" if label == UNKNOWN else f"raise data.{recipe.partition}_percentage")
            )
        hands[label] = _dealt(rng, rows)
    return hands


def _dealt(rng: np.random.Generator, rows: NDArray[np.int64]) -> Iterator[int]:
    while True:
        yield from map(int, rng.permutation(rows))


def _segments(part: Partition, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw a stretch of noise for each segment, then a place in it; a stretch may be shorter than a segment."""
    if not len(part.noise):
        return np.zeros((0, 2), np.int64)
    begin, end = part.noise[rng.integers(len(part.noise), size=count)].T
    begin += (rng.uniform(size=count) * np.maximum(end - begin - SEGMENT + 1, 1)).astype(np.int64)
    return np.stack([begin, np.minimum(begin + SEGMENT, end)], axis=1)


def _segment(dataset: Dataset, begin: int, end: int) -> NDArray[np.float32]:
    """Return noise (SEGMENT,); where it is too short it goes on backwards."""
    return np.pad(dataset.noise[begin:end].astype(np.float32), (0, SEGMENT - (end - begin)), mode="reflect")


def _background(made: Plan, dataset: Dataset, begin: int, end: int) -> NDArray[np.float32]:
    """Return the noise from ``begin`` to ``end``, before its gain."""
    mixed = np.zeros(end - begin, np.float32)
    first = max(0, (begin - SEGMENT) // CLIP_SAMPLES + 1)
    for number in range(first, min(len(made.noise), -(-end // CLIP_SAMPLES))):
        noise = _faded(_segment(dataset, *made.noise[number]), OVERLAP // 2) * made.volumes[number]
        _add(mixed, begin, number * CLIP_SAMPLES, noise)
    return mixed


def _add(mixed: NDArray[np.float32], begin: int, at: int, sound: NDArray[np.float32]) -> None:
    """Add what of a sound, which is at ``at``, falls into a block that begins at ``begin``."""
    low, high = max(begin, at), min(begin + len(mixed), at + len(sound))
    if low < high:
        mixed[low - begin : high - begin] += sound[low - at : high - at]


def _faded(sound: NDArray[np.int16] | NDArray[np.float32], ramp: int) -> NDArray[np.float32]:
    faded = np.array(sound, np.float32)
    rising = np.arange(ramp, dtype=np.float32) / ramp
    faded[:ramp] *= rising
    faded[len(faded) - ramp :] *= rising[::-1]
    return faded


def _loudness(made: Plan, dataset: Dataset, word: Word) -> float:
    """Return by how many decibels a word is louder than the noise behind it."""
    spoken = _faded(dataset.clips[word.row], RAMP)[word.begin - word.at : word.end - word.at]
    behind = _background(made, dataset, word.begin, min(word.end, made.samples))
    return float(10 * np.log10(_power(spoken) / max(_power(behind), SOFTEST * LEVEL**2)))


def _power(sound: NDArray[np.float32]) -> float:
    return float(np.mean(np.square(sound, dtype=np.float64))) + 1e-9


def _gain(made: Plan, begin: int, end: int) -> NDArray[np.float32]:
    assert made.gain_db is not None
    corners = [at for word in made.words for at in (word.begin, word.end)]
    gain_db = np.interp(np.arange(begin, end), corners, np.repeat(made.gain_db, 2))
    return (10 ** (gain_db / 20)).astype(np.float32)


def _checked(recipe: Recipe) -> str:
    """Check every setting; return the partition."""
    if recipe.partition not in (VALIDATION, TESTING):
        raise KwsError(
            f"a stream is made of what training does not hear, so its partition must be {VALIDATION} or {TESTING}, but "
            f"is {recipe.partition}: take {TESTING} to score, {VALIDATION} to choose"
        )
    for key, (name, low, high) in LIMITS.items():
        value = getattr(recipe, key)
        if value is not None and not low <= value <= high:  # written so that NaN fails as well
            nearest = high if value > high else low
            raise KwsError(f"{name} must be from {low} to {high}, but is {value:g}: the nearest is {nearest}")
    least = recipe.period / SAMPLE_RATE / 60
    if not least <= recipe.minutes <= 1e4:
        raise KwsError(
            f"a stream must last from {least:.3g} minutes, in which one word and its gap fit, to 10000, but is to last "
            f"{recipe.minutes:g}: ten are a start"
        )
    return recipe.partition
