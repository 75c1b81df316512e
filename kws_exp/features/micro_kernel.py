"""The arithmetic of the TensorFlow Lite Micro front end, compiled by Numba.

Integers only, with every rounding and every overflow of the C code (frontend.c and what it calls; kiss_fft in 16
bits). Frames do not depend on each other up to the filters' square root, so :func:`_filter_frames` takes ``LANES``
of them side by side, one in each lane of the processor's vectors; noise reduction goes through a clip in order.
The surprising fact: Numba widens whatever it can to 64 bits, and the casts around each step are what lets sixteen
lanes fit where two did. The kernel is one file, long as it is, because Numba's cache does not notice that a function
in another file has changed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kws_exp.compiled import compiled
from kws_exp.features.micro_tables import Tables

LANES = 32  # 2 x 256 x 32 values of 16 bits: the FFT of a block stays in the first-level cache
TILE = 16  # pairs of samples in a cache line of 64 bytes
i16, i32, i64, u32, u64, f32 = np.int16, np.int32, np.int64, np.uint32, np.uint64, np.float32


@compiled
def pcm(audio: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return clips (clips, samples) in [-1, 1] as the microphone gives them: rounded, halves to even, and limited."""
    result = np.empty(audio.shape, i16)
    for clip in range(len(audio)):
        for at in range(audio.shape[1]):
            result[clip, at] = i16(min(max(np.rint(audio[clip, at] * f32(32768)), f32(-32768)), f32(32767)))
    return result


@compiled
def extract(pcm: NDArray[np.int16], tables: Tables, noise: NDArray[np.uint32]) -> NDArray[np.uint16]:
    """Return the features of clips, each from its own estimate of the noise.

    Args:
        pcm: (clips, samples).
        tables: The constants.
        noise: (clips, channels), zeros where a stream begins; carried on to the end of the clip, in place.

    Returns:
        (clips, frames, channels), as the device has them.
    """
    clips, samples = pcm.shape
    frames = 1 + (samples - len(tables.window)) // tables.stride
    channels = len(tables.widths) - 1
    energies = np.empty((clips * frames, channels), u32)
    _filter_frames(pcm, frames, tables, energies)
    features = np.empty((clips, frames, channels), np.uint16)
    for clip in range(clips):
        for frame in range(frames):
            _finish(energies[clip * frames + frame], tables, noise[clip], features[clip, frame])
    return features


@compiled
def _filter_frames(pcm: NDArray[np.int16], frames: int, tables: Tables, energies: NDArray[np.uint32]) -> None:
    """Window, FFT, filters and square root of all frames into ``energies`` (clips * frames, channels)."""
    half = tables.fft_size // 2
    windowed = np.zeros((LANES, tables.fft_size), i16)
    real, imaginary = np.empty((half, LANES), i16), np.empty((half, LANES), i16)
    power = np.empty((half + 1, LANES), i32)
    place = np.empty(half, i64)
    for index in range(half):
        place[tables.order[index]] = index
    shifts = np.zeros(LANES, i64)
    sums = np.empty((len(tables.widths) + 1, LANES), u64)
    total = len(energies)
    for first in range(0, total, LANES):
        lanes = min(LANES, total - first)
        for lane in range(lanes):
            clip, frame = divmod(first + lane, frames)
            start = frame * tables.stride
            shifts[lane] = _window(pcm[clip, start : start + len(tables.window)], tables.window, windowed[lane])
        _transpose(windowed, place, real, imaginary)
        _complex_fft(real, imaginary, tables.radices, tables.twiddles)
        _real_power(real, imaginary, tables.real_twiddles, power)
        _filter(power, tables, sums)
        for lane in range(lanes):
            for channel in range(energies.shape[1]):
                energies[first + lane, channel] = _root(sums[channel + 1, lane]) >> shifts[lane]


