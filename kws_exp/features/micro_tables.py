"""Every constant of the TensorFlow Lite Micro front end, computed once: for training, for Python and for the device.

Follows window_util.c, filterbank_util.c, noise_reduction_util.c, pcan_gain_control_util.c and log_lut.c of
TensorFlow Lite Micro's microfrontend, and kiss_fft for the twiddle factors. The surprising fact: the C code
computes its tables when it starts, in single precision, and one C library's ``log1pf`` gives other filter weights
than another's. So the generated program computes none: it carries these.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kws_exp.features.log1p import log1p
from kws_exp.schema import SAMPLE_RATE

if TYPE_CHECKING:
    from kws_exp.features.micro import Micro

WINDOW_BITS = 12
FILTER_BITS = 12
SMOOTHING_UNIT_BITS = 14
SNR_BITS = 12
LOG_SEGMENTS = 128
LOG_UNIT = 1 << 16


class Tables(NamedTuple):
    """What the arithmetic of :mod:`kws_exp.features.micro_kernel` needs; Numba takes a named tuple as it is.

    A frequency belongs to one filter: ``weights`` of it goes to that filter and ``unweights`` to the next. The
    first ``widths[0]`` frequencies from ``first_bin`` on are the rising side of filter 0, and so on; what falls
    before filter 0 is dropped.
    """

    window: NDArray[np.int16]  # (window,) Hann, 4096 is 1
    stride: int  # samples
    fft_size: int  # real samples, a power of two; the complex FFT within has half as many
    radices: NDArray[np.int64]  # of the complex FFT's stages, outermost first: 4, ..., 4 or 4, ..., 4, 2
    order: NDArray[np.int64]  # (fft_size / 2,) which complex input each place of the first stage takes
    twiddles: NDArray[np.int16]  # (fft_size / 2, 2) cosine and sine, 32767 is 1
    real_twiddles: NDArray[np.int16]  # (fft_size / 4, 2) that take the complex FFT apart into the real one
    first_bin: int
    widths: NDArray[np.int16]  # (channels + 1,) frequencies
    weights: NDArray[np.int16]  # (sum of widths,) 4096 is 1
    unweights: NDArray[np.int16]
    smoothing_bits: int  # fraction bits of the noise estimate
    even_smoothing: int  # 16384 is 1, as in the next two
    odd_smoothing: int
    min_signal_remaining: int
    pcan: bool
    gain: NDArray[np.int16]  # (125,) a value and two slopes for each power of two of the noise estimate
    snr_shift: int
    log: bool
    logarithm: NDArray[np.int16]  # (129,) what log2(1 + x) exceeds x by, 65536 is 1
    correction_bits: int  # that undo the FFT's and the filters' scaling
    scale_shift: int  # fraction bits of the output


def tables(settings: Micro) -> Tables:
    """Compute the constants that belong to some settings, which :func:`kws_exp.features.micro.validate` accepts."""
    window = settings.window
    fft_size = 1 << (window - 1).bit_length()
    correction_bits = fft_size.bit_length() - 1 - FILTER_BITS // 2
    first_bin, widths, weights, unweights = filterbank(fft_size, settings.bins, settings.lower_hz, settings.upper_hz)
    radices = _radices(fft_size // 2)
    angle = -2 * np.pi * np.arange(fft_size // 2) / (fft_size // 2)
    real_angle = -np.pi * (np.arange(1, fft_size // 4 + 1) / (fft_size // 2) + 0.5)
    return Tables(
        window=hann(window),
        stride=settings.stride,
        fft_size=fft_size,
        radices=np.array(radices, np.int64),
        order=np.array(_order(fft_size // 2, radices), np.int64),
        twiddles=_unit_circle(angle),
        real_twiddles=_unit_circle(real_angle),
        first_bin=first_bin,
        widths=widths,
        weights=weights,
        unweights=unweights,
        smoothing_bits=settings.smoothing_bits,
        even_smoothing=_share(settings.even_smoothing),
        odd_smoothing=_share(settings.odd_smoothing),
        min_signal_remaining=_share(settings.min_signal_remaining),
        pcan=settings.pcan,
        gain=gain_table(settings, settings.smoothing_bits - correction_bits),
        snr_shift=settings.pcan_gain_bits - correction_bits - SNR_BITS,
        log=settings.log,
        logarithm=log_table(),
        correction_bits=correction_bits,
        scale_shift=settings.log_scale_shift,
    )


def hann(length: int) -> NDArray[np.int16]:
    """Return the symmetric Hann window; step and cosine are in single precision, as the C code has them."""
    step = np.float32(2 * np.pi / length)
    cosine = np.cos(float(step) * (np.arange(length) + 0.5)).astype(np.float32)
    half = np.float32(0.5)
    return _rounded((half - half * cosine) * np.float32(1 << WINDOW_BITS))


def filterbank(
    fft_size: int, channels: int, lower_hz: float, upper_hz: float
) -> tuple[int, NDArray[np.int16], NDArray[np.int16], NDArray[np.int16]]:
    """Return first frequency, widths, weights and unweights of triangular filters, in single precision.

    The order of the operations is that of the C code: another one rounds otherwise.
    """
    hz_per_bin = np.float32(0.5) * np.float32(SAMPLE_RATE) / np.float32(fft_size // 2)
    low, high = _mel(np.float32(lower_hz)), _mel(np.float32(upper_hz))
    spacing = (high - low) / np.float32(channels + 1)
    centres = low + spacing * np.arange(1, channels + 2).astype(np.float32)
    first = int(np.float32(1.5) + np.float32(lower_hz) / hz_per_bin)  # 0 Hz is always left out
    mels = _mel(np.arange(fft_size // 2 + 1).astype(np.float32) * hz_per_bin)
    ends = np.maximum(first, np.searchsorted(mels, centres, side="right"))
    widths = np.diff(ends, prepend=first)
    left = np.repeat(np.concatenate([[low], centres[:-1]]), widths).astype(np.float32)
    right = np.repeat(centres, widths)
    share = (right - mels[first : ends[-1]]) / (right - left)
    unit = np.float32(1 << FILTER_BITS)
    return first, widths.astype(np.int16), _rounded(share * unit), _rounded((np.float32(1) - share) * unit)


def gain_table(settings: Micro, input_bits: int) -> NDArray[np.int16]:
    """Return 2**gain_bits * (x + offset)**-strength as 31 parabolas in x, one for each power of two (PCAN)."""

    def gain(x: int) -> int:
        value = (1 << settings.pcan_gain_bits) * (
            x * 2.0**-input_bits + settings.pcan_offset
        ) ** -settings.pcan_strength
        return min(math.floor(value + 0.5), 0x7FFF)

    table = np.zeros(125, np.int16)
    table[0], table[1] = gain(0), gain(1)
    for interval in range(2, 33):
        start = 1 << (interval - 1)
        end = 2 * start - (interval == 32)
        at_start, rise, total = gain(start), gain(start + start // 2) - gain(start), gain(end) - gain(start)
        slope = 4 * rise - total
        table[4 * interval - 6 :][:3] = at_start, slope, total - slope
    return table


def log_table() -> NDArray[np.int16]:
    """Return (log2(1 + x) - x) * 65536 for x = 0, 1/128, ..., 1."""
    x = np.arange(LOG_SEGMENTS + 1) / LOG_SEGMENTS
    return _rounded((np.log2(1 + x) - x) * LOG_UNIT)


def _mel(hz: NDArray[np.float32] | np.float32) -> NDArray[np.float32]:
    return np.float32(1127) * log1p(np.asarray(hz / np.float32(700), np.float32))


def _unit_circle(angle: NDArray[np.float64]) -> NDArray[np.int16]:
    return _rounded(32767 * np.stack([np.cos(angle), np.sin(angle)], axis=1))


def _rounded(values: NDArray[np.floating]) -> NDArray[np.int16]:
    return np.floor(values + values.dtype.type(0.5)).astype(np.int16)


def _share(value: float) -> int:
    return int(value * (1 << SMOOTHING_UNIT_BITS))


def _radices(size: int) -> list[int]:
    """Return the stages of a complex FFT, outermost first, as kiss_fft divides a power of two."""
    radices = []
    while size > 1:
        radix = 4 if size % 4 == 0 else 2
        radices.append(radix)
        size //= radix
    return radices


def _order(size: int, radices: list[int], start: int = 0, step: int = 1) -> list[int]:
    """Return the inputs in the order in which the innermost stage takes them."""
    if not radices:
        return [start]
    parts = (_order(size, radices[1:], start + step * i, step * radices[0]) for i in range(radices[0]))
    return [place for part in parts for place in part]
