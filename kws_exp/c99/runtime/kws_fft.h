/* The 16-bit FFT of kiss_fft, bit for bit: real samples to their power spectrum. */
#ifndef KWS_FFT_H_
#define KWS_FFT_H_

#include <stdint.h>

#include "kws_frontend_tables.h"

#ifdef __cplusplus
extern "C" {
#endif

#define KWS_FFT_PAIRS (KWS_FRONTEND_FFT_SIZE / 2)

/* One frequency: a complex number during the FFT, then its power in the same place. */
typedef union {
    struct {
        int16_t real;
        int16_t imaginary;
    } value;
    int32_t power;
} kws_fft_bin;

/* Takes samples 2 i and 2 i + 1 as the real and the imaginary part of bin kws_frontend_places[i]; leaves the power of
 * each frequency from 0 to half the sample rate, where full scale would be close to 2^31. */
void kws_fft_power(kws_fft_bin bins[KWS_FFT_PAIRS + 1]);

#ifdef __cplusplus
}
#endif

#endif /* KWS_FFT_H_ */
