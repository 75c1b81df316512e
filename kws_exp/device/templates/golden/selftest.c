/* See selftest.h. */
#include "selftest.h"

#include <stddef.h>
#include <string.h>

#include "golden.h"
#include "kws_model.h"

#if KWS_GOLDEN_FRONTEND
#include "kws.h"
#endif

static char line[100];

static void add_text(const char *text)
{
    const size_t used = strlen(line), length = strlen(text);
    if (used + length < sizeof line)
        memcpy(line + used, text, length + 1);
}

static void add_number(long number)
{
    char digits[12];
    char *first = digits + sizeof digits - 1;
    unsigned long rest = number < 0 ? 0UL - (unsigned long)number : (unsigned long)number;
    *first = '\0';
    do {
        *--first = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (number < 0)
        *--first = '-';
    add_text(first);
}

static int differs(int vector, const char *stage, long value, long found, long expected)
{
    line[0] = '\0';
    add_text("vector ");
    add_number(vector);
    add_text(stage);
    add_number(value);
    add_text(": ");
    add_number(found);
    add_text(" instead of ");
    add_number(expected);
    return 1;
}

static int compare(int vector, const char *stage, const int8_t *found, const int8_t *expected, long count)
{
    long i;
    for (i = 0; i < count; ++i)
        if (found[i] != expected[i])
            return differs(vector, stage, i, found[i], expected[i]);
    return 0;
}

#if KWS_GOLDEN_FRONTEND
/* The samples of a whole clip, in pieces of the size that a microphone's buffer may have. */
static int test_frontend(int vector)
{
    static kws_frontend frontend;
    static uint16_t features[KWS_CHANNELS];
    static int8_t quantized[KWS_CHANNELS];
    const int16_t *pcm = kws_golden_pcm[vector];
    size_t taken = 0;
    long frame = 0;
    kws_frontend_init(&frontend);
    while (frame < KWS_FRAMES && taken < KWS_CLIP_SAMPLES) {
        const size_t left = KWS_CLIP_SAMPLES - taken;
        int finished, i;
        taken += kws_frontend_push(&frontend, pcm + taken, left < 512 ? left : 512, features, &finished);
        if (!finished)
            continue;
        for (i = 0; i < KWS_CHANNELS; ++i) {
            const uint16_t expected = kws_golden_features[vector][frame * KWS_CHANNELS + i];
            if (features[i] != expected)
                return differs(vector, ", features, value ", frame * KWS_CHANNELS + i, features[i], expected);
        }
        kws_frontend_quantize(features, quantized);
        if (compare(vector, ", input, value ", quantized, kws_golden_inputs[vector] + frame * KWS_CHANNELS,
                    KWS_CHANNELS))
            return 1;
        ++frame;
    }
    return frame == KWS_FRAMES ? 0 : differs(vector, ", frames ", frame, frame, KWS_FRAMES);
}

/* The same clip from samples to scores, as an application calls it. */
static int test_detector(int vector)
{
    static kws detector;
    static int8_t scores[KWS_LABELS];
    kws_classify(&detector, kws_golden_pcm[vector], NULL, scores);
    return compare(vector, ", input of the detector, value ", detector.input, kws_golden_inputs[vector],
                   KWS_MODEL_INPUT_SIZE) ||
           compare(vector, ", scores of the detector, value ", scores, kws_golden_outputs[vector],
                   KWS_MODEL_OUTPUT_SIZE);
}
#endif

static int test_network(int vector)
{
    static int8_t output[KWS_MODEL_OUTPUT_SIZE];
    kws_model_run(kws_golden_inputs[vector], output);
    return compare(vector, ", output, value ", output, kws_golden_outputs[vector], KWS_MODEL_OUTPUT_SIZE);
}

static int test_vector(int vector)
{
#if KWS_GOLDEN_FRONTEND
    return test_frontend(vector) || test_network(vector) || test_detector(vector);
#else
    return test_network(vector);
#endif
}

int kws_selftest(const char **report)
{
    int vector, failed = 0;
    for (vector = 0; vector < KWS_GOLDEN_COUNT && !failed; ++vector)
        failed = test_vector(vector);
    if (!failed) {
        line[0] = '\0';
        add_number(KWS_GOLDEN_COUNT);
        add_text(KWS_GOLDEN_FRONTEND ? " vectors from samples to scores: all bytes equal"
                                     : " vectors from the network's input to its output: all bytes equal");
    }
    if (report != NULL)
        *report = line;
    return failed;
}
