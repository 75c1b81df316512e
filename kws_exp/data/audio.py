"""Audio files to clips: any rate, channel count and length in, 16 kHz mono int16 out.

A 16 kHz mono 16-bit file keeps its samples bit for bit. The surprising fact: of a recording longer than a
second the loudest second is kept, not the first, because that is where the word is.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kws_exp.schema import CLIP_SAMPLES, SAMPLE_RATE

SUFFIXES = (".wav", ".flac", ".ogg")


class UnreadableError(Exception):
    """A file that holds no audio; the message says why."""


def read(path: Path) -> NDArray[np.int16]:
    """Return the whole recording, shape (samples,), at 16 kHz.

    Raises:
        UnreadableError: the file is not audio, or holds no samples.
    """
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            exact = file.subtype == "PCM_16"
            # of a float file libsndfile makes integers without scaling: all zeros
            samples, rate = file.read(dtype="int16" if exact else "float32", always_2d=True), file.samplerate
    except (soundfile.LibsndfileError, OSError) as error:
        raise UnreadableError(str(error).replace(str(path), path.name)) from error
    if not len(samples):
        raise UnreadableError("no samples")
    if exact and samples.shape[1] == 1 and rate == SAMPLE_RATE:
        return np.ascontiguousarray(samples[:, 0])
    return _resampled(samples.mean(axis=1, dtype=np.float64) * (1 if exact else 32768), rate)


def fit(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """Bring a recording to one second: zeros after a short one, the loudest second of a long one."""
    if len(samples) <= CLIP_SAMPLES:
        clip = np.zeros(CLIP_SAMPLES, np.int16)  # np.pad takes 50 us, as long as opening the file
        clip[: len(samples)] = samples
        return clip
    energy = np.cumsum(np.square(samples, dtype=np.float64))
    windows = energy[CLIP_SAMPLES - 1 :] - np.concatenate(([0.0], energy[:-CLIP_SAMPLES]))
    start = int(np.argmax(windows))
    return samples[start : start + CLIP_SAMPLES]


def _resampled(samples: NDArray[np.float64], rate: int) -> NDArray[np.int16]:
    if rate != SAMPLE_RATE:
        from scipy.signal import resample_poly

        divisor = np.gcd(rate, SAMPLE_RATE)
        samples = resample_poly(samples, SAMPLE_RATE // divisor, rate // divisor)
    return np.clip(np.round(samples), -32768, 32767).astype(np.int16)
