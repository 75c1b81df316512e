"""From rows of clips to batches of audio: time shift, gain and background noise, a whole batch at a time.

What happens to each clip is drawn first (:class:`Draws`), from a generator that depends on the seed and the step
alone; :func:`render` then does it. So a batch can be made by any thread, in any order, and a resumed run needs to
remember nothing but its step. The noise rules are those of TensorFlow's input_data.py: silence is noise at a
volume up to 1; of the other clips a share gets noise at a volume up to ``background_volume``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from kws_exp.data import SILENT, Clips, Dataset, Partition
from kws_exp.data.partition import NAMES
from kws_exp.schema import CLIP_SAMPLES, SAMPLE_RATE, Augment

FULL_SCALE = 32768  # int16 to [-1, 1)


@dataclass(frozen=True)
class Draws:
    """What is done to each clip of a batch; all arrays have shape (batch,)."""

    rows: NDArray[np.int64]  # row of the clip, or SILENT
    labels: NDArray[np.int64]
    shift: NDArray[np.int64]  # samples; positive is later
    gain: NDArray[np.float32]
    noise_start: NDArray[np.int64]  # in the noise samples
    noise_volume: NDArray[np.float32]  # 0: none
    hidden_time: NDArray[np.float64]  # (batch, 2) begin and end of the hidden stretch, as shares of the clip
    hidden_band: NDArray[np.float64]  # (batch, 2) likewise of the bins


def training_draws(part: Partition, settings: Augment, batch_size: int, seed: int, step: int) -> Draws:
    """Draw the training batch of one step, clips with replacement as in the classic trainer."""
    rng = np.random.Generator(np.random.Philox(key=[seed, step]))
    chosen = rng.integers(len(part), size=batch_size)
    rows = part.rows[chosen]
    reach = round(settings.time_shift_ms * SAMPLE_RATE / 1000)
    shift = rng.integers(-reach, reach, size=batch_size, endpoint=True)
    gain = 10 ** (rng.uniform(-settings.gain_db, settings.gain_db, batch_size) / 20)
    silent = rows == SILENT
    volume = rng.uniform(0, np.where(silent, 1.0, settings.background_volume))
    noisy = silent | (rng.uniform(size=batch_size) < settings.background_frequency)
    return Draws(
        rows,
        part.labels[chosen],
        shift,
        gain.astype(np.float32),
        _noise_starts(part, rng, batch_size),
        np.where(noisy & bool(len(part.noise)), volume, 0).astype(np.float32),
        _stretches(rng, batch_size, (settings.time_mask_ms or 0) / 1000),
        _stretches(rng, batch_size, settings.frequency_mask or 0),
    )


def evaluation_draws(part: Partition, seed: int, name: str) -> Draws:
    """Take every clip of a partition as it is; the noise of its silence clips is drawn once and for all."""
    rng = np.random.default_rng([seed, 1 + NAMES.index(name)])
    size = len(part)
    volume = rng.uniform(0, 1, size) * (part.rows == SILENT) * bool(len(part.noise))
    return Draws(
        part.rows,
        part.labels,
        np.zeros(size, np.int64),
        np.ones(size, np.float32),
        _noise_starts(part, rng, size),
        volume.astype(np.float32),
        np.zeros((size, 2)),
        np.zeros((size, 2)),
    )


def render(draws: Draws, clips: Clips, noise: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return audio of shape (batch, 16000) in [-1, 1], the sum of clip and noise clipped as in the classic."""
    audio = np.zeros((len(draws.rows), CLIP_SAMPLES), np.float32)
    scratch = np.empty(CLIP_SAMPLES, np.float32)
    for i, row in enumerate(draws.rows):
        if row != SILENT:
            begin, end = max(0, draws.shift[i]), CLIP_SAMPLES + min(0, draws.shift[i])
            source = clips[row][begin - draws.shift[i] : end - draws.shift[i]]
            np.multiply(source, draws.gain[i] / FULL_SCALE, out=audio[i, begin:end])
        if draws.noise_volume[i]:
            start = draws.noise_start[i]
            np.multiply(noise[start : start + CLIP_SAMPLES], draws.noise_volume[i] / FULL_SCALE, out=scratch)
            audio[i] += scratch
    return np.clip(audio, -1, 1, out=audio)


def hide(draws: Draws, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put a clip's mean in place of a stretch of frames and of a band of bins, in ``features`` themselves.

    SpecAugment (Park et al. 2019, arXiv 1904.08779) with one mask in each direction.
    """
    _, frames, width = features.shape
    for clip, time, band in zip(features, draws.hidden_time, draws.hidden_band, strict=True):
        mean = clip.mean()
        clip[slice(*np.round(time * frames).astype(int))] = mean
        clip[:, slice(*np.round(band * width).astype(int))] = mean
    return features


def evaluation_audio(dataset: Dataset, name: str, seed: int, chunk: int = 200) -> Iterator[NDArray[np.float32]]:
    """Yield a partition's audio in order, at most ``chunk`` clips (13 MB) at a time."""
    draws = evaluation_draws(dataset.partitions[name], seed, name)
    for start in range(0, len(draws.rows), chunk):
        part = Draws(*(getattr(draws, item.name)[start : start + chunk] for item in fields(Draws)))
        yield render(part, dataset.clips, dataset.noise)


def _stretches(rng: np.random.Generator, size: int, longest: float) -> NDArray[np.float64]:
    """Draw stretches of a length uniform up to ``longest``, anywhere in 0 to 1; shape (size, 2)."""
    length = rng.uniform(0, longest, size)
    begin = rng.uniform(0, 1, size) * (1 - length)
    return np.stack([begin, begin + length], axis=1)


def _noise_starts(part: Partition, rng: np.random.Generator, size: int) -> NDArray[np.int64]:
    """Draw a recording for each clip, then a place in it."""
    if not len(part.noise):
        return np.zeros(size, np.int64)
    begin, end = part.noise[rng.integers(len(part.noise), size=size)].T
    return begin + (rng.uniform(size=size) * (end - begin - CLIP_SAMPLES + 1)).astype(np.int64)
