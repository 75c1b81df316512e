"""From the synthesiser's samples to a recording of one second: mouth, room, microphone, noise and level.

Recorded words differ less in what is said than in where and with what it was recorded. The ranges are those of
2,358 recorded clips of Speech Commands: the loudest 20 ms lie at -35 to -7 dB (5th to 95th percentile), the
noise floor 17 to 80 dB below, a word is anywhere in its second, and one clip in ten is short. The surprising
fact: a formant synthesiser leaves the valleys between formants empty, where speech has breath; noise that
follows the word's own envelope fills them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kws_exp.data import espeak
from kws_exp.data.noises import coloured, contour
from kws_exp.schema import CLIP_SAMPLES, SAMPLE_RATE

if TYPE_CHECKING:
    from kws_exp.schema import SynthesisRecipe

Samples = NDArray[np.float32]
FFT_SAMPLES = 2 * CLIP_SAMPLES  # a word of a second, then its reverberation
LOWEST_HZ = 20.0  # of the equaliser
LONGEST_WORD = 1.2  # seconds; what is longer is cut


def record(spoken: Samples, recipe: SynthesisRecipe, rng: np.random.Generator) -> NDArray[np.int16]:
    """Return a clip of shape (16000,) at 16 kHz of ``spoken``, samples at 22,050 Hz of any length but 0."""
    word = _articulate(_vocal_tract(spoken, recipe, rng), recipe, rng)
    heard = _through_room(word, recipe, rng)
    clip = _place(heard, len(word), recipe, rng)
    loudest = np.max(np.mean(clip.reshape(-1, SAMPLE_RATE // 50) ** 2, axis=1))  # of 20 ms
    clip /= np.sqrt(loudest) + 1e-9
    noise = coloured(rng, CLIP_SAMPLES, rng.uniform(*recipe.noise_slope), bumps_db=4.0)
    noise *= contour(rng, CLIP_SAMPLES, 0.25, recipe.noise_swell_db)
    clip += noise * _decibels(rng.uniform(*recipe.noise_db))
    for _ in range(rng.poisson(recipe.bursts)):
        _add_burst(clip, recipe, rng)
    clip *= _decibels(rng.uniform(*recipe.level_db))
    if rng.random() < recipe.clipped_share:
        clip *= rng.uniform(1, 4)
    if rng.random() < recipe.short_share:
        clip[int(rng.uniform(0.6, 0.98) * CLIP_SAMPLES) :] = 0
    return np.clip(np.round(clip * 32767), -32768, 32767).astype(np.int16)


def _add_burst(clip: Samples, recipe: SynthesisRecipe, rng: np.random.Generator) -> None:
    """Add a click, a knock or a breath: noise with a quick beginning and a slower end, anywhere in the clip.

    The micro front end takes steady noise away and leaves these: with them 84.9 % of 2,358 recorded clips were right,
    without 83.3.
    """
    samples = min(int(SAMPLE_RATE * np.exp(rng.uniform(*np.log(recipe.burst_s)))), CLIP_SAMPLES - 1)
    start = int(rng.integers(CLIP_SAMPLES - samples))
    shape = np.linspace(1, 0, samples) ** rng.uniform(1, 6)
    attack = max(1, int(rng.uniform(0, 0.3) * samples))
    shape[:attack] *= np.linspace(0, 1, attack)
    noise = coloured(rng, samples, rng.uniform(-2, 1), bumps_db=6.0) * shape
    clip[start : start + samples] += noise * _decibels(rng.uniform(*recipe.burst_db))


def trim(spoken: Samples) -> Samples:
    """Return what lies between the first and the last sample above -50 dB of the peak; shape (0,) if silent."""
    level = np.abs(spoken)
    loud = np.flatnonzero(level > 0.003 * np.max(level, initial=0.0) + 1e-5)
    return spoken[loud[0] : loud[-1] + 1] if len(loud) else spoken[:0]


def _vocal_tract(spoken: Samples, recipe: SynthesisRecipe, rng: np.random.Generator) -> Samples:
    """Resample to 16 kHz by a factor beside the true one, which moves formants and pitch, and not evenly.

    The voices are men's, four in five. With factors up to 1.4, children's, and pitches spread to go with them, 87.4 %
    of 2,358 recorded clips were right; up to 1.14, 84.9 %; with the pitches alone, 82.6 %.
    """
    import scipy.fft

    warp = rng.uniform(*recipe.warp)
    spectrum = scipy.fft.rfft(spoken, scipy.fft.next_fast_len(len(spoken) + 64, real=True))
    frequency = np.linspace(0, espeak.SAMPLE_RATE / 2, len(spectrum))
    spectrum *= np.clip((SAMPLE_RATE / 2 * warp - frequency) / 500 + 0.5, 0, 1)  # against aliases
    smooth = scipy.fft.irfft(spectrum)[: len(spoken)]
    samples = max(2, int(len(spoken) * SAMPLE_RATE / espeak.SAMPLE_RATE / warp))
    pace = 1 + np.interp(np.linspace(0, 5, samples), np.arange(6), rng.normal(0, 0.02, 6))
    position = np.cumsum(pace)
    position *= (len(spoken) - 1) / position[-1]
    resampled = np.interp(position, np.arange(len(smooth)), smooth)
    return np.asarray(resampled[: int(LONGEST_WORD * SAMPLE_RATE)], np.float32)


def _articulate(word: Samples, recipe: SynthesisRecipe, rng: np.random.Generator) -> Samples:
    """Add breath, an uneven loudness, and a beginning and an end that are not abrupt."""
    import scipy.ndimage

    envelope = np.sqrt(scipy.ndimage.uniform_filter1d(word**2, SAMPLE_RATE // 50, mode="constant"))
    breath = rng.standard_normal(len(word)).astype(np.float32)
    breath[1:] += rng.uniform(0, 0.9) * breath[:-1]
    voiced = word + breath * envelope * _decibels(rng.uniform(*recipe.breath_db))
    voiced *= _decibels(np.interp(np.linspace(0, 5, len(word)), np.arange(6), rng.normal(0, 2, 6)))
    attack = min(int(rng.uniform(0.01, 0.06) * SAMPLE_RATE), len(word) // 3)
    release = min(int(rng.uniform(0.02, 0.12) * SAMPLE_RATE), len(word) // 2)
    voiced[:attack] *= np.linspace(0, 1, attack)
    voiced[len(word) - release :] *= np.linspace(1, 0, release) ** 1.5
    return np.asarray(voiced, np.float32)


def _through_room(word: Samples, recipe: SynthesisRecipe, rng: np.random.Generator) -> Samples:
    """Return the word after room, microphone and equaliser, with its reverberation; shape (32000,)."""
    import scipy.fft

    frequency = scipy.fft.rfftfreq(FFT_SAMPLES, 1 / SAMPLE_RATE)
    response = _decibels(_microphone(frequency, recipe, rng)).astype(np.complex64)
    if rng.random() < recipe.reverb_share:
        response *= scipy.fft.rfft(_room(recipe, rng), FFT_SAMPLES)
    return np.asarray(scipy.fft.irfft(scipy.fft.rfft(word, FFT_SAMPLES) * response, FFT_SAMPLES), np.float32)


def _microphone(
    frequency: NDArray[np.float64], recipe: SynthesisRecipe, rng: np.random.Generator
) -> NDArray[np.float64]:
    octave = np.log2(np.maximum(frequency, LOWEST_HZ) / LOWEST_HZ)
    points = np.linspace(0, octave[-1], 10)
    gain_db = np.interp(octave, points, rng.normal(0, recipe.equaliser_db, len(points)))
    gain_db += rng.uniform(*recipe.tilt_db) * (octave - np.log2(1000 / LOWEST_HZ))
    highpass, lowpass = (np.exp(rng.uniform(*np.log(r))) for r in (recipe.highpass_hz, recipe.lowpass_hz))
    gain_db -= 10 * np.log10(1 + (highpass / np.maximum(frequency, 1)) ** (2 * rng.integers(1, 4)))
    gain_db -= 10 * np.log10(1 + (frequency / lowpass) ** (2 * rng.integers(1, 7)))
    return np.asarray(gain_db, np.float64)


def _room(recipe: SynthesisRecipe, rng: np.random.Generator) -> Samples:
    """Return an impulse response: the direct sound, then noise that decays by 60 dB in the reverberation time."""
    time = np.exp(rng.uniform(*np.log(recipe.reverb_s)))
    samples = min(int(time * SAMPLE_RATE), FFT_SAMPLES - int(LONGEST_WORD * SAMPLE_RATE))
    tail = rng.standard_normal(samples) * 10 ** (-3 * np.arange(samples) / SAMPLE_RATE / time)
    muffled = rng.uniform(0, 0.6)
    tail[1:] = (1 - muffled) * tail[1:] + muffled * tail[:-1]
    tail[: int(rng.uniform(0.001, 0.01) * SAMPLE_RATE)] = 0
    tail *= _decibels(rng.uniform(*recipe.reverb_db)) / np.sqrt(np.sum(tail**2) + 1e-9)
    tail[0] = 1
    return np.asarray(tail, np.float32)


def _place(heard: Samples, length: int, recipe: SynthesisRecipe, rng: np.random.Generator) -> Samples:
    """Cut a second out, the word's centre at a random time; at most 50 ms of a word are lost at either end."""
    slack, spare = CLIP_SAMPLES // 20, CLIP_SAMPLES - length
    wanted = int(rng.normal(*recipe.centre_s) * SAMPLE_RATE - length / 2)
    start = int(np.clip(wanted, min(0, spare) - slack, max(0, spare) + slack))
    clip = np.zeros(CLIP_SAMPLES, np.float32)
    seen = heard[max(0, -start) : CLIP_SAMPLES - start]
    clip[max(0, start) : max(0, start) + len(seen)] = seen
    return clip


def _decibels(gain_db: float | NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(10 ** (np.asarray(gain_db) / 20), np.float32)
