"""Real numbers to int8 and back, exactly as TensorFlow Lite's reference kernels do it.

The proof and the logged model put features into the network through :func:`quantize`; it imports NumPy alone.
Halves round away from zero, as in ``TfLiteRound``; ``np.round`` would send them to the even neighbour.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def quantize(features: NDArray[np.float32], scale: float, zero_point: int) -> NDArray[np.int8]:
    """Return ``round(features / scale) + zero_point``, saturated to int8 (any shape).

    The quotient is single precision, as in ``tflite::AffineQuantize``; only the rounding is done in double,
    where adding a half is exact.
    """
    quotient = (np.asarray(features, np.float32) / np.float32(scale)).astype(np.float64)
    rounded = np.trunc(quotient + np.copysign(0.5, quotient))
    return np.clip(rounded + zero_point, -128, 127).astype(np.int8)


def dequantize(values: NDArray[np.int8], scale: float, zero_point: int) -> NDArray[np.float32]:
    """Return ``(values - zero_point) * scale`` as float32 (any shape)."""
    return (values.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)


def span(calibration: NDArray[np.float32], low: float, high: float) -> NDArray[np.float32]:
    """Return the calibration clips, shape (clips, ...), with their extremes moved to ``low`` and ``high``.

    The converter takes the range of the input from the values that it sees. Moving one value of hundreds of clips
    at each end fixes that range and leaves those of the layers within a step of where they were.
    """
    moved = np.array(calibration, np.float32)
    flat = moved.reshape(-1)
    lowest, highest = flat.argmin(), flat.argmax()
    flat[lowest], flat[highest] = low, high
    return moved
