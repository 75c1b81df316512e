"""A stream of samples to the frames that the network gets, int8, whatever the sizes of the blocks.

The micro front end carries its estimate of the noise along the stream, as firmware does; the float front ends remember
nothing. The surprising fact: theirs are computed a clip's worth at a time, since a product of matrices of another shape
may sum in another order, and then a byte of the network's input may differ from training's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from kws_exp import features as front_ends
from kws_exp.export.quantize import quantize
from kws_exp.features import micro
from kws_exp.schema import Features
from kws_exp.stream.spotter import Spotter

FULL_SCALE = np.float32(32768)


def segments(blocks: Iterable[NDArray[Any]], length: int, stride: int, most: int) -> Iterator[NDArray[Any]]:
    """Cut a stream into stretches that hold ``most`` windows each, the last one fewer; no window comes twice.

    Args:
        blocks: (n, ...), of any n.
        length: Of a window.
        stride: From the start of a window to that of the next, which may be more than a length.
        most: Windows.
    """
    held: NDArray[Any] | None = None
    start = 0  # of the next window in what is held, or after it
    size = (most - 1) * stride + length
    for block in blocks:
        held = block if held is None else np.concatenate([held, block])
        while len(held) >= start + size:
            yield held[start : start + size]
            start += most * stride
            held, start = held[start:], max(0, start - len(held))
    if held is not None and len(held) >= start + length:
        last = (len(held) - start - length) // stride
        yield held[start : start + last * stride + length]


def along(blocks: Iterable[NDArray[np.int16]], spotter: Spotter, most: int) -> Iterator[NDArray[np.int8]]:
    """Yield the frames (n, width) of a stream, at most ``most`` at a time."""
    settings = spotter.features
    pieces = segments(blocks, settings.window, settings.stride, most)
    if isinstance(settings, micro.Micro):
        return _carried(pieces, settings)
    return (quantize(values, spotter.scale, spotter.zero_point) for values in _without_memory(pieces, settings))


def floats(blocks: Iterable[NDArray[np.int16]], settings: Features, most: int) -> Iterator[NDArray[np.float32]]:
    """Yield the frames (n, width) of a stream as a network in training gets them, at most ``most`` at a time."""
    pieces = segments(blocks, settings.window, settings.stride, most)
    if isinstance(settings, micro.Micro):
        decode = front_ends.compact(settings).decode
        return (decode(values) for values in _carried(pieces, settings))
    return _without_memory(pieces, settings)


def of_clips(clips: NDArray[np.int16], spotter: Spotter) -> NDArray[np.int8]:
    """Return the frames (clips, frames, width) of clips (clips, samples), each a stream of its own, as in training."""
    settings = spotter.features
    if isinstance(settings, micro.Micro):
        return micro.quantize(micro.pcm_features(settings)(clips), settings)
    return quantize(front_ends.build(settings)(clips / FULL_SCALE), spotter.scale, spotter.zero_point)


def _carried(pieces: Iterable[NDArray[np.int16]], settings: micro.Micro) -> Iterator[NDArray[np.int8]]:
    from kws_exp.features import micro_kernel, micro_tables

    tables = micro_tables.tables(settings)
    noise = np.zeros((1, settings.bins), np.uint32)
    for piece in pieces:
        values = micro_kernel.extract(np.ascontiguousarray(piece)[np.newaxis], tables, noise)
        yield micro.quantize(values[0], settings)


def _without_memory(pieces: Iterable[NDArray[np.int16]], settings: Features) -> Iterator[NDArray[np.float32]]:
    extract = front_ends.build(settings)
    for piece in pieces:
        size = 1 + (len(piece) - settings.window) // settings.stride
        clips = -(-size // settings.frames)
        audio = np.zeros((clips * settings.frames - 1) * settings.stride + settings.window, np.float32)
        audio[: len(piece)] = piece / FULL_SCALE
        cut = sliding_window_view(audio, settings.samples)[:: settings.frames * settings.stride]
        yield extract(cut).reshape(-1, settings.width)[:size]
