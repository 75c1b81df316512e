// Runs the network. The device does not compute the features that it was trained on: write readFeatures().
#include <@@stem.h>

// Put the features of a clip, quantised, into `input` and return true; return false while there are none.
static bool readFeatures(int8_t *input) {
  (void)input;
  return false;
}

void setup() {
  Serial.begin(115200);
}

void loop() {
  static int8_t input[KWS_MODEL_INPUT_SIZE];
  int8_t output[KWS_MODEL_OUTPUT_SIZE];
  if (!readFeatures(input)) return;
  kws_model_run(input, output);
  for (int label = 0; label < KWS_MODEL_OUTPUT_SIZE; ++label) {
    Serial.print((output[label] - KWS_MODEL_OUTPUT_ZERO_POINT) * KWS_MODEL_OUTPUT_SCALE);
    Serial.print(label + 1 < KWS_MODEL_OUTPUT_SIZE ? ' ' : '\n');
  }
}
