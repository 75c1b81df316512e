/* The network along a stream of frames, for the host alone (kws_exp/stream/inference.py): `runs` runs, each on
 * KWS_MODEL_INPUT_SIZE values and `hop` values after the one before. */
#include <stddef.h>

#include "kws_model.h"

void kws_windows(const int8_t *frames, size_t runs, size_t hop, int8_t *outputs);

void kws_windows(const int8_t *frames, size_t runs, size_t hop, int8_t *outputs)
{
    for (; runs > 0; --runs, frames += hop, outputs += KWS_MODEL_OUTPUT_SIZE)
        kws_model_run(frames, outputs);
}
