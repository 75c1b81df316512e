/* The self-test as a program for QEMU (make qemu-m4): status 0 or 1, its report in output.bin; in counts.bin the ticks
 * of one run of the network and, where the front end is there, of each frame of features. */
#include <string.h>

#include "counter.h"
#include "golden.h"
#include "kws_model.h"
#include "selftest.h"
#include "semihost.h"

#if KWS_GOLDEN_FRONTEND
#include "kws.h"

static void count_frames(void)
{
    static kws_frontend frontend;
    static uint16_t features[KWS_CHANNELS];
    size_t taken = 0;
    kws_frontend_init(&frontend);
    while (taken < KWS_CLIP_SAMPLES) {
        int finished;
        const uint32_t start = counter_now();
        taken += kws_frontend_push(&frontend, kws_golden_pcm[0] + taken, KWS_CLIP_SAMPLES - taken, features, &finished);
        if (finished)
            semihost_count(counter_since(start));
    }
}
#else
static void count_frames(void)
{
}
#endif

static void count_network(void)
{
    static int8_t output[KWS_MODEL_OUTPUT_SIZE];
    const uint32_t start = counter_now();
    kws_model_run(kws_golden_inputs[0], output);
    semihost_count(counter_since(start));
}

int main(void)
{
    const char *report;
    const int failed = kws_selftest(&report);
    semihost_output(report, strlen(report));
    counter_start();
    count_network();
    count_frames();
    return failed;
}
