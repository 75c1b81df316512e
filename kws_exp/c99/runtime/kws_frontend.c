/* See kws_frontend.h. */
#include "kws_frontend.h"

#include <string.h>

#define WINDOW_PAIRS ((KWS_FRONTEND_WINDOW + 1) / 2)

/* The standard leaves it to the compiler whether a negative number stays negative when shifted to the right. */
typedef char kws_right_shifts_keep_the_sign[(-1 >> 1) == -1 ? 1 : -1];

static int32_t bit_length(uint32_t value)
{
    int32_t bits = 0;
    for (int32_t step = 16; step > 0; step /= 2)
        if (value >> step != 0) {
            value >>= step;
            bits += step;
        }
    return bits + (int32_t)value;
}

static int32_t windowed(const kws_frontend *frontend, int32_t at)
{
    return (int32_t)frontend->samples[at] * kws_frontend_window[at] >> 12;
}

/* By how many bits the windowed samples can be scaled up. A sample of -32768 is not looked at: it has no negative
 * in 16 bits, and the original passes over it. */
static int32_t headroom(const kws_frontend *frontend)
{
    uint32_t sizes = 0;
    for (int32_t i = 0; i < KWS_FRONTEND_WINDOW; ++i) {
        const int32_t value = windowed(frontend, i);
        sizes |= (uint32_t)(value < 0 ? -value : value);
    }
    return 15 - bit_length(sizes & 0x7FFFu);
}

/* Pairs of samples become the FFT's complex inputs, each where the first stage takes it. */
static void load(kws_frontend *frontend, int32_t scale)
{
    for (int32_t pair = 0; pair < KWS_FFT_PAIRS; ++pair) {
        kws_fft_bin *const bin = &frontend->bins[kws_frontend_places[pair]];
        const int inside = pair < WINDOW_PAIRS;
        bin->value.real = inside ? (int16_t)(windowed(frontend, 2 * pair) * scale) : 0;
        bin->value.imaginary = inside ? (int16_t)(windowed(frontend, 2 * pair + 1) * scale) : 0;
    }
}

/* The square root to the nearest, one binary digit after the other; never 65536 of 32 bits. */
static uint32_t square_root(uint64_t value)
{
    const int wide = value >> 32 != 0;
    const int32_t bits = wide ? 32 + bit_length((uint32_t)(value >> 32)) : bit_length((uint32_t)value);
    uint64_t rest = value, root = 0;
    for (uint64_t digit = (uint64_t)1 << ((bits - 1) / 2 * 2); digit != 0; digit >>= 2) {
        const uint64_t trial = root + digit;
        root >>= 1;
        if (rest >= trial) {
            rest -= trial;
            root += digit;
        }
    }
    return (uint32_t)root + (rest > root && (wide || root != 0xFFFFu));
}

/* Smooths the channel's noise into its estimate and takes it off, but for a remainder. */
static uint32_t reduce_noise(uint32_t *noise, uint32_t signal, int32_t channel)
{
    const uint32_t smoothing = channel % 2 ? KWS_FRONTEND_ODD_SMOOTHING : KWS_FRONTEND_EVEN_SMOOTHING;
    const uint32_t exact = signal << KWS_FRONTEND_SMOOTHING_BITS;
    const uint32_t estimate = (uint32_t)(((uint64_t)exact * smoothing + (uint64_t)*noise * (16384u - smoothing)) >> 14);
    const uint32_t least = (uint32_t)((uint64_t)signal * KWS_FRONTEND_MIN_SIGNAL_REMAINING >> 14);
    const uint32_t left = exact > estimate ? (exact - estimate) >> KWS_FRONTEND_SMOOTHING_BITS : 0;
    *noise = estimate;
    return left > least ? left : least;
}

/* The gain at an estimate of the noise: a parabola on each interval from one power of two to the next. */
static int32_t gain_at(uint32_t noise)
{
    if (noise <= 2)
        return kws_frontend_gain[noise];
    const int32_t interval = bit_length(noise);
    const int16_t *const parabola = kws_frontend_gain + 4 * interval - 6;
    const uint32_t ten_bits = interval < 11 ? noise << (11 - interval) : noise >> (interval - 11);
    const int32_t fraction = (int32_t)(ten_bits & 0x3FFu);
    const int32_t slope = (parabola[2] * fraction >> 5) + parabola[1] * 32;
    return (int16_t)(((slope * fraction + (1 << 14)) >> 15) + parabola[0]);
}

static uint32_t control_gain(uint32_t signal, uint32_t noise)
{
    const int64_t gain = gain_at(noise);
    const uint32_t ratio = (uint32_t)((uint64_t)signal * (uint64_t)gain >> KWS_FRONTEND_SNR_SHIFT);
    if (ratio < 2u << 12)
        return ratio * ratio >> 20;
    return (ratio >> 6) - 64u;
}

