/* Scores to detections: the rules of RecognizeCommands, in integers.
 *
 * The scores of the last KWS_AVERAGE_WINDOW_MS are averaged, and the label with the highest average, the first of
 * equals, is on top. It is detected when its average is above its threshold, and
 *
 *     KWS_REPEAT 0: it is not the label detected last, and suppression is over (speech_commands, the tutorial);
 *     KWS_REPEAT 1: it is not the label detected last, or suppression is over (micro_speech).
 *
 * Suppression lasts KWS_SUPPRESSION_MS from a detection, none from one of silence. Silence and unknown are labels as
 * the others: with KWS_REPEAT 0 it is their detection that lets a word be detected again.
 *
 * What differs from micro_speech's recognize_commands.cc: a threshold for each label; times are modulo 2^32, so that
 * the device can stay on; a full queue drops its oldest result, not the newest; and there is no error message for
 * times that go backwards, which they must not.
 */
#ifndef KWS_POSTPROCESS_H_
#define KWS_POSTPROCESS_H_

#include <stdint.h>

#include "kws_settings.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    int32_t label;    /* on top; the one detected last while there are too few results */
    uint32_t time_ms; /* of the results that decided */
    uint8_t score;    /* 0 ... 255, averaged; 0 while there are too few results */
    uint8_t is_new;   /* 1: detected now */
} kws_detection;

typedef struct {
    uint32_t times[KWS_RESULTS];
    uint32_t sums[KWS_LABELS]; /* of all scores in the queue */
    uint32_t first;
    uint32_t count;
    uint32_t detected_at;
    int32_t detected; /* the label */
    uint8_t scores[KWS_RESULTS][KWS_LABELS];
    uint8_t suppressed;
} kws_postprocess;

void kws_postprocess_init(kws_postprocess *state);

/* Takes the network's output of a time, in milliseconds; times must not go backwards. */
kws_detection kws_postprocess_add(kws_postprocess *state, const int8_t scores[KWS_LABELS], uint32_t time_ms);

#ifdef __cplusplus
}
#endif

#endif /* KWS_POSTPROCESS_H_ */
