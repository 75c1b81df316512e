"""A bank of augmented features: some variants of every training clip, made once on all cores, then mapped.

    CACHE/banks/KEY/variants   (variants, clips, frames, width), clips in the order of the training partition, no header

The key covers clips, noise, augmentation, features and seed, so the trials of a sweep that share these share the bank,
and so do later runs; a larger bank appends the variants that are missing. Masks (SpecAugment) are not in it, they
are drawn for each step. The surprising fact: the micro front end's features take a byte a value, for they are what
the device's int8 input can be.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_exp import augment, features, resident
from kws_exp.cpu import cores
from kws_exp.data import TRAINING, Dataset
from kws_exp.data.source import cache_dir
from kws_exp.errors import KwsError
from kws_exp.features import Extract
from kws_exp.pipeline import Source, fresh, like
from kws_exp.schema import Config

FILE = "variants"
VARIANTS = 20  # by default: test accuracy is within the seeds' noise of fresh augmentation (docs/performance.md)
USES = 2  # then making it is half the work of fresh augmentation at most
VERSION = 2  # part of the key: raise it when augmentation or a front end gives other values
CLIPS = 100  # made at a time by each thread
MOST_BYTES = 4_000_000_000  # of banks beside the one in use
Progress = Callable[[str, int, int], None]


def size(config: Config, dataset: Dataset) -> int:
    """Return how many variants of each clip the bank of a run has, 0 for none.

    Unless it is set, there is a bank of :data:`VARIANTS` where each of them would be drawn :data:`USES` times or more:
    making one for a short trial of a sweep costs more than it saves.
    """
    if config.augment.bank is not None:
        return config.augment.bank
    drawn = sum(config.train.steps) * config.train.batch_size
    return VARIANTS if drawn >= USES * VARIANTS * len(dataset.partitions[TRAINING]) else 0


def source(config: Config, dataset: Dataset, extract: Extract, progress: Progress) -> Source:
    """Return the source of training batches: from a bank, made if need be, or augmented anew for each step."""
    count = size(config, dataset)
    return open_bank(config, dataset, extract, count, progress) if count else fresh(config, dataset, extract)


def open_bank(config: Config, dataset: Dataset, extract: Extract, count: int, progress: Progress) -> Source:
    """Return the source of batches from a bank of ``count`` variants; make what is missing of it.

    Raises:
        KwsError: it cannot be written.
    """
    variants = _variants(config, dataset, extract, count, progress)
    if resident.fits(variants):
        return resident.source(config, dataset, variants)
    part, stored = dataset.partitions[TRAINING], features.compact(config.features)

    def put(step: int, found: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
        drawn = augment.bank_draws(len(part), count, config.augment, config.train.batch_size, config.seed, step)
        found[:] = stored.decode(variants[drawn.variants, drawn.clips])
        augment.hide(drawn.masks, found)
        labels[:] = part.labels[drawn.clips]

    return Source(like(config), put)


def place(config: Config, dataset: Dataset) -> Path:
    """Return the folder of the bank that ``config`` means."""
    drawn = replace(config.augment, bank=None, time_mask_ms=None, frequency_mask=None)
    meant = repr((VERSION, dataset.digest, config.seed, asdict(drawn), asdict(config.features)))
    return cache_dir(config.data) / "banks" / hashlib.sha256(meant.encode()).hexdigest()[:16]


def _variants(config: Config, dataset: Dataset, extract: Extract, count: int, progress: Progress) -> NDArray[Any]:
    from filelock import FileLock

    folder = place(config, dataset)
    kept = np.dtype(features.compact(config.features).dtype)
    shape = count, len(dataset.partitions[TRAINING]), config.features.frames, config.features.width
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):  # whoever comes second finds it made
            _fill(folder / FILE, config, dataset, extract, kept.itemsize * math.prod(shape[1:]), count, progress)
            found = np.asarray(np.memmap(folder / FILE, kept, "r", shape=shape))
            folder.touch()  # it was used now
        with contextlib.suppress(OSError):  # another process is making room too
            _make_room(folder)
        return found
    except OSError as error:
        raise KwsError(
            f"augment.bank={count} needs room for its features, but {folder} fails ({error.strerror}): "
            "free some space, give data.cache_dir=FOLDER, or take augment.bank=0"
        ) from error


def _make_room(kept: Path) -> None:
    """Remove the banks that were not used for longest, until all but ``kept`` take no more than :data:`MOST_BYTES`.

    A sweep over front ends makes one a trial. A run that has a removed bank mapped goes on with it.
    """
    from filelock import FileLock, Timeout

    others = sorted((path for path in kept.parent.iterdir() if path.is_dir() and path != kept), key=_used, reverse=True)
    total = 0
    for folder in others:
        total += sum(path.stat().st_size for path in folder.iterdir())
        if total > MOST_BYTES:
            # another run is making it, or opening it; or Windows has it mapped
            with contextlib.suppress(Timeout, OSError), FileLock(folder.with_suffix(".lock"), timeout=0):
                shutil.rmtree(folder)


def _used(folder: Path) -> float:
    return folder.stat().st_mtime


def _fill(
    path: Path, config: Config, dataset: Dataset, extract: Extract, size: int, count: int, progress: Progress
) -> None:
    """Append what is missing of ``count`` variants of ``size`` bytes; half a one, left by a kill, goes."""
    part, stored = dataset.partitions[TRAINING], features.compact(config.features)

    def made(piece: augment.Draws) -> NDArray[np.generic]:
        return stored.encode(extract(augment.render(piece, dataset.clips, dataset.noise)))

    # written in order to an open file: a full disk is an error there, and kills whoever writes to a mapped one
    with path.open("ab") as file, ThreadPoolExecutor(cores()) as pool:
        whole = file.tell() // size
        file.truncate(whole * size)
        for number in range(whole, count):
            draws = augment.variant_draws(part, config.augment, config.seed, number)
            for values in pool.map(made, augment.pieces(draws, CLIPS)):
                file.write(values.tobytes())
            progress("augmenting", number + 1, count)