/* The natural logarithm, by a table of 128 lines. */
static uint32_t logarithm(uint32_t signal)
{
    const uint32_t value = signal << KWS_FRONTEND_LOG_CORRECTION_BITS;
    if (value <= 1)
        return 0;
    const int32_t whole = bit_length(value) - 1;
    const uint32_t rest = value - ((uint32_t)1 << whole);
    const int32_t fraction = (int32_t)(whole < 16 ? rest << (16 - whole) : rest >> (whole - 16));
    const int32_t low = kws_frontend_logarithm[fraction >> 9], high = kws_frontend_logarithm[(fraction >> 9) + 1];
    const int32_t log2 = whole * 65536 + fraction + low + ((high - low) * (fraction & 511) >> 16);
    const uint32_t natural = (uint32_t)(((uint64_t)45426 * (uint32_t)log2 + 32768u) >> 16); /* ln 2 */
    return ((natural << KWS_FRONTEND_LOG_SCALE_BITS) + 32768u) >> 16;
}

static uint16_t feature(uint32_t *noise, uint32_t signal, int32_t channel)
{
    uint32_t value = reduce_noise(noise, signal, channel);
    if (KWS_FRONTEND_PCAN)
        value = control_gain(value, *noise);
    if (KWS_FRONTEND_LOG)
        value = logarithm(value);
    return (uint16_t)(value < 0xFFFFu ? value : 0xFFFFu);
}

/* Adds up the filters and takes each to its feature. A frequency belongs to two: it lies on the falling side of
 * one and on the rising side of the next. */
static void finish(kws_frontend *frontend, int32_t shift, uint16_t features[KWS_FRONTEND_CHANNELS])
{
    const kws_fft_bin *bin = frontend->bins + KWS_FRONTEND_FIRST_BIN;
    int64_t energy = 0;
    int32_t weight = 0;
    for (int32_t channel = -1; channel < KWS_FRONTEND_CHANNELS; ++channel) {
        const int32_t end = weight + kws_frontend_widths[channel + 1];
        int64_t next = 0;
        for (; weight < end; ++weight, ++bin) {
            energy += (int64_t)bin->power * kws_frontend_falling[weight];
            next += (int64_t)bin->power * kws_frontend_rising[weight];
        }
        if (channel >= 0)
            features[channel] = feature(&frontend->noise[channel], square_root((uint64_t)energy) >> shift, channel);
        energy = next;
    }
}

void kws_frontend_init(kws_frontend *frontend)
{
    memset(frontend, 0, sizeof *frontend);
}

/* Keeps what the next window shares with this one. */
static void advance(kws_frontend *frontend)
{
    const uint32_t shared = KWS_FRONTEND_STRIDE < KWS_FRONTEND_WINDOW ? KWS_FRONTEND_WINDOW - KWS_FRONTEND_STRIDE : 0;
    memmove(frontend->samples, frontend->samples + (KWS_FRONTEND_WINDOW - shared), shared * sizeof(int16_t));
    frontend->filled = shared;
    frontend->skip = KWS_FRONTEND_STRIDE - (KWS_FRONTEND_WINDOW - shared);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t kws_frontend_push(kws_frontend *frontend, const int16_t *samples, size_t count,
                         uint16_t features[KWS_FRONTEND_CHANNELS], int *finished)
{
    const size_t skipped = smaller(frontend->skip, count);
    const size_t taken = smaller(KWS_FRONTEND_WINDOW - frontend->filled, count - skipped);
    frontend->skip -= (uint32_t)skipped;
    memcpy(frontend->samples + frontend->filled, samples + skipped, taken * sizeof(int16_t));
    frontend->filled += (uint32_t)taken;
    *finished = frontend->filled == KWS_FRONTEND_WINDOW;
    if (*finished) {
        const int32_t shift = headroom(frontend);
        load(frontend, (int32_t)1 << shift);
        kws_fft_power(frontend->bins);
        finish(frontend, shift, features);
        advance(frontend);
    }
    return skipped + taken;
}

void kws_frontend_quantize(const uint16_t features[KWS_FRONTEND_CHANNELS], int8_t quantized[KWS_FRONTEND_CHANNELS])
{
    for (int32_t channel = 0; channel < KWS_FRONTEND_CHANNELS; ++channel) {
        const uint32_t numerator = (uint32_t)features[channel] * 256u + KWS_FRONTEND_DIVISOR / 2;
        const uint32_t level = numerator / KWS_FRONTEND_DIVISOR;
        quantized[channel] = (int8_t)((int32_t)(level < 255u ? level : 255u) - 128);
    }
}
