"""A spotter that was taught a few recorded clips in a second: it hears these, and nobody would deploy it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kws_exp import features, schema
from kws_exp.data import audio
from kws_exp.export import export
from kws_exp.features.micro import Micro
from kws_exp.models import build
from kws_exp.models.tiny_conv import TinyConv
from tests.stream import exports

COUNT = 16  # clips of each word
SHIFTS = range(-4800, 4801, 1600)  # samples


def noise(seconds: int) -> NDArray[np.int16]:
    """Return quiet noise (seconds * 16000,)."""
    found = audio.read(exports.SPEECH / "_background_noise_" / "running_tap.flac").astype(np.float32) / 10
    return np.resize(found, seconds * schema.SAMPLE_RATE).astype(np.int16)


def spoken(words: list[str]) -> NDArray[np.int16]:
    """Return one word every three seconds, over noise, all clips that were taught."""
    mixed = noise(3 * len(words) + 2)
    for number, word in enumerate(words):
        begin = (3 * number + 2) * schema.SAMPLE_RATE
        mixed[begin : begin + schema.CLIP_SAMPLES] += exports.clips(word, number + 1)[number] // 2
    return mixed


def make(folder: Path) -> Path:
    """Teach and export; return the export folder."""
    config = schema.Config(words=exports.WORDS, data=schema.Data(), features=Micro(), model=TinyConv(dropout=0.0))
    background = noise(COUNT * len(SHIFTS)).reshape(-1, schema.CLIP_SAMPLES)
    heard, labels = [background], [0] * len(background)
    for label, word in enumerate(["bed", *exports.WORDS], 1):
        shifted = np.concatenate([np.roll(exports.clips(word, COUNT), shift, axis=1) // 2 for shift in SHIFTS])
        heard.append(shifted + background[: len(shifted)])
        labels += [label] * len(shifted)
    inputs = features.build(config.features)(np.concatenate(heard) / np.float32(32768))
    model = build(config.model, config.features.frames, config.features.width, len(config.labels), seed=1)
    teach(model, inputs, np.array(labels))
    place = folder / "export"
    export(model, inputs[::10], config, place, {})
    return place


def teach(model: object, inputs: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    import keras

    assert isinstance(model, keras.Model)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(2e-3), loss)
    model.fit(inputs[..., None], labels, batch_size=64, epochs=8, verbose=0)
