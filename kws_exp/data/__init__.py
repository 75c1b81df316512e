"""Words in, three partitions of clips out: everything between a folder of audio and :mod:`kws_exp.augment`.

The clips stay in memory-mapped files (``kws_exp.data.cache``); a partition is a list of rows and labels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_exp.data import partition, source
from kws_exp.data.cache import AudioCache, open_cache, words_in
from kws_exp.data.partition import NAMES, SILENT, TESTING, TRAINING, VALIDATION, Partition
from kws_exp.errors import KwsError
from kws_exp.schema import Config
from kws_exp.validate import check_words

__all__ = ["SILENT", "TESTING", "TRAINING", "VALIDATION", "Clips", "Dataset", "Partition", "describe", "load"]

Progress = Callable[[str, int, int], None]  # what is done, how much, of how much


@dataclass(frozen=True)
class Clips:
    """Rows of one or more mapped arrays, numbered through."""

    blocks: tuple[NDArray[np.int16], ...]  # each (clips, 16000)

    def __getitem__(self, row: int) -> NDArray[np.int16]:
        """Return one clip, shape (16000,)."""
        for block in self.blocks:
            if row < len(block):
                return block[row]
            row -= len(block)
        raise IndexError(row)


@dataclass(frozen=True)
class Dataset:
    """Everything that training and evaluation read."""

    kind: str  # speech_commands or synthetic
    description: str
    labels: tuple[str, ...]
    clips: Clips
    paths: tuple[str, ...]  # of each row of clips
    noise: NDArray[np.int16]  # (samples,)
    partitions: Mapping[str, Partition]
    digest: str  # of all that the partitions hold: clips, labels, noise
    skipped: Mapping[str, str]  # file -> why it could not be read
    features: dict[str, NDArray[np.float32]] = field(default_factory=dict, repr=False)  # kws_exp.pipeline's memory

    def summary(self) -> dict[str, Any]:
        """Return what a run records of its data."""
        counts = {
            name: {label: int(np.sum(part.labels == i)) for i, label in enumerate(self.labels)}
            for name, part in self.partitions.items()
        }
        return {
            "source": self.kind,
            "description": self.description,
            "digest": self.digest,
            "words": list(self.labels[2:]),
            "counts": counts,
            "skipped": dict(self.skipped),
        }


def describe(config: Config) -> str:
    """Return one line on the speech that :func:`load` would load, and on how to get the other kind."""
    return source.find(config.data).describe()


def load(config: Config, progress: Progress = lambda stage, done, total: None) -> Dataset:
    """Find, fetch or make, decode and divide the clips that a configuration asks for.

    Raises:
        KwsError: a word has no clip to train on, or the data cannot be had.
    """
    settings = config.data
    found = source.find(settings)
    if found.folder is None:
        cache, parts = _load_synthetic(config, progress)
    else:
        if not found.present:
            source.fetch(found.folder, settings, partial(progress, "downloading"))
            if not settings.synthetic_per_word:
                check_words(config.words, words_in(found.folder))
        cache = open_cache(found.folder, source.cache_dir(settings), partial(progress, "decoding"))
        parts = partition.divide(cache.paths, config.words, cache.noise_ends, settings, config.seed)
    clips, paths, digests = Clips((cache.clips,)), cache.paths, cache.digests
    if settings.synthetic_per_word and found.kind == source.RECORDED:
        extra, rows, labels = _top_up(config, progress)
        parts = {**parts, TRAINING: _joined(parts[TRAINING], rows + len(paths), labels)}
        clips, paths, digests = (
            Clips((cache.clips, extra.clips)),
            paths + extra.paths,
            digests + extra.digests,
        )
    _require_clips(config.words, parts)
    return Dataset(
        found.kind,
        found.describe(),
        config.labels,
        clips,
        paths,
        cache.noise,
        parts,
        _digest(digests, parts, cache.noise),
        cache.skipped,
    )


def _load_synthetic(config: Config, progress: Progress) -> tuple[AudioCache, dict[str, Partition]]:
    from kws_exp.data import synthetic

    cache = _open_synthetic(config, synthetic.OTHER_WORDS, progress)
    rows = [row for row, path in enumerate(cache.paths) if _is_wanted(path, config)]
    parts = partition.divide(
        [cache.paths[row] for row in rows], config.words, cache.noise_ends, config.data, config.seed
    )
    row_of = np.array([*rows, SILENT], np.int64)  # SILENT is -1, the last element
    return cache, {name: Partition(row_of[part.rows], part.labels, part.noise) for name, part in parts.items()}


def _is_wanted(path: str, config: Config) -> bool:
    """Tell the clips of this run in a folder that may hold more words, and more clips of a word, from other runs."""
    from kws_exp.data import synthetic

    recipe, word, number = config.data.synthetic, path.partition("/")[0], synthetic.clip_number(path)
    if word in config.words:
        return number < recipe.clips_per_word
    return word in synthetic.OTHER_WORDS and number < recipe.other_clips_per_word


def _open_synthetic(config: Config, others: Sequence[str], progress: Progress) -> AudioCache:
    folder = source.synthesize(config.words, others, config.data, config.seed, partial(progress, "synthesizing"))
    return open_cache(folder, source.cache_dir(config.data), partial(progress, "decoding"))


def _top_up(config: Config, progress: Progress) -> tuple[AudioCache, NDArray[np.int64], NDArray[np.int64]]:
    """Return a cache of synthetic keywords with the rows and labels of the first N clips of each."""
    from kws_exp.data import synthetic

    cache = _open_synthetic(config, (), progress)
    label_of = {word: label for label, word in enumerate(config.words, start=partition.FIRST_WORD_LABEL)}
    chosen = [
        (row, label_of[word])
        for row, path in enumerate(cache.paths)
        if (word := path.partition("/")[0]) in label_of and synthetic.clip_number(path) < config.data.synthetic_per_word
    ]
    rows, labels = np.array(chosen, np.int64).reshape(-1, 2).T
    return cache, rows, labels


def _joined(part: Partition, rows: NDArray[np.int64], labels: NDArray[np.int64]) -> Partition:
    return Partition(np.concatenate([part.rows, rows]), np.concatenate([part.labels, labels]), part.noise)


def _require_clips(words: Sequence[str], parts: Mapping[str, Partition]) -> None:
    for label, word in enumerate(words, start=partition.FIRST_WORD_LABEL):
        if not np.any(parts[TRAINING].labels == label):
            raise KwsError(
                f"every word needs clips to train on, but '{word}' has none that can be read: record some, "
                "drop the word, or add data.synthetic_per_word=300"
            )


def _digest(clip_digests: Sequence[str], parts: Mapping[str, Partition], noise: NDArray[np.int16]) -> str:
    """Hash what is trained and tested on: order of clips, samples, labels, partitions and noise."""
    hasher = hashlib.sha256(noise.data)
    for name in NAMES:
        part = parts[name]
        hasher.update(name.encode() + part.labels.tobytes() + part.noise.tobytes())
        hasher.update("".join(clip_digests[row] if row != SILENT else "-" for row in part.rows).encode())
    return hasher.hexdigest()[:16]
