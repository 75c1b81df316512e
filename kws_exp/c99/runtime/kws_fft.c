/* See kws_fft.h. A result that would leave 16 bits is cut to them, as in kiss_fft: the casts to int16_t stand where
 * that makes a difference. */
#include "kws_fft.h"

#include "kws_frontend_tables.h"

typedef struct {
    int32_t real;
    int32_t imaginary;
} complex_number;

/* Times a fraction of 15 bits, rounded. */
static complex_number scaled(const kws_fft_bin *bin, int32_t fraction)
{
    complex_number result;
    result.real = (bin->value.real * fraction + (1 << 14)) >> 15;
    result.imaginary = (bin->value.imaginary * fraction + (1 << 14)) >> 15;
    return result;
}

/* Times a cosine and a sine of 15 bits, rounded. */
static complex_number turned(complex_number value, const int16_t turn[2])
{
    complex_number result;
    result.real = (value.real * turn[0] - value.imaginary * turn[1] + (1 << 14)) >> 15;
    result.imaginary = (value.real * turn[1] + value.imaginary * turn[0] + (1 << 14)) >> 15;
    return result;
}

static complex_number plus(complex_number a, complex_number b)
{
    a.real += b.real;
    a.imaginary += b.imaginary;
    return a;
}

static complex_number minus(complex_number a, complex_number b)
{
    a.real -= b.real;
    a.imaginary -= b.imaginary;
    return a;
}

static void store(kws_fft_bin *bin, int32_t real, int32_t imaginary)
{
    bin->value.real = (int16_t)real;
    bin->value.imaginary = (int16_t)imaginary;
}

/* One half waits in memory while the other is computed, as there are not registers for both; that it is cut to 16 bits
 * there changes nothing, as all sums are in the end. */
static void butterfly4(kws_fft_bin *bin, int32_t span, const int16_t *turn1, const int16_t *turn2,
                       const int16_t *turn3)
{
    const int32_t quarter = 8191; /* of 32767 */
    kws_fft_bin *const bin1 = bin + span, *const bin2 = bin + 2 * span, *const bin3 = bin + 3 * span;
    const complex_number a = scaled(bin, quarter), c = turned(scaled(bin2, quarter), turn2);
    store(bin, a.real + c.real, a.imaginary + c.imaginary);
    store(bin2, a.real - c.real, a.imaginary - c.imaginary);
    const complex_number b = turned(scaled(bin1, quarter), turn1), d = turned(scaled(bin3, quarter), turn3);
    const complex_number odd = plus(b, d), odd_rest = minus(b, d);
    const int32_t even_real = bin->value.real, even_imaginary = bin->value.imaginary;
    store(bin, even_real + odd.real, even_imaginary + odd.imaginary);
    const int32_t rest_real = bin2->value.real, rest_imaginary = bin2->value.imaginary;
    store(bin2, even_real - odd.real, even_imaginary - odd.imaginary);
    store(bin1, rest_real + odd_rest.imaginary, rest_imaginary - odd_rest.real);
    store(bin3, rest_real - odd_rest.imaginary, rest_imaginary + odd_rest.real);
}

static void stage4(kws_fft_bin *bins, int32_t span)
{
    const int32_t step = KWS_FFT_PAIRS / (4 * span);
    for (int32_t k = 0; k < span; ++k) {
        const int16_t *const turn1 = kws_frontend_turns[k * step];
        const int16_t *const turn2 = kws_frontend_turns[2 * k * step];
        const int16_t *const turn3 = kws_frontend_turns[3 * k * step];
        for (int32_t at = k; at < KWS_FFT_PAIRS; at += 4 * span)
            butterfly4(bins + at, span, turn1, turn2, turn3);
    }
}

/* Always the first stage, whose turn is by 32767 / 32768: that leaves halved values as they are. */
static void stage2(kws_fft_bin *bins)
{
    const int32_t half = 16383; /* of 32767 */
    for (int32_t at = 0; at < KWS_FFT_PAIRS; at += 2) {
        const complex_number a = scaled(bins + at, half), b = scaled(bins + at + 1, half);
        store(bins + at, a.real + b.real, a.imaginary + b.imaginary);
        store(bins + at + 1, a.real - b.real, a.imaginary - b.imaginary);
    }
}

static void complex_fft(kws_fft_bin *bins)
{
    int32_t span = 1;
    if (KWS_FRONTEND_FIRST_RADIX == 2) {
        stage2(bins);
        span = 2;
    }
    for (; span < KWS_FFT_PAIRS; span *= 4)
        stage4(bins, span);
}

static int32_t squares(int32_t a, int32_t b)
{
    return a * a + b * b; /* each was halved: below 2^31 */
}

/* Takes the complex FFT of pairs apart into the power spectrum of the real samples, in place. */
static void take_apart(kws_fft_bin *bins)
{
    const int32_t half = 16383;
    const complex_number ends = scaled(bins, half);
    bins[0].power = squares(ends.real + ends.imaginary, 0);
    bins[KWS_FFT_PAIRS].power = squares(ends.real - ends.imaginary, 0);
    for (int32_t k = 1; k <= KWS_FFT_PAIRS / 2; ++k) {
        kws_fft_bin *const low = bins + k, *const high = bins + KWS_FFT_PAIRS - k;
        kws_fft_bin conjugate;
        store(&conjugate, high->value.real, -high->value.imaginary);
        const complex_number a = scaled(low, half), b = scaled(&conjugate, half);
        const complex_number even = plus(a, b);
        const complex_number odd = turned(minus(a, b), kws_frontend_real_turns[k - 1]);
        const int16_t odd_real = (int16_t)odd.real, odd_imaginary = (int16_t)odd.imaginary;
        low->power = squares((even.real + odd_real) >> 1, (even.imaginary + odd_imaginary) >> 1);
        high->power = squares((even.real - odd_real) >> 1, (odd_imaginary - even.imaginary) >> 1);
    }
}

void kws_fft_power(kws_fft_bin bins[KWS_FFT_PAIRS + 1])
{
    complex_fft(bins);
    take_apart(bins);
}
