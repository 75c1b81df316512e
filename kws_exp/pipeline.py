"""Training batches, made ahead of the step that needs them.

Batch ``n`` depends on the seed and ``n`` alone (:mod:`kws_exp.augment`), so threads make several at once and the
order in which they finish does not matter. All that takes time in them runs without the interpreter's lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kws_exp import augment
from kws_exp.cpu import cores
from kws_exp.data import TRAINING, Dataset
from kws_exp.features import Extract
from kws_exp.schema import Config, Train

Batch = tuple[NDArray[np.float32], NDArray[np.int64]]  # features (batch, frames, width), labels (batch,)
CLIPS = 100  # of a partition at a time in each thread: 6.4 MB of audio
REMEMBERED = 4  # partitions' features; 8 MB for 1,000 clips at 49x40


def features_and_labels(features: Any, labels: Any) -> tuple[Any, Any]:
    """Return what the training step gets where its batches are made outside of it."""
    return features, labels


@dataclass(frozen=True)
class Source:
    """Where training batches come from.

    Attributes:
        like: Shape and type of each array of a batch.
        put: Fills these arrays for a step, in any thread: ``put(step, *arrays)``.
        read: Makes features (batch, frames, width) and labels (batch,) of them, in TensorFlow's graph.
    """

    like: tuple[tuple[tuple[int, ...], DTypeLike], ...]
    put: Callable[..., None]
    read: Callable[..., tuple[Any, Any]] = features_and_labels


@dataclass(frozen=True)
class Group:
    """The batches of consecutive steps, for one call of the training step."""

    steps: range
    arrays: tuple[NDArray[Any], ...]  # (steps, ...) each, see Source.like
    parts: list[Future[None]] = field(default_factory=list)  # that fill them


def fresh(config: Config, dataset: Dataset, extract: Extract) -> Source:
    """Return the source of batches that are augmented anew for each step."""
    part = dataset.partitions[TRAINING]

    def put(step: int, found: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
        draws = augment.training_draws(part, config.augment, config.train.batch_size, config.seed, step)
        found[:], labels[:] = extract(augment.render(draws, dataset.clips, dataset.noise)), draws.labels
        augment.hide(draws.masks, found)

    return Source(like(config), put)


def like(config: Config) -> tuple[tuple[tuple[int, ...], DTypeLike], ...]:
    """Return shape and type of the features and of the labels of a batch."""
    size = config.train.batch_size
    return ((size, config.features.frames, config.features.width), np.float32), ((size,), np.int64)


def batch(source: Source, step: int) -> tuple[NDArray[Any], ...]:
    """Return the arrays of a step."""
    arrays = tuple(np.empty(shape, kind) for shape, kind in source.like)
    source.put(step, *arrays)
    return arrays


def groups(
    settings: Train, source: Source, first: int, last: int, most: Callable[[], int]
) -> Generator[Group, None, None]:
    """Yield the batches of steps ``first`` to ``last``, both included, in groups.

    Args:
        settings: the steps at which something is to be done: a group ends there.
        source: makes each batch, in any thread.
        first: step.
        last: step.
        most: how many steps a group may have, asked when its batches are begun.
    """
    planned = spans(first, last, settings, most)
    waiting: deque[Group] = deque()

    def fill(group: Group, place: int) -> None:
        source.put(group.steps[place], *(array[place] for array in group.arrays))

    def begin(steps: range) -> Group:
        group = Group(steps, tuple(np.empty((len(steps), *shape), kind) for shape, kind in source.like))
        group.parts.extend(pool.submit(fill, group, place) for place in range(len(steps)))
        return group

    with ThreadPoolExecutor(cores()) as pool:
        try:
            while True:
                ahead = max(2 * most(), cores())
                while sum(len(group.steps) for group in waiting) < ahead and (steps := next(planned, None)):
                    waiting.append(begin(steps))
                if not waiting:
                    return
                for part in waiting[0].parts:
                    part.result()
                yield waiting.popleft()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def spans(first: int, last: int, settings: Train, most: Callable[[], int]) -> Iterator[range]:
    """Divide steps ``first`` to ``last``, both included, into spans that end where the loop has something to do."""
    intervals = settings.log_interval, settings.eval_interval, settings.save_interval
    while first <= last:
        ends = (first + (-first) % interval for interval in intervals)
        end = min(*ends, last, first + most() - 1)
        yield range(first, end + 1)
        first = end + 1


def partition_features(config: Config, dataset: Dataset, extract: Extract, name: str) -> NDArray[np.float32]:
    """Return the features of a whole partition, shape (clips, frames, width); the data set remembers them."""
    known, key = dataset.features, f"{name} {config.seed} {config.features}"
    if key not in known:
        while len(known) >= REMEMBERED:
            del known[next(iter(known))]
        shape = (0, config.features.frames, config.features.width)
        draws = augment.evaluation_draws(dataset.partitions[name], config.seed, name)

        def features(piece: augment.Draws) -> NDArray[np.float32]:
            return extract(augment.render(piece, dataset.clips, dataset.noise))

        with ThreadPoolExecutor(cores()) as pool:
            chunks = list(pool.map(features, augment.pieces(draws, CLIPS)))
        known[key] = np.concatenate([np.zeros(shape, np.float32), *chunks])
    return known[key]
