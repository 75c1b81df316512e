/* Clips in; for each its features, the network's input and its output: on the host by standard input and output, under
 * QEMU by semihosting (KWS_EMULATED), with the instructions of a clip and of the network alone as counts. Without the
 * micro front end (KWS_NETWORK_ONLY) the network's inputs come in and its outputs go out. Status 1: cut short. */
#include <stddef.h>
#include <stdint.h>

#include "kws_model.h"

#ifndef KWS_NETWORK_ONLY
#include "kws.h"
#endif

#ifdef KWS_EMULATED
#include "counter.h"
#include "semihost.h"
#define take(data, size) semihost_input(data, size)
#define give(data, size) (semihost_output(data, size), 1)
#define begin_count() const uint32_t begun = counter_now()
#define end_count() semihost_count(counter_since(begun))
#else
#include <stdio.h>
#define take(data, size) fread(data, 1, size, stdin)
#define give(data, size) (fwrite(data, 1, size, stdout) == (size))
#define begin_count()
#define end_count()
#define counter_start()
#endif

static int8_t output[KWS_MODEL_OUTPUT_SIZE];

#ifdef KWS_NETWORK_ONLY
static int8_t clip[KWS_MODEL_INPUT_SIZE];

static void classify(void)
{
}

static const int8_t *input(void)
{
    return clip;
}

static int give_features(void)
{
    return 1;
}
#else
static int16_t clip[KWS_CLIP_SAMPLES];
static uint16_t features[KWS_FRAMES * KWS_CHANNELS];
static kws detector;

static void classify(void)
{
    begin_count();
    kws_classify(&detector, clip, features, output);
    end_count();
}

static const int8_t *input(void)
{
    return detector.input;
}

static int give_features(void)
{
    return give(features, sizeof features) && give(detector.input, sizeof detector.input);
}
#endif

static void infer(void)
{
    begin_count();
    kws_model_run(input(), output);
    end_count();
}

int main(void)
{
    size_t taken;
    counter_start();
    while ((taken = take(clip, sizeof clip)) == sizeof clip) {
        classify();
        infer();
        if (!give_features() || !give(output, sizeof output))
            return 1;
    }
    return taken != 0;
}
