"""Recordings of any length, block by block: any rate and channel count in, 16 kHz mono int16 out.

What comes out is what :func:`kws_exp.data.audio.read` gives for the whole file, sample for sample, in memory that does
not depend on its length. A 16 kHz mono 16-bit file keeps its samples. The surprising fact: libsndfile reads a WAV or
Ogg file that was cut off without a word, as if it were a shorter one; only its notes on the header tell.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_exp.data.audio import SUFFIXES
from kws_exp.errors import KwsError
from kws_exp.schema import SAMPLE_RATE

BLOCK_SECONDS = 10.0
FILTER_REACH = 10  # of scipy.signal.resample_poly's filter, in samples of the lower rate, to either side
_WAV_SIZES = re.compile(r"^data\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_NO_SIZE = 0x7FFF0000  # from here on what programs write that do not know the length yet
_NO_LAST_PAGE = "Last page lacks an end-of-stream bit"  # of an Ogg file


@dataclass(frozen=True)
class Recording:
    """What the header of a file says."""

    path: Path
    rate: int  # Hz
    samples: int  # at 16 kHz

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.samples / SAMPLE_RATE


def inspect(path: Path) -> Recording:
    """Read the header of a recording.

    Raises:
        KwsError: The file is not there, is no audio, holds no samples, or was cut off.
    """
    with _opened(path) as file:
        up, down = _ratio(file.samplerate)
        return Recording(path, file.samplerate, -(-file.frames * up // down))


def blocks(path: Path, seconds: float = BLOCK_SECONDS) -> Iterator[NDArray[np.int16]]:
    """Yield a recording at 16 kHz, some ``seconds`` at a time.

    Raises:
        KwsError: As :func:`inspect`, or it turns out on the way that the file is damaged or was cut off.
    """
    with _opened(path) as file:
        exact = file.subtype == "PCM_16"
        read = _read(file, path, max(1, round(seconds * file.samplerate)), exact)
        if exact and file.channels == 1 and file.samplerate == SAMPLE_RATE:
            for block in read:
                yield block[:, 0]
            return
        mono = (block.mean(axis=1, dtype=np.float64) * (1 if exact else 32768) for block in read)
        for block in resampled(mono, file.samplerate, seconds):
            yield np.clip(np.round(block), -32768, 32767).astype(np.int16)


def resampled(
    signal: Iterable[NDArray[np.float64]], rate: int, seconds: float = BLOCK_SECONDS
) -> Iterator[NDArray[np.float64]]:
    """Bring a signal, given in blocks of any sizes, to 16 kHz.

    Each stretch is filtered together with as much of its neighbours as the filter reaches, so that the result is, bit
    for bit, ``scipy.signal.resample_poly`` of the whole.

    Args:
        signal: Blocks (samples,).
        rate: Theirs, in Hz.
        seconds: Length of a stretch, and so, nearly, of the blocks that are yielded.
    """
    if rate == SAMPLE_RATE:
        yield from signal
        return
    from scipy.signal import resample_poly

    up, down = _ratio(rate)
    # every cut is at a multiple of ``down``, where a sample of the input and one of the output coincide
    margin = _multiple(FILTER_REACH * max(up, down) / up + 1, down)
    step = max(_multiple(seconds * rate, down), margin)
    held, before = np.zeros(0), 0  # samples; how many of them are there for the filter alone
    for block in _gathered(signal, step):
        held = np.concatenate([held, block])
        while len(held) >= before + step + margin:
            stretch = resample_poly(held[: before + step + margin], up, down)
            yield stretch[before * up // down : (before + step) * up // down]
            held, before = held[before + step - margin :], margin
    if len(held) > before:
        yield resample_poly(held, up, down)[before * up // down :]


def find(places: Iterable[Path]) -> list[Path]:
    """Return files as they are, and for folders all recordings in them, sorted.

    Raises:
        KwsError: A place does not exist, or a folder holds no recording.
    """
    found: list[Path] = []
    for place in places:
        inside = sorted(path for path in place.rglob("*") if path.suffix.lower() in SUFFIXES) if place.is_dir() else []
        if not inside and place.is_dir():
            raise KwsError(f"a folder must hold recordings ({', '.join(SUFFIXES)}), but {place} has none: name another")
        found += inside or [place]
    return found


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import soundfile

    if not path.is_file():
        raise KwsError(f"a recording must be a file that exists, but {path} does not: correct the path")
    try:
        with soundfile.SoundFile(path) as file:
            _check_whole(file, path)
            yield file
    except (soundfile.LibsndfileError, OSError) as error:
        reason = str(getattr(error, "error_string", error)).removeprefix("Error : ").rstrip(".")
        raise KwsError(
            f"{path} must be a recording in wav, flac or ogg, but cannot be read ({reason}): record or copy it again"
        ) from error


def _check_whole(file: Any, path: Path) -> None:
    if not file.frames:
        raise KwsError(f"{path} must hold sound, but it is empty: record or copy it again")
    sizes = _WAV_SIZES.search(file.extra_info)
    if sizes and int(sizes[2]) < int(sizes[1]) < _NO_SIZE:
        raise _cut_off(path, f"it holds {int(sizes[2]):,} of {int(sizes[1]):,} bytes")
    if _NO_LAST_PAGE in file.extra_info:
        raise _cut_off(path, "its last page is missing")


def _cut_off(path: Path, found: str) -> KwsError:
    return KwsError(
        f"{path} must be whole, but was cut off ({found}): copy it again, or save what there is of it as a new file"
    )


def _read(file: Any, path: Path, count: int, exact: bool) -> Iterator[NDArray[Any]]:
    """Yield blocks (samples, channels); of a float file libsndfile makes integers without scaling: all zeros."""
    done = 0
    while len(block := file.read(count, dtype="int16" if exact else "float32", always_2d=True)):
        if not exact and not np.isfinite(block).all():
            raise KwsError(f"{path} must hold sound, but some of its samples are not numbers: export it again")
        done += len(block)
        yield block
    if done < file.frames:
        raise _cut_off(path, f"it holds {done:,} of {file.frames:,} samples")


def _gathered(signal: Iterable[NDArray[np.float64]], size: int) -> Iterator[NDArray[np.float64]]:
    """Join blocks until they are of a size, so that a signal of tiny ones is not copied again for each of them."""
    waiting: list[NDArray[np.float64]] = []
    for block in signal:
        waiting.append(block)
        if sum(map(len, waiting)) >= size:
            yield np.concatenate(waiting)
            waiting = []
    if waiting:
        yield np.concatenate(waiting)


def _ratio(rate: int) -> tuple[int, int]:
    divisor = math.gcd(rate, SAMPLE_RATE)
    return SAMPLE_RATE // divisor, rate // divisor


def _multiple(least: float, of: int) -> int:
    return math.ceil(least / of) * of
