/* Inputs on standard input, outputs on standard output, without a gap: for the host alone (kws_exp/c99/host.py).
 * Ends with status 1 when the last input is cut short or an output cannot be written. */
#include <stdio.h>

#include "kws_model.h"

int main(void)
{
    static int8_t input[KWS_MODEL_INPUT_SIZE];
    int8_t output[KWS_MODEL_OUTPUT_SIZE];
    size_t read;
    while ((read = fread(input, 1, sizeof input, stdin)) == sizeof input) {
        kws_model_run(input, output);
        if (fwrite(output, 1, sizeof output, stdout) != sizeof output)
            return 1;
    }
    return read != 0;
}
