/* Listens to standard input: raw samples, 16 bits, little endian, one channel, at KWS_SAMPLE_RATE. Prints what it hears:
 *
 *     arecord -t raw -f S16_LE -r 16000 | build/demo
 *     sox clip.wav -t raw -e signed -b 16 -c 1 -r 16000 - | build/demo
 */
#include <stdio.h>

#include "kws.h"

static void print(const kws_detection *detection)
{
    if (!detection->is_new)
        return;
    printf("%8.2f s  %-16s %3d %%\n", detection->time_ms / 1000.0, kws_labels[detection->label],
           detection->score * 100 / 255);
    fflush(stdout);
}

int main(void)
{
    static kws detector;
    unsigned char bytes[2 * 320];
    size_t read;
    kws_init(&detector);
    while ((read = fread(bytes, 2, sizeof bytes / 2, stdin)) > 0) {
        int16_t samples[sizeof bytes / 2];
        size_t taken, i;
        for (i = 0; i < read; ++i)
            samples[i] = (int16_t)(bytes[2 * i] | bytes[2 * i + 1] << 8);
        for (taken = 0; taken < read;) {
            kws_detection detection;
            taken += kws_push(&detector, samples + taken, read - taken, &detection);
            print(&detection);
        }
    }
    return ferror(stdin) != 0;
}
