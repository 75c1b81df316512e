"""How much faster than real time a recording is scored: ``python -m benchmarks stream``.

A composed hour, as int16 in memory, through the micro front end and the int8 network with the device's arithmetic, on
all cores: ``tiny_conv`` at every frame (20 ms) and at the device's hop (100 ms), ``ds_cnn``, which has thirty times its
multiply-adds, at the hop. The networks are untrained, which changes no operation. The first minutes are scored too, as
memory is to be the same for both. Two minutes on two cores.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.setup import experiment, peak
from kws_exp import augment, data, export, features, framework, models
from kws_exp.cpu import cores
from kws_exp.data import TRAINING
from kws_exp.stream import compose, scores, spotter

MINUTES, FIRST = 60, 6
WORDS = "words=[yes,no,up,down]"
CALIBRATION = 100  # clips


def main(folder: str) -> list[str]:
    """Measure, and return Markdown."""
    lines = [
        f"| model | every | an hour takes, {cores()} cores | times real time | limit | MB, an hour | MB, six minutes |",
        "|" + "---|" * 7,
    ]
    for model in ("tiny_conv", "ds_cnn"):
        config = experiment(WORDS, f"model={model}", f"data.dir={folder}")
        dataset = data.load(config)
        audio = list(compose.render(compose.plan(dataset, compose.Recipe(MINUTES)), dataset))
        with TemporaryDirectory() as place:
            framework.start(config.seed)
            shape = config.features.frames, config.features.width, len(config.labels)
            draws = augment.training_draws(dataset.partitions[TRAINING], config.augment, CALIBRATION, 1, step=0)
            seen = features.build(config.features)(augment.render(draws, dataset.clips, dataset.noise))
            export.export(models.build(config.model, *shape, 1), seen, config, Path(place), {})
            with spotter.opened(Path(place)) as found:
                for hop in (1, found.hop)[model == "ds_cnn" :]:
                    _, short = _scored(audio[: len(audio) * FIRST // MINUTES], found, hop)
                    seconds, whole = _scored(audio, found, hop)
                    rate = f"{60 * MINUTES / seconds:,.0f}"
                    every = f"{hop * config.features.stride_ms:g} ms"
                    lines.append(f"| {model} | {every} | {seconds:.1f} s | {rate} | 200 | {whole:.0f} | {short:.0f} |")
    return lines


def _scored(audio: Sequence[NDArray[np.int16]], found: spotter.Spotter, hop: int) -> tuple[float, float]:
    """Return the seconds that scoring takes, and the MB that it adds to this process."""
    with peak() as seen:
        began, before = time.perf_counter(), seen[0]
        for _ in scores.stream(iter(audio), found, hop):
            pass
        seconds = time.perf_counter() - began
    return seconds, seen[0] - before
