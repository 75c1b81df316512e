/* The whole detector along a stream, for the host alone (kws_exp/stream/firmware.py): samples, 16 bits in the host's
 * order, from standard input; time in milliseconds, label and score of all that fires to standard output. */
#include <stdio.h>

#include "kws.h"

int main(void)
{
    static kws detector;
    static int16_t samples[4096];
    size_t read;
    kws_init(&detector);
    while ((read = fread(samples, sizeof *samples, sizeof samples / sizeof *samples, stdin)) > 0)
        for (size_t taken = 0; taken < read;) {
            kws_detection detection;
            taken += kws_push(&detector, samples + taken, read - taken, &detection);
            if (detection.is_new)
                printf("%lu %d %u\n", (unsigned long)detection.time_ms, (int)detection.label, (unsigned)detection.score);
        }
    return ferror(stdin) != 0;
}
