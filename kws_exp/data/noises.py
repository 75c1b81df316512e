"""Six minutes of background noise made from nothing: hiss, hum, babble, tap and crockery.

A spotter learns silence from these and hears them behind its training clips. The surprising fact: they must be
quiet. The noise recordings of Speech Commands have a level of -45 to -55 dB (RMS, 50 ms frames); noise 25 dB
louder taught tiny_conv that whatever is quiet is not silence, and a third of the recorded silences were heard
as a keyword.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from kws_exp.schema import SAMPLE_RATE

Samples = NDArray[np.float32]
SECONDS = 60
MEDIAN_LEVEL = -45.0  # dB RMS; a slow swell of some 5 dB comes on top
LOWEST_HZ = 30.0  # below it no slope: microphones end there


def coloured(rng: np.random.Generator, samples: int, slope: float, bumps_db: float = 0.0) -> Samples:
    """Return noise of RMS 1 whose power falls as ``frequency ** slope``; shape (samples,).

    Slope 0 is white, -1 pink, -2 brown; ``bumps_db`` is the standard deviation of a random equaliser of one
    point to the octave.
    """
    import scipy.fft

    frequency = np.maximum(scipy.fft.rfftfreq(samples, 1 / SAMPLE_RATE), LOWEST_HZ)
    gain_db = 10 * slope * np.log10(frequency / 1000)
    if bumps_db:
        octave = np.log2(frequency / LOWEST_HZ)
        points = np.arange(int(octave[-1]) + 2)
        gain_db += np.interp(octave, points, rng.normal(0, bumps_db, len(points)))
    spectrum = rng.standard_normal(len(frequency)) + 1j * rng.standard_normal(len(frequency))
    noise = scipy.fft.irfft((spectrum * 10 ** (gain_db / 20)).astype(np.complex64), samples)
    return np.asarray(noise / np.sqrt(np.mean(noise**2)), np.float32)


def contour(rng: np.random.Generator, samples: int, period: float, spread_db: float) -> Samples:
    """Return a slowly changing gain: a random level each ``period`` seconds, joined linearly in decibels."""
    points = max(2, int(samples / SAMPLE_RATE / period) + 1)
    levels = rng.normal(0, spread_db, points)
    gain_db = np.interp(np.linspace(0, points - 1, samples), np.arange(points), levels)
    return np.asarray(10 ** (gain_db / 20), np.float32)


def recordings(seed: int, babble: Samples) -> dict[str, Samples]:
    """Return the six noise recordings by name, each of shape (960000,), in [-1, 1]; ``babble`` is speech."""
    made: dict[str, Samples] = {}
    for index, (name, make) in enumerate(_MAKERS.items()):
        rng = np.random.default_rng([seed, index])
        noise = make(rng, SECONDS * SAMPLE_RATE)
        made[name] = _level(rng, noise, 5.0)
    rng = np.random.default_rng([seed, len(_MAKERS)])
    made["babble"] = _level(rng, babble + 0.3 * np.std(babble) * coloured(rng, len(babble), -1.0), 5.0)
    return made


def _level(rng: np.random.Generator, noise: Samples, swell_db: float) -> Samples:
    swelling = noise / np.sqrt(np.mean(noise**2)) * contour(rng, len(noise), 4.0, swell_db)
    return np.asarray(np.clip(swelling * 10 ** (MEDIAN_LEVEL / 20), -1, 1), np.float32)


def _hiss(rng: np.random.Generator, samples: int) -> Samples:
    return coloured(rng, samples, 0.0)


def _pink(rng: np.random.Generator, samples: int) -> Samples:
    return coloured(rng, samples, -1.0)


def _hum(rng: np.random.Generator, samples: int) -> Samples:
    """Mains hum and its harmonics on the rumble of a machine that turns."""
    seconds = np.arange(samples) / SAMPLE_RATE
    mains = rng.choice([50.0, 60.0])
    turning = 1 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.8, 2.5) * seconds)
    noise = coloured(rng, samples, -1.7) * turning
    for harmonic in range(1, 12):
        phase = rng.uniform(0, 2 * np.pi)
        noise += rng.uniform(0, 1) / harmonic * np.sin(2 * np.pi * mains * harmonic * seconds + phase)
    return np.asarray(noise, np.float32)


def _tap(rng: np.random.Generator, samples: int) -> Samples:
    return coloured(rng, samples, 0.0, bumps_db=6.0) * contour(rng, samples, 0.05, 2.0)


def _crockery(rng: np.random.Generator, samples: int) -> Samples:
    """Clinks: about three a second, each a few decaying partials, on faint room noise."""
    noise = 0.2 * coloured(rng, samples, -1.0)
    for start in np.sort(rng.integers(0, samples - SAMPLE_RATE, 3 * SECONDS)):
        noise[start : start + SAMPLE_RATE // 2] += _clink(rng)
    return noise


def _clink(rng: np.random.Generator) -> Samples:
    seconds = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    sound = rng.standard_normal(len(seconds)) * np.exp(-seconds / rng.uniform(0.001, 0.01))
    for frequency in np.exp(rng.uniform(np.log(400), np.log(7000), 4)):
        decay = np.exp(-seconds / rng.uniform(0.01, 0.12))
        sound += rng.uniform(0.2, 1) * decay * np.sin(2 * np.pi * frequency * seconds)
    return np.asarray(sound * 10 ** (rng.uniform(-15, 12) / 20), np.float32)


_MAKERS: Mapping[str, Callable[[np.random.Generator, int], Samples]] = {
    "white_noise": _hiss,
    "pink_noise": _pink,
    "machine_hum": _hum,
    "running_tap": _tap,
    "crockery": _crockery,
}