@compiled
def _window(samples: NDArray[np.int16], window: NDArray[np.int16], windowed: NDArray[np.int16]) -> int:
    """Write a windowed frame, scaled up to 16 bits; return by how many bits."""
    largest = i32(0)
    for index in range(len(window)):
        value = i32(i32(i32(samples[index]) * i32(window[index])) >> i32(12))
        windowed[index] = value
        size = i32(abs(value))
        if size < i32(32768):  # -32768 has no 16-bit negative: the C code passes over it
            largest = max(largest, size)
    shift = 15 - _bits(largest)
    for index in range(len(window)):
        windowed[index] = i16(i32(windowed[index]) << i32(shift))
    return shift


@compiled
def _transpose(
    windowed: NDArray[np.int16], place: NDArray[np.int64], real: NDArray[np.int16], imaginary: NDArray[np.int16]
) -> None:
    """Put each frame's even and odd samples, as real and imaginary parts, where the first FFT stage wants them."""
    pairs = windowed.view(i32)  # one move for both
    packed = np.empty(real.shape, i32)
    for first in range(0, len(place), TILE):
        for lane in range(LANES):
            for pair in range(first, min(first + TILE, len(place))):
                packed[place[pair], lane] = pairs[lane, pair]
    for index in range(len(packed)):
        for lane in range(LANES):
            real[index, lane] = i16(packed[index, lane])
            imaginary[index, lane] = i16(packed[index, lane] >> i32(16))


@compiled
def _plus(a: int, b: int) -> int:
    return i16(i32(a) + i32(b))


@compiled
def _minus(a: int, b: int) -> int:
    return i16(i32(a) - i32(b))


@compiled
def _product(a: int, b: int) -> int:
    """Multiply two fractions of 15 bits, rounding: (a b + 2^14) >> 15, written so that one instruction does it."""
    return i16(i32(i32(i32(i32(a) * i32(b)) >> i32(14)) + i32(1)) >> i32(1))


@compiled
def _complex_fft(
    real: NDArray[np.int16], imaginary: NDArray[np.int16], radices: NDArray[np.int64], twiddles: NDArray[np.int16]
) -> None:
    size, span = len(real), 1
    for stage in range(len(radices) - 1, -1, -1):
        radix = radices[stage]
        stride = size // (span * radix)
        for start in range(0, size, span * radix):
            for k in range(span):
                if radix == 4:
                    _butterfly4(real, imaginary, start + k, span, twiddles, k * stride)
                else:
                    _butterfly2(real, imaginary, start + k, span, twiddles, k * stride)
        span *= radix


@compiled
def _turned_real(a: int, b: int, cosine: int, sine: int) -> int:
    return i16(i32(i32(i32(i32(a) * cosine) - i32(i32(b) * sine)) + i32(16384)) >> i32(15))


@compiled
def _turned_imaginary(a: int, b: int, cosine: int, sine: int) -> int:
    return i16(i32(i32(i32(i32(a) * sine) + i32(i32(b) * cosine)) + i32(16384)) >> i32(15))


