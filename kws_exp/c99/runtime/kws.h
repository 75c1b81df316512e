/* A keyword spotter: samples in, detections out.
 *
 *     static kws detector;
 *     kws_init(&detector);
 *     for (;;) {
 *         ... get `count` samples, any number of them, at KWS_SAMPLE_RATE ...
 *         while (count > 0) {
 *             kws_detection detection;
 *             size_t taken = kws_push(&detector, samples, count, &detection);
 *             samples += taken;
 *             count -= taken;
 *             if (detection.is_new)
 *                 puts(kws_labels[detection.label]);
 *         }
 *     }
 *
 * The network's own memory is in kws_model.c, once: several detectors must take turns.
 */
#ifndef KWS_H_
#define KWS_H_

#include "kws_frontend.h"
#include "kws_postprocess.h"
#include "kws_settings.h"

#ifdef __cplusplus
extern "C" {
#endif

#define KWS_NO_LABEL (-1)

typedef struct {
    kws_frontend frontend;
    kws_postprocess postprocess;
    uint32_t frames; /* in `input` */
    uint32_t time_ms;
    uint32_t time_rest; /* that was no whole millisecond, times KWS_SAMPLE_RATE */
    uint16_t features[KWS_CHANNELS];         /* the last frame, before it was quantised */
    int8_t input[KWS_FRAMES * KWS_CHANNELS]; /* of the network's last run, until the next frame comes */
    int8_t scores[KWS_LABELS];               /* and its output */
} kws;

extern const char *const kws_labels[KWS_LABELS];

/* Begins a stream at time 0. */
void kws_init(kws *detector);

/* Takes samples until the network has run or there are no more, and returns how many it took. The network runs when
 * KWS_FRAMES frames are there and every KWS_HOP_FRAMES frames from then on; where it did not, detection->label is
 * KWS_NO_LABEL. Times count from kws_init() to the end of what the network saw, modulo 2^32 milliseconds. */
size_t kws_push(kws *detector, const int16_t *samples, size_t count, kws_detection *detection);

/* Scores one clip as in training, in a stream of its own: whatever the detector heard before is forgotten. Keeps the
 * network's input in `detector`; `features` takes all frames before they are quantised, unless it is NULL. */
void kws_classify(kws *detector, const int16_t clip[KWS_CLIP_SAMPLES], uint16_t features[KWS_FRAMES * KWS_CHANNELS],
                  int8_t scores[KWS_LABELS]);

#ifdef __cplusplus
}
#endif

#endif /* KWS_H_ */
