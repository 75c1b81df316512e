"""The scores of an exported model along a recording, as its device computes them.

The network runs when as many frames are there as it takes, then after every ``hop`` frames: what ``kws.c`` does, byte
for byte and at the same times. The surprising fact: a stream is not what the network was trained on, whose clips began
with an estimate of the noise of zero; :func:`difference` measures by how much.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import tee
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from kws_exp.errors import KwsError
from kws_exp.schema import SAMPLE_RATE
from kws_exp.stream import frames, recording
from kws_exp.stream.events import Scores
from kws_exp.stream.spotter import Spotter

CLIPS_AT_ONCE = 20  # as many frames as they have, some 20 s: 1,000 runs of the network, 0.1 s of tiny_conv
AHEAD = 4  # tasks of that size under way or waiting

Samples = Iterable[NDArray[np.int16]]  # blocks of any sizes, at 16 kHz
Progress = Callable[[str, int, int], None]  # what is done, how much, of how much


def silent(stage: str, done: int, total: int) -> None:
    """Tell nobody how far something is."""


@dataclass(frozen=True)
class Difference:
    """What the noise estimate of a stream changes, against clips that begin with an estimate of zero."""

    runs: int
    steps: float  # mean absolute difference of the network's inputs, of 256
    top: float  # share of the runs with another label on top


def score(path: Path, spotter: Spotter, hop: int | None = None, progress: Progress = silent) -> Scores:
    """Return the scores of a whole recording: 0.5 MB for an hour of six labels at the device's hop.

    Raises:
        KwsError: The recording cannot be read, or is shorter than what the network sees at once.
    """
    found = recording.inspect(path)
    if found.samples < spotter.samples:
        raise KwsError(
            f"a recording must be at least {spotter.samples / SAMPLE_RATE:g} s long, which is what the network sees at "
            f"once, but {path} has {found.seconds:.2f} s: take a longer one, or add silence"
        )
    parts = []
    for part in stream(recording.blocks(path), spotter, hop):
        parts.append(part)
        progress(f"seconds of {path.name}", round(part.seconds[-1]), round(found.seconds))
    seconds, values = (np.concatenate([getattr(part, name) for part in parts]) for name in ("seconds", "values"))
    return Scores(spotter.labels, seconds, values)


def stream(blocks: Samples, spotter: Spotter, hop: int | None = None, live: bool = False) -> Iterator[Scores]:
    """Yield the scores along a stream, in order.

    Args:
        blocks: Samples, of any number at a time.
        spotter: The model.
        hop: Frames from one run of the network to the next; None: as on the device.
        live: Yield each run as soon as its samples are there, instead of running ahead in threads.

    Raises:
        KwsError: The hop is none.
    """
    hop = _checked(hop, spotter)
    most = 1 if live else CLIPS_AT_ONCE * spotter.frames
    runs = frames.segments(frames.along(blocks, spotter, most), spotter.frames, hop, max(1, most // hop))
    first = 0
    for values in (spotter.infer(part, hop) for part in runs) if live else _ahead(runs, spotter, hop):
        ends = spotter.samples + np.arange(first, first + len(values)) * (hop * spotter.features.stride)
        yield Scores(spotter.labels, ends / SAMPLE_RATE, values)
        first += len(values)


def classify(clips: NDArray[np.int16], spotter: Spotter) -> NDArray[np.int8]:
    """Return the scores (clips, labels) of clips (clips, 16000), each in a stream of its own, as in training."""
    return _classified(frames.of_clips(clips, spotter), spotter)


def difference(blocks: Samples, spotter: Spotter, hop: int | None = None) -> Difference:
    """Compare each run of the network along a stream with one on the same samples as a clip of their own."""
    hop = _checked(hop, spotter)
    most, stride = max(1, CLIPS_AT_ONCE * spotter.frames // hop), hop * spotter.features.stride
    ours, theirs = tee(blocks)
    carried = frames.segments(frames.along(ours, spotter, CLIPS_AT_ONCE * spotter.frames), spotter.frames, hop, most)
    runs, steps, top = 0, 0.0, 0
    for seen, samples in zip(carried, frames.segments(theirs, spotter.samples, stride, most), strict=True):
        alone = frames.of_clips(sliding_window_view(samples, spotter.samples)[::stride], spotter)
        along = sliding_window_view(seen, spotter.frames, axis=0)[::hop].transpose(0, 2, 1)
        runs += len(along)
        steps += float(np.abs(along.astype(np.int16) - alone).mean(axis=(1, 2)).sum())
        top += int(np.sum(spotter.infer(seen, hop).argmax(axis=1) != _classified(alone, spotter).argmax(axis=1)))
    return Difference(runs, steps / max(1, runs), top / max(1, runs))


def _classified(inputs: NDArray[np.int8], spotter: Spotter) -> NDArray[np.int8]:
    """Run the network on (clips, frames, width): a stream whose hop is a clip."""
    return spotter.infer(inputs.reshape(-1, inputs.shape[2]), inputs.shape[1])


def _ahead(runs: Iterable[NDArray[np.int8]], spotter: Spotter, hop: int) -> Iterator[NDArray[np.int8]]:
    """Run the network in threads, while the frames of what comes next are made in this one."""
    waiting: deque[Future[NDArray[np.int8]]] = deque()
    with ThreadPoolExecutor(spotter.threads) as pool:
        try:
            for part in runs:
                waiting.append(pool.submit(spotter.infer, part, hop))
                if len(waiting) == AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _checked(hop: int | None, spotter: Spotter) -> int:
    hop = spotter.hop if hop is None else hop
    if not 1 <= hop <= spotter.frames:
        raise KwsError(
            f"the network must run every 1 to {spotter.frames} frames, which is what it sees at once, but the hop is "
            f"{hop}: give {min(max(hop, 1), spotter.frames)}"
        )
    return hop