@compiled
def _butterfly4(
    real: NDArray[np.int16],
    imaginary: NDArray[np.int16],
    at: int,
    span: int,
    twiddles: NDArray[np.int16],
    turn: int,
) -> None:
    c1, s1 = i32(twiddles[turn, 0]), i32(twiddles[turn, 1])
    c2, s2 = i32(twiddles[2 * turn, 0]), i32(twiddles[2 * turn, 1])
    c3, s3 = i32(twiddles[3 * turn, 0]), i32(twiddles[3 * turn, 1])
    quarter = i16(8191)  # 32767 / 4
    for lane in range(LANES):
        r0, i0 = _product(real[at, lane], quarter), _product(imaginary[at, lane], quarter)
        a, b = _product(real[at + span, lane], quarter), _product(imaginary[at + span, lane], quarter)
        r1, i1 = _turned_real(a, b, c1, s1), _turned_imaginary(a, b, c1, s1)
        a, b = _product(real[at + 2 * span, lane], quarter), _product(imaginary[at + 2 * span, lane], quarter)
        r2, i2 = _turned_real(a, b, c2, s2), _turned_imaginary(a, b, c2, s2)
        a, b = _product(real[at + 3 * span, lane], quarter), _product(imaginary[at + 3 * span, lane], quarter)
        r3, i3 = _turned_real(a, b, c3, s3), _turned_imaginary(a, b, c3, s3)
        r5, i5 = _minus(r0, r2), _minus(i0, i2)
        r0, i0 = _plus(r0, r2), _plus(i0, i2)
        r4, i4 = _minus(r1, r3), _minus(i1, i3)
        r3, i3 = _plus(r1, r3), _plus(i1, i3)
        real[at, lane], imaginary[at, lane] = _plus(r0, r3), _plus(i0, i3)
        real[at + span, lane], imaginary[at + span, lane] = _plus(r5, i4), _minus(i5, r4)
        real[at + 2 * span, lane], imaginary[at + 2 * span, lane] = _minus(r0, r3), _minus(i0, i3)
        real[at + 3 * span, lane], imaginary[at + 3 * span, lane] = _minus(r5, i4), _plus(i5, r4)


@compiled
def _butterfly2(
    real: NDArray[np.int16],
    imaginary: NDArray[np.int16],
    at: int,
    span: int,
    twiddles: NDArray[np.int16],
    turn: int,
) -> None:
    cosine, sine = i32(twiddles[turn, 0]), i32(twiddles[turn, 1])
    half = i16(16383)  # 32767 / 2
    for lane in range(LANES):
        r0, i0 = _product(real[at, lane], half), _product(imaginary[at, lane], half)
        a, b = _product(real[at + span, lane], half), _product(imaginary[at + span, lane], half)
        r1, i1 = _turned_real(a, b, cosine, sine), _turned_imaginary(a, b, cosine, sine)
        real[at + span, lane], imaginary[at + span, lane] = _minus(r0, r1), _minus(i0, i1)
        real[at, lane], imaginary[at, lane] = _plus(r0, r1), _plus(i0, i1)


