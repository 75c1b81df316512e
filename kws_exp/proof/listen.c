/* A program that does nothing but listen: what is linked for it is what the keyword spotter costs. */
#include <stddef.h>
#include <stdint.h>

#include "kws_model.h"

#ifdef KWS_NETWORK_ONLY
int main(void)
{
    static int8_t input[KWS_MODEL_INPUT_SIZE];
    static int8_t output[KWS_MODEL_OUTPUT_SIZE];
    volatile int8_t *const port = input; /* the network's input is the program's, so it counts as its RAM */
    port[0] = 1;
    kws_model_run(input, output);
    return output[0];
}
#else
#include "kws.h"

int main(void)
{
    static kws detector;
    static volatile int16_t port; /* as if a microphone */
    int detected = 0;
    kws_init(&detector);
    while (port == 0) {
        const int16_t sample = port;
        kws_detection detection;
        kws_push(&detector, &sample, 1, &detection);
        detected += detection.is_new;
    }
    return detected;
}
#endif
