"""Untrained spotters, exported: weights large enough for scores of all kinds, and the generated C beside the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kws_exp import features, run_folder, schema
from kws_exp.data import audio
from kws_exp.device import program
from kws_exp.export import export
from kws_exp.features.micro import Micro
from kws_exp.models import build
from kws_exp.models.tiny_conv import TinyConv

SPEECH = Path(__file__).parents[2] / ".." / "shared" / "speech_commands"
WORDS = ["yes", "no"]


def clips(word: str, count: int) -> NDArray[np.int16]:
    """Recorded clips (count, 16000)."""
    return np.stack([audio.fit(audio.read(path)) for path in sorted((SPEECH / word).iterdir())[:count]])


def recorded(seconds: int) -> NDArray[np.int16]:
    """Words with pauses of noise between them, as quiet as recorded; (seconds * 16000,)."""
    noise = audio.read(SPEECH / "_background_noise_" / "running_tap.flac").astype(np.float32) / 10
    words = np.concatenate([np.roll(clips(word, 1 + seconds // 4)[:, None], 0, 1) for word in (*WORDS, "bed")], axis=1)
    spaced = np.zeros((len(words), 6, schema.CLIP_SAMPLES), np.float32)
    spaced[:, ::2] = words
    mixed = spaced.reshape(-1)[: seconds * schema.SAMPLE_RATE]
    return np.clip(mixed + np.resize(noise, len(mixed)), -32768, 32767).astype(np.int16)


def make(settings: schema.Features, folder: Path) -> Path:
    """Export tiny_conv for a front end; return the export folder."""
    config = schema.Config(words=WORDS, data=schema.Data(), features=settings, model=TinyConv())
    model = build(config.model, settings.frames, settings.width, len(config.labels), seed=1)
    model.set_weights([10 * weight for weight in model.get_weights()])
    heard = features.build(settings)(np.concatenate([clips(word, 15) for word in WORDS]) / np.float32(32768))
    place = folder / "export"
    export(model, heard, config, place, {})
    (place / "c99").mkdir()
    program.write(place / "model_int8.tflite", run_folder.read_json(place / "manifest.json"), place / "c99")
    return place


def eager(folder: Path) -> Path:
    """Make an export whose detector fires at little."""
    exported = make(Micro(), folder)
    manifest = run_folder.read_json(exported / "manifest.json")
    manifest["detector"] |= {"detection_threshold": 70, "suppression_ms": 300}
    run_folder.write_json(exported / "manifest.json", manifest)
    return exported
