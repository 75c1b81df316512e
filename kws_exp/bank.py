"""A bank of augmented features: ``augment.bank`` variants of every training clip, made once on all cores, then mapped.

    CACHE/banks/KEY/variant-0003.npy   (clips, frames, width) in the order of the training partition

The key covers clips, noise, augmentation, features and seed, so the trials of a sweep that share these share the bank,
and so do later runs; a larger bank makes only the variants that are missing. Masks (SpecAugment) are not in it, they
are drawn for each step. The surprising fact: the micro front end's features take a byte a value, for they are what
the device's int8 input can be.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kws_exp import augment, features
from kws_exp.cpu import cores
from kws_exp.data import TRAINING, Dataset, source
from kws_exp.errors import KwsError
from kws_exp.features import Extract
from kws_exp.pipeline import Batch, Source
from kws_exp.schema import Config

VERSION = 1  # part of the key: raise it when augmentation or a front end gives other values
CLIPS = 100  # made at a time by each thread
Progress = Callable[[str, int, int], None]


def open_bank(config: Config, dataset: Dataset, extract: Extract, progress: Progress) -> Source:
    """Return the source of batches from the bank of ``config``; make what is missing of it.

    Raises:
        KwsError: it cannot be written.
    """
    variants = _variants(config, dataset, extract, progress)
    part, stored = dataset.partitions[TRAINING], features.compact(config.features)

    def batch(step: int) -> Batch:
        drawn = augment.bank_draws(len(part), len(variants), config.augment, config.train.batch_size, config.seed, step)
        rows = np.stack([variants[variant][clip] for variant, clip in zip(drawn.variants, drawn.clips, strict=True)])
        found = augment.hide(drawn.masks, stored.decode(rows))
        return found, part.labels[drawn.clips]

    return batch


def place(config: Config, dataset: Dataset) -> Path:
    """Return the folder of the bank that ``config`` means."""
    drawn = replace(config.augment, bank=0, time_mask_ms=None, frequency_mask=None)
    meant = repr((VERSION, dataset.digest, config.seed, asdict(drawn), asdict(config.features)))
    return source.cache_dir(config.data) / "banks" / hashlib.sha256(meant.encode()).hexdigest()[:16]


def _variants(config: Config, dataset: Dataset, extract: Extract, progress: Progress) -> list[NDArray[np.generic]]:
    from filelock import FileLock

    folder = place(config, dataset)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"variant-{number:04d}.npy" for number in range(config.augment.bank)]
        with FileLock(folder.with_suffix(".lock")):  # whoever comes second finds it made
            for number, path in enumerate(paths):
                if not path.exists():
                    _write(path, config, dataset, extract, number)
                progress("augmenting", number + 1, len(paths))
        return [np.load(path, mmap_mode="r", allow_pickle=False) for path in paths]
    except OSError as error:
        raise KwsError(
            f"augment.bank={config.augment.bank} needs room for its features, but {folder} fails ({error.strerror}): "
            "free some space, give data.cache_dir=FOLDER, or take a smaller bank"
        ) from error


def _write(path: Path, config: Config, dataset: Dataset, extract: Extract, number: int) -> None:
    """Make one variant of all clips, aside, then under its name."""
    part, stored = dataset.partitions[TRAINING], features.compact(config.features)
    draws = augment.variant_draws(part, config.augment, config.seed, number)

    def made(piece: augment.Draws) -> NDArray[np.generic]:
        return stored.encode(extract(augment.render(piece, dataset.clips, dataset.noise)))

    shape = (len(part), config.features.frames, config.features.width)
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(stored.dtype)), "fortran_order": False, "shape": shape}
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        # written in order to an open file: a full disk is an error there, and kills whoever writes to a mapped one
        with aside.open("wb") as file, ThreadPoolExecutor(cores()) as pool:
            np.lib.format.write_array_header_1_0(file, header)
            for values in pool.map(made, augment.pieces(draws, CLIPS)):
                file.write(values.tobytes())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
