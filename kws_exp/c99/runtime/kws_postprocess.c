/* See kws_postprocess.h. */
#include "kws_postprocess.h"

#include <string.h>

static const uint8_t thresholds[KWS_LABELS] = KWS_THRESHOLDS;

void kws_postprocess_init(kws_postprocess *state)
{
    memset(state, 0, sizeof *state);
    state->detected = KWS_SILENCE_LABEL;
}

static void drop_oldest(kws_postprocess *state)
{
    for (int32_t label = 0; label < KWS_LABELS; ++label)
        state->sums[label] -= state->scores[state->first][label];
    state->first = (state->first + 1) % KWS_RESULTS;
    --state->count;
}

static void append(kws_postprocess *state, const int8_t scores[KWS_LABELS], uint32_t time_ms)
{
    const uint32_t at = (state->first + state->count) % KWS_RESULTS;
    for (int32_t label = 0; label < KWS_LABELS; ++label) {
        state->scores[at][label] = (uint8_t)(scores[label] + 128);
        state->sums[label] += state->scores[at][label];
    }
    state->times[at] = time_ms;
    ++state->count;
}

/* The first of the labels with the highest average. */
static int32_t top_label(const kws_postprocess *state)
{
    int32_t top = 0;
    for (int32_t label = 1; label < KWS_LABELS; ++label)
        if (state->sums[label] / state->count > state->sums[top] / state->count)
            top = label;
    return top;
}

static int may_detect(const kws_postprocess *state, int32_t label)
{
    const int other = label != state->detected;
    return KWS_REPEAT ? other || !state->suppressed : other && !state->suppressed;
}

kws_detection kws_postprocess_add(kws_postprocess *state, const int8_t scores[KWS_LABELS], uint32_t time_ms)
{
    kws_detection detection = {state->detected, time_ms, 0, 0};
    while (state->count > 0 && time_ms - state->times[state->first] > KWS_AVERAGE_WINDOW_MS)
        drop_oldest(state);
    if (state->count == KWS_RESULTS)
        drop_oldest(state);
    append(state, scores, time_ms);
    if (time_ms - state->detected_at > KWS_SUPPRESSION_MS)
        state->suppressed = 0;
    if (state->count < KWS_MINIMUM_COUNT || time_ms - state->times[state->first] < KWS_AVERAGE_WINDOW_MS / 4)
        return detection;

    detection.label = top_label(state);
    detection.score = (uint8_t)(state->sums[detection.label] / state->count);
    if (detection.score > thresholds[detection.label] && may_detect(state, detection.label)) {
        detection.is_new = 1;
        state->detected = detection.label;
        state->detected_at = time_ms;
        state->suppressed = detection.label != KWS_SILENCE_LABEL;
    }
    return detection;
}
