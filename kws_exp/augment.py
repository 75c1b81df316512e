"""From rows of clips to batches of audio: time shift, gain and background noise, a whole batch at a time.

What happens to each clip is drawn first (:class:`Draws`), from a generator that depends on the seed and the step
alone; :func:`render` then does it. So a batch can be made by any thread, in any order, and a resumed run needs to
remember nothing but its step. The noise rules are those of TensorFlow's input_data.py: silence is noise at a
volume up to 1; of the other clips a share gets noise at a volume up to ``background_volume``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kws_exp.data import SILENT, Clips, Dataset, Partition
from kws_exp.data.partition import NAMES
from kws_exp.schema import CLIP_SAMPLES, SAMPLE_RATE, Augment

FULL_SCALE = 32768  # int16 to [-1, 1)
VARIANTS = 1 << 63  # from here on, numbers of the generator are not steps but variants of a bank


class Masks(NamedTuple):
    """What is hidden of a batch of features, begin and end as shares; both have shape (batch, 2)."""

    time: NDArray[np.float64]  # of the clip
    band: NDArray[np.float64]  # of the bins


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

    @property
    def masks(self) -> Masks:
        """What is hidden of the features."""
        return Masks(self.hidden_time, self.hidden_band)


class BankDraws(NamedTuple):
    """A training batch from a bank (:mod:`kws_exp.bank`)."""

    clips: NDArray[np.int64]  # (batch,) places in the partition
    variants: NDArray[np.int64]  # (batch,)
    masks: Masks


def training_draws(part: Partition, settings: Augment, batch_size: int, seed: int, step: int) -> Draws:
    """Draw the training batch of one step, clips with replacement as in the classic trainer."""
    rng = _generator(seed, step)
    return _drawn(part, settings, rng, rng.integers(len(part), size=batch_size))


def variant_draws(part: Partition, settings: Augment, seed: int, variant: int) -> Draws:
    """Draw one variant of every training clip, in order; no step has the same draws."""
    return _drawn(part, settings, _generator(seed, VARIANTS + variant), np.arange(len(part)))


def bank_draws(clips: int, variants: int, settings: Augment, batch_size: int, seed: int, step: int) -> BankDraws:
    """Draw the training batch of one step from a bank of ``variants`` of each of ``clips``."""
    rng = _generator(seed, step)
    chosen = rng.integers(clips, size=batch_size)
    return BankDraws(chosen, rng.integers(variants, size=batch_size), _masks(settings, rng, batch_size))


def _generator(seed: int, number: int) -> np.random.Generator:
    # a list would become floats from 2^63 on, and all variants one
    return np.random.Generator(np.random.Philox(key=np.array([seed, number], np.uint64)))


def _drawn(part: Partition, settings: Augment, rng: np.random.Generator, chosen: NDArray[np.int64]) -> Draws:
    batch_size, rows = len(chosen), part.rows[chosen]
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
        *_masks(settings, rng, batch_size),
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
    from kws_exp import augment_kernel  # imports Numba: 0.5 s

    audio = np.zeros((len(draws.rows), CLIP_SAMPLES), np.float32)
    base = 0
    for block in clips.blocks:
        augment_kernel.place(np.asarray(block), base, draws.rows, draws.shift, draws.gain / FULL_SCALE, audio)
        base += len(block)
    augment_kernel.add_noise(np.asarray(noise), draws.noise_start, draws.noise_volume / FULL_SCALE, audio)
    return audio


def hide(masks: Masks, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put a clip's mean in place of a stretch of frames and of a band of bins, in ``features`` themselves.

    SpecAugment (Park et al. 2019, arXiv 1904.08779) with one mask in each direction.
    """
    from kws_exp import augment_kernel

    _, frames, width = features.shape
    augment_kernel.hide(features, *ends(masks, frames, width))
    return features


def ends(masks: Masks, frames: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return first and end of the hidden frames and of the hidden bins, both (batch, 2)."""
    return np.round(masks.time * frames).astype(np.int64), np.round(masks.band * width).astype(np.int64)


def evaluation_audio(dataset: Dataset, name: str, seed: int, chunk: int = 200) -> Iterator[NDArray[np.float32]]:
    """Yield a partition's audio in order, at most ``chunk`` clips (13 MB) at a time."""
    for piece in pieces(evaluation_draws(dataset.partitions[name], seed, name), chunk):
        yield render(piece, dataset.clips, dataset.noise)


def pieces(draws: Draws, size: int) -> Iterator[Draws]:
    """Yield the draws of at most ``size`` clips at a time."""
    for start in range(0, len(draws.rows), size):
        yield Draws(*(getattr(draws, item.name)[start : start + size] for item in fields(Draws)))


def _masks(settings: Augment, rng: np.random.Generator, size: int) -> Masks:
    time = _stretches(rng, size, (settings.time_mask_ms or 0) / 1000)
    return Masks(time, _stretches(rng, size, settings.frequency_mask or 0))


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