@compiled
def _real_power(
    real: NDArray[np.int16], imaginary: NDArray[np.int16], twiddles: NDArray[np.int16], power: NDArray[np.int32]
) -> None:
    """Take the complex FFT of the even and odd samples apart into the squared spectrum of the real ones."""
    size, half = len(real), i16(16383)
    for lane in range(LANES):
        a, b = _product(real[0, lane], half), _product(imaginary[0, lane], half)
        power[0, lane] = _square(_plus(a, b), i16(0))
        power[size, lane] = _square(_minus(a, b), i16(0))
    for k in range(1, size // 2 + 1):
        cosine, sine = i32(twiddles[k - 1, 0]), i32(twiddles[k - 1, 1])
        for lane in range(LANES):
            a, b = _product(real[k, lane], half), _product(imaginary[k, lane], half)
            c, d = _product(real[size - k, lane], half), _product(_minus(i16(0), imaginary[size - k, lane]), half)
            r1, i1 = _plus(a, c), _plus(b, d)
            r2, i2 = _minus(a, c), _minus(b, d)
            r, i = i32(_turned_real(r2, i2, cosine, sine)), i32(_turned_imaginary(r2, i2, cosine, sine))
            power[k, lane] = _square(i16(i32(r1 + r) >> i32(1)), i16(i32(i1 + i) >> i32(1)))
            power[size - k, lane] = _square(i16(i32(r1 - r) >> i32(1)), i16(i32(i - i1) >> i32(1)))


@compiled
def _square(a: int, b: int) -> int:
    return i32(i32(i32(a) * i32(a)) + i32(i32(b) * i32(b)))


@compiled
def _filter(power: NDArray[np.int32], tables: Tables, sums: NDArray[np.uint64]) -> None:
    """Add up each filter's two sides: ``sums[channel + 1]``, as in the C code ``sums[0]`` is not used."""
    sums[:] = u64(0)
    at, weight = tables.first_bin, 0
    for channel in range(len(tables.widths)):
        for _ in range(tables.widths[channel]):
            up, down = i64(tables.weights[weight]), i64(tables.unweights[weight])
            for lane in range(LANES):
                value = i64(power[at, lane])
                sums[channel, lane] += u64(value * up)
                sums[channel + 1, lane] += u64(value * down)
            at += 1
            weight += 1


@compiled
def _bits(value: int) -> int:
    """Return how many bits a value below 2**53 has."""
    return (np.float64(value).view(i64) >> 52) - 1022 if value else 0  # the exponent field of a double


@compiled
def _root(value: int) -> int:
    """Return the square root rounded to the nearest, but never 65536 for a value of 32 bits."""
    root = u64(np.sqrt(np.float64(value)))
    if root * root > value:
        root -= u64(1)
    elif (root + u64(1)) * (root + u64(1)) <= value:
        root += u64(1)
    if value - root * root > root and (root != u64(0xFFFF) or value >> u64(32)):
        root += u64(1)
    return root


@compiled
def _finish(
    energy: NDArray[np.uint32], tables: Tables, noise: NDArray[np.uint32], features: NDArray[np.uint16]
) -> None:
    """Noise reduction, gain control and logarithm of one frame."""
    for channel in range(len(energy)):
        smoothing = u64(tables.odd_smoothing if channel & 1 else tables.even_smoothing)
        signal = u64(energy[channel])
        scaled = u64(u32(signal << u64(tables.smoothing_bits)))
        estimate = u64(u32((scaled * smoothing + u64(noise[channel]) * (u64(16384) - smoothing)) >> u64(14)))
        noise[channel] = estimate
        floor = (signal * u64(tables.min_signal_remaining)) >> u64(14)
        signal = max((scaled - min(estimate, scaled)) >> u64(tables.smoothing_bits), floor)
        if tables.pcan:
            signal = _gain_control(signal, estimate, tables)
        if tables.log:
            signal = _log(signal, tables)
        features[channel] = min(signal, u64(0xFFFF))


@compiled
def _gain_control(signal: int, noise: int, tables: Tables) -> int:
    gain = _interpolate(noise, tables.gain)
    ratio = u64(u32((signal * u64(i64(gain))) >> u64(tables.snr_shift)))
    if ratio < u64(2 << 12):
        return u64(u32(ratio * ratio)) >> u64(20)
    return (ratio >> u64(6)) - u64(64)


@compiled
def _interpolate(x: int, table: NDArray[np.int16]) -> int:
    """Evaluate the parabola of the interval, a power of two, that x is in."""
    if x <= u64(2):
        return i64(table[x])
    interval = _bits(x)
    at = 4 * interval - 6
    fraction = i64(x << u64(11 - interval) if interval < 11 else x >> u64(interval - 11)) & 0x3FF
    result = ((i64(table[at + 2]) * fraction) >> 5) + (i64(table[at + 1]) << 5)
    return i64(i16(((result * fraction + (1 << 14)) >> 15) + table[at]))


@compiled
def _log(signal: int, tables: Tables) -> int:
    """Return the natural logarithm with ``scale_shift`` fraction bits, by a table of 128 lines."""
    shift = tables.correction_bits
    value = u64(u32(signal << u64(shift))) if shift >= 0 else signal >> u64(-shift)
    if value <= u64(1):
        return u64(0)
    whole = _bits(value) - 1
    rest = i64(value) - (1 << whole)
    fraction = rest << (16 - whole) if whole < 16 else rest >> (whole - 16)
    segment = fraction >> 9
    low, high = i64(tables.logarithm[segment]), i64(tables.logarithm[segment + 1])
    log2 = (whole << 16) + fraction + low + (((high - low) * (fraction & 511)) >> 16)
    natural = (45426 * log2 + 32768) >> 16  # ln 2
    return u64(((natural << tables.scale_shift) + 32768) >> 16)
