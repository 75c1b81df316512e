"""A bank in the memory of a GPU: the training step takes and decodes its batches there.

What goes from the host to the device for each step is the rows and labels that were drawn, 1.6 kB for a hundred clips,
in place of their features, 0.8 MB. The surprising fact: it is the same bank (:mod:`kws_exp.bank`), made by the host's
cores, so that a GPU trains on the very bytes that a processor does, and the micro front end stays the device's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kws_exp import augment, features, framework
from kws_exp.data import TRAINING, Dataset
from kws_exp.pipeline import Source
from kws_exp.schema import Config

MOST_BYTES = 4_000_000_000  # of a bank: half of the memory of a small GPU
GPU = "/GPU:0"


def fits(variants: NDArray[Any]) -> bool:
    """Whether there is a GPU, and room for a bank in its memory."""
    return framework.has_gpu() and variants.nbytes <= MOST_BYTES


def source(config: Config, dataset: Dataset, variants: NDArray[Any], device: str = GPU) -> Source:
    """Return the source of batches from a bank (variants, clips, frames, width), copied to the device."""
    import tensorflow as tf

    part, kept = dataset.partitions[TRAINING], features.compact(config.features)
    count, clips, frames, width = variants.shape
    with tf.device(device):
        table = tf.constant(variants.reshape(-1, frames, width))
    size = config.train.batch_size
    masked = bool(config.augment.time_mask_ms or config.augment.frequency_mask)
    shapes: list[tuple[tuple[int, ...], DTypeLike]] = [((size,), np.int64), ((size,), np.int64)]
    shapes += [((size, 2), np.int64)] * 2 * masked

    def put(step: int, rows: NDArray[np.int64], labels: NDArray[np.int64], *hidden: NDArray[np.int64]) -> None:
        drawn = augment.bank_draws(clips, count, config.augment, size, config.seed, step)
        rows[:], labels[:] = drawn.variants * clips + drawn.clips, part.labels[drawn.clips]
        for array, drawn_ends in zip(hidden, augment.ends(drawn.masks, frames, width), strict=masked):
            array[:] = drawn_ends

    def read(rows: Any, labels: Any, *hidden: Any) -> tuple[Any, Any]:
        values = tf.gather(table, rows)
        if values.dtype != tf.float32:
            values = (tf.cast(values, tf.float32) + kept.offset) * kept.scale
        return _hide(values, *hidden) if hidden else values, labels

    return Source(tuple(shapes), put, read)


def _hide(values: Any, frames: Any, bins: Any) -> Any:
    """Do what :func:`kws_exp.augment.hide` does; a mean may differ in its last bits."""
    import tensorflow as tf

    in_time = _within(frames, values.shape[1])[:, :, tf.newaxis]
    in_band = _within(bins, values.shape[2])[:, tf.newaxis, :]
    return tf.where(in_time | in_band, tf.reduce_mean(values, axis=(1, 2), keepdims=True), values)


def _within(ends: Any, size: int) -> Any:
    import tensorflow as tf

    at = tf.range(size, dtype=tf.int64)[tf.newaxis]
    return (at >= ends[:, :1]) & (at < ends[:, 1:])
