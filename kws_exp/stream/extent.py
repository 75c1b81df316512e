"""Where in a clip its word is, by energy.

The surprising fact: the first and the last loud moment will not do. A clip may hold a click or a breath beside its
word, so it is the stretch with the most energy that counts; and the "x" of "six" is silence, so a stretch goes on
across short gaps.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from kws_exp.schema import SAMPLE_RATE

FRAME, STEP = SAMPLE_RATE // 50, SAMPLE_RATE // 100  # 20 ms, every 10 ms
SHARE = 1 / 3  # of the way from noise to the loudest frame
RANGE_DB = 30.0  # a fricative at either end of a word may be that far below its vowel
GAP = 15  # steps: the closure of a plosive lasts up to 0.15 s


def extent(clip: NDArray[np.int16]) -> tuple[int, int]:
    """Return begin and end, in samples, of the word in a clip (samples,) of at least 20 ms.

    A frame is loud when its level is at least a third of the way, in decibels, from the clip's noise (the tenth
    percentile) to its loudest frame, and not more than 30 dB below that. From a third, 120 recorded "yes" last 0.49 s
    in the median and 0.27 to 0.69 s in eight of ten; from a half the "s" is lost in many, from a quarter noise counts.
    Loud frames that are at most 0.15 s apart make a stretch; the word is the stretch with the most energy. A clip
    without any sound is all word.
    """
    frames = sliding_window_view(clip.astype(np.float32), FRAME)[::STEP]
    energy = np.mean(np.square(frames), axis=1) + 1
    level = 10 * np.log10(energy)
    loudest, noise = float(level.max()), float(np.percentile(level, 10))
    loud = np.flatnonzero(level >= max(loudest - RANGE_DB, noise + (loudest - noise) * SHARE))
    stretches = np.split(loud, np.flatnonzero(np.diff(loud) > GAP) + 1)
    word = max(stretches, key=lambda stretch: float(energy[stretch].sum()))
    return int(word[0]) * STEP, int(word[-1]) * STEP + FRAME
