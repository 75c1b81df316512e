/* See kws.h. */
#include "kws.h"

#include <string.h>

#include "kws_model.h"

#if KWS_FRONTEND_CHANNELS != KWS_CHANNELS || KWS_FRONTEND_SAMPLE_RATE != KWS_SAMPLE_RATE
#error "kws_frontend_tables.h and kws_settings.h are not of the same export"
#endif
#if KWS_MODEL_INPUT_SIZE != KWS_FRAMES * KWS_CHANNELS || KWS_MODEL_OUTPUT_SIZE != KWS_LABELS
#error "kws_model.h and kws_settings.h are not of the same export"
#endif
#if (KWS_CLIP_SAMPLES - KWS_FRONTEND_WINDOW) / KWS_FRONTEND_STRIDE + 1 != KWS_FRAMES
#error "the frames of a clip are not those that the network takes"
#endif

const char *const kws_labels[KWS_LABELS] = KWS_LABEL_NAMES;

void kws_init(kws *detector)
{
    const uint32_t hop = KWS_HOP_FRAMES * KWS_FRONTEND_STRIDE;
    const uint32_t input = KWS_FRONTEND_WINDOW + (KWS_FRAMES - 1) * KWS_FRONTEND_STRIDE;
    memset(detector, 0, sizeof *detector);
    kws_frontend_init(&detector->frontend);
    kws_postprocess_init(&detector->postprocess);
    detector->time_rest = (input - hop) * 1000u; /* the first run of the network comes later than a hop */
}

/* Where the network has run, its input moves up to make room first: 2 kB moved every hop spare a second 2 kB. */
static void add_frame(kws *detector)
{
    if (detector->frames == KWS_FRAMES) {
        detector->frames = KWS_FRAMES - KWS_HOP_FRAMES;
        memmove(detector->input, detector->input + KWS_HOP_FRAMES * KWS_CHANNELS, detector->frames * KWS_CHANNELS);
    }
    kws_frontend_quantize(detector->features, detector->input + detector->frames * KWS_CHANNELS);
    ++detector->frames;
}

/* Takes samples until a frame is complete or there are no more. */
static size_t push_frame(kws *detector, const int16_t *samples, size_t count, int *finished)
{
    const size_t taken = kws_frontend_push(&detector->frontend, samples, count, detector->features, finished);
    if (*finished)
        add_frame(detector);
    return taken;
}

/* By a hop, in whole milliseconds; the rest is kept. */
static void advance_clock(kws *detector)
{
    detector->time_rest += KWS_HOP_FRAMES * KWS_FRONTEND_STRIDE * 1000u;
    detector->time_ms += detector->time_rest / KWS_SAMPLE_RATE;
    detector->time_rest %= KWS_SAMPLE_RATE;
}

size_t kws_push(kws *detector, const int16_t *samples, size_t count, kws_detection *detection)
{
    const kws_detection none = {KWS_NO_LABEL, detector->time_ms, 0, 0};
    size_t taken = 0;
    *detection = none;
    while (taken < count && detection->label == KWS_NO_LABEL) {
        int finished;
        taken += push_frame(detector, samples + taken, count - taken, &finished);
        if (finished && detector->frames == KWS_FRAMES) {
            kws_model_run(detector->input, detector->scores);
            advance_clock(detector);
            *detection = kws_postprocess_add(&detector->postprocess, detector->scores, detector->time_ms);
        }
    }
    return taken;
}

void kws_classify(kws *detector, const int16_t clip[KWS_CLIP_SAMPLES], uint16_t features[KWS_FRAMES * KWS_CHANNELS],
                  int8_t scores[KWS_LABELS])
{
    size_t taken = 0;
    kws_init(detector);
    while (detector->frames < KWS_FRAMES) {
        int finished;
        taken += push_frame(detector, clip + taken, KWS_CLIP_SAMPLES - taken, &finished);
        if (finished && features != NULL)
            memcpy(features + (detector->frames - 1) * KWS_CHANNELS, detector->features, sizeof detector->features);
    }
    kws_model_run(detector->input, detector->scores);
    memcpy(scores, detector->scores, sizeof detector->scores);
}
