"""Clips per second of every front end, beside the classic trainer's way: ``python -m benchmarks.features``.

The classic's way is one call of TensorFlow's AudioSpectrogram and Mfcc ops per clip, in a compiled graph
without decoding and augmentation, so that the ratio is of features alone. All take turns in one process, the
best of 15 rounds counts, and seconds are processor time, so that the ratios hold on a busy machine. The micro front
end, which releases the interpreter's lock, is then measured with two threads, as training runs it, by the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_exp.features import FRONT_ENDS, Extract, build

CLIPS = 100
THREADS = 2  # as training on two cores
ROUNDS = 15


def classic(stride: int) -> Callable[[NDArray[np.float32]], Any]:
    """Return the classic's mfcc of a batch: one call per clip."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.float32)])
    def one(clip: Any) -> Any:
        spectrogram = tf.raw_ops.AudioSpectrogram(input=clip, window_size=480, stride=stride, magnitude_squared=True)
        return tf.raw_ops.Mfcc(spectrogram=spectrogram, sample_rate=16_000, dct_coefficient_count=40)

    return lambda audio: [one(clip[:, None]).numpy() for clip in audio]


def threaded(extract: Extract, audio: NDArray[np.float32]) -> float:
    """Return clips per second by the clock, each of :data:`THREADS` threads at work on a batch."""
    best = float("inf")
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(ROUNDS):
            start = time.perf_counter()
            list(pool.map(extract, [audio] * THREADS))
            best = min(best, time.perf_counter() - start)
    return THREADS * len(audio) / best


def main() -> None:
    """Measure and print."""
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, (CLIPS, 16_000)).astype(np.float32)
    print(f"{'front end':<10}{'stride':>8}{'clips/s per core':>18}{'to the classic':>16}{f'{THREADS} threads':>12}")
    for stride_ms in (20, 10):
        ways = {"classic": classic(stride_ms * 16)}
        ways |= {name: build(end.settings(name, stride_ms=stride_ms)) for name, end in FRONT_ENDS.items()}
        best = dict.fromkeys(ways, float("inf"))
        for _ in range(ROUNDS):
            for name, extract in ways.items():
                start = time.process_time()
                extract(audio)
                best[name] = min(best[name], time.process_time() - start)
        for name, seconds in best.items():
            ratio = best["classic"] / seconds
            both = f"{threaded(ways[name], audio):>12,.0f}" if name == "micro" else ""
            print(f"{name:<10}{stride_ms:>5} ms{CLIPS / seconds:>18,.0f}{ratio:>15.1f}x{both}")


if __name__ == "__main__":
    main()
