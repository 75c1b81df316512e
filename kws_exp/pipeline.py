"""Training batches, made ahead of the step that needs them.

Batch ``n`` depends on the seed and ``n`` alone (:mod:`kws_exp.augment`), so threads make several at once and the
order in which they finish does not matter. NumPy and SciPy release the interpreter's lock in all that takes time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from kws_exp import augment
from kws_exp.cpu import cores
from kws_exp.data import TRAINING, Dataset
from kws_exp.features import Extract
from kws_exp.schema import Config

Batch = tuple[NDArray[np.float32], NDArray[np.int64]]  # features (batch, frames, width), labels (batch,)
REMEMBERED = 4  # partitions' features; 8 MB for 1,000 clips at 49x40
AHEAD = 4  # batches under way or waiting; 1 MB each at 49x40


def batches(config: Config, dataset: Dataset, extract: Extract, first: int, last: int) -> Generator[Batch, None, None]:
    """Yield the batches of steps ``first`` to ``last``, both included."""
    part = dataset.partitions[TRAINING]

    def make(step: int) -> Batch:
        draws = augment.training_draws(part, config.augment, config.train.batch_size, config.seed, step)
        features = extract(augment.render(draws, dataset.clips, dataset.noise))
        return augment.hide(draws, features), draws.labels

    waiting: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(min(cores(), 2)) as pool:
        try:
            for step in range(first, last + 1):
                waiting.append(pool.submit(make, step))
                if len(waiting) == AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def partition_features(config: Config, dataset: Dataset, extract: Extract, name: str) -> NDArray[np.float32]:
    """Return the features of a whole partition, shape (clips, frames, width); the data set remembers them."""
    known, key = dataset.features, f"{name} {config.seed} {config.features}"
    if key not in known:
        while len(known) >= REMEMBERED:
            del known[next(iter(known))]
        shape = (0, config.features.frames, config.features.width)
        chunks = [extract(audio) for audio in augment.evaluation_audio(dataset, name, config.seed)]
        known[key] = np.concatenate([np.zeros(shape, np.float32), *chunks])
    return known[key]
