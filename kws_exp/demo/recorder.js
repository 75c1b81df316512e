"use strict";
// Runs in the browser's audio thread: gathers its steps of 128 samples to a tenth of a second of 16-bit sound.
class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Int16Array(Math.round(sampleRate / 10));
    this.count = 0;
  }

  process([input]) {
    for (const value of input[0] ?? []) {
      this.piece[this.count++] = Math.max(-32768, Math.min(32767, Math.round(value * 32768)));
      if (this.count === this.piece.length) {
        this.port.postMessage(this.piece);
        this.count = 0;
      }
    }
    return true;
  }
}
registerProcessor("recorder", Recorder);
