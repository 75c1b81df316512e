/* Samples to features: the micro front end of TensorFlow Lite Micro, bit for bit, in integers.
 *
 * Hann window, 16-bit FFT, mel filters, square root, noise reduction, gain control (PCAN) and logarithm. The tables
 * come with the program, from the training that the features are the same as: nothing is computed at the start.
 *
 *     static kws_frontend frontend;
 *     kws_frontend_init(&frontend);
 *     for (;;) {
 *         ... get `count` samples, any number of them, at KWS_FRONTEND_SAMPLE_RATE ...
 *         while (count > 0) {
 *             int finished;
 *             size_t taken = kws_frontend_push(&frontend, samples, count, features, &finished);
 *             samples += taken;
 *             count -= taken;
 *             if (finished)
 *                 ... a frame is in `features` ...
 *         }
 *     }
 */
#ifndef KWS_FRONTEND_H_
#define KWS_FRONTEND_H_

#include <stddef.h>
#include <stdint.h>

#include "kws_fft.h"
#include "kws_frontend_tables.h"

#ifdef __cplusplus
extern "C" {
#endif

/* All that a front end remembers and all that it works in, the FFT's buffer included: two microphones take two of
 * these, an interrupt may use one while the main loop uses another, and sizeof tells the RAM. */
typedef struct {
    kws_fft_bin bins[KWS_FFT_PAIRS + 1];
    uint32_t noise[KWS_FRONTEND_CHANNELS];
    uint32_t filled; /* samples in the window */
    uint32_t skip;   /* samples to pass over before the next window, where strides are longer than windows */
    int16_t samples[KWS_FRONTEND_WINDOW + KWS_FRONTEND_WINDOW % 2];
} kws_frontend;

/* Begins a stream: no samples yet, and an estimate of the noise of zero. */
void kws_frontend_init(kws_frontend *frontend);

/* Takes samples until a frame is complete or there are no more. Returns how many it took; `finished` becomes 1 where
 * `features` holds a new frame, else 0. */
size_t kws_frontend_push(kws_frontend *frontend, const int16_t *samples, size_t count,
                         uint16_t features[KWS_FRONTEND_CHANNELS], int *finished);

/* A frame as the network's input: (256 v + d / 2) / d - 128, at most 127, where d is KWS_FRONTEND_DIVISOR. */
void kws_frontend_quantize(const uint16_t features[KWS_FRONTEND_CHANNELS], int8_t quantized[KWS_FRONTEND_CHANNELS]);

#ifdef __cplusplus
}
#endif

#endif /* KWS_FRONTEND_H_ */
