// Says which keyword it hears. On boards with a PDM microphone it listens as it is; on others, write readSamples().
#include <@@stem.h>

#if defined(ARDUINO_ARDUINO_NANO33BLE) || defined(ARDUINO_NANO_RP2040_CONNECT) || defined(ARDUINO_NICLA_VISION)
#include <PDM.h>

static const size_t kRoom = 4096;  // samples: a quarter of a second, for the time in which the network runs
static int16_t ring[kRoom];
static volatile size_t written = 0;
static size_t taken = 0;

// Called by PDM, which has half of its buffer full.
static void onSamples() {
  int16_t samples[256];
  const int bytes = PDM.read(samples, sizeof samples);
  for (int i = 0; i < bytes / 2; ++i) ring[(written + i) % kRoom] = samples[i];
  written = written + bytes / 2;
}

static bool beginSamples() {
  PDM.onReceive(onSamples);
  return PDM.begin(1, KWS_SAMPLE_RATE);
}

static size_t readSamples(int16_t *samples, size_t room) {
  if (written - taken > kRoom) {
    Serial.println("samples were lost: the network takes too long for this board");
    taken = written;
  }
  size_t count = 0;
  for (; count < room && taken != written; ++count, ++taken) samples[count] = ring[taken % kRoom];
  return count;
}
#else
static bool beginSamples() {
  return true;  // start your microphone: one channel, 16 bits, KWS_SAMPLE_RATE samples a second
}

// Put up to `room` new samples into `samples` and return how many there were.
static size_t readSamples(int16_t *samples, size_t room) {
  (void)samples;
  (void)room;
  return 0;
}
#endif

static kws detector;

void setup() {
  Serial.begin(115200);
  kws_init(&detector);
  if (!beginSamples()) Serial.println("the microphone does not start");
}

void loop() {
  int16_t samples[256];
  const size_t count = readSamples(samples, sizeof samples / sizeof *samples);
  for (size_t used = 0; used < count;) {
    kws_detection detection;
    used += kws_push(&detector, samples + used, count - used, &detection);
    if (!detection.is_new) continue;
    Serial.print(kws_labels[detection.label]);
    Serial.print(' ');
    Serial.println(detection.score);  // of 255
  }
}
