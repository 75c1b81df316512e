"""Whether a core waits: the whole training step beside its model and its input, each alone.

    python -m benchmarks input

The model alone is the compiled step on batches in memory, the input alone one batch after the other in one thread. With
nothing ever waiting, a step takes the seconds of both over the cores; the limit is 1.1 times that. All three are of as
many steps, and of several rounds the median counts: ``tiny_conv`` alone takes 5.5 to 7.3 ms, as its threads fall, and
no sum of both is as lucky as the luckiest of each. Beside it the classic trainer's way, one clip at a time through
TensorFlow's ops, and the step from a bank of features.

A ratio has two reasons: cores that are not busy, and processor time beyond that of both alone, the last column but two.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.setup import Timed, experiment, usual
from kws_exp import augment, bank, data, features, framework, learner, models, optimizer, pipeline
from kws_exp.data import TRAINING, Dataset
from kws_exp.schema import Config

STEPS = 10  # in one call
ROUNDS = 5
LONG = 600  # steps of tiny_conv: filling and emptying the pipeline, 5 % of 60 steps, do not count; a tenth for ds_cnn


def main(folder: str) -> list[str]:
    """Measure, and return Markdown."""
    columns = ("model", "features", "model alone", "cores busy", "input alone", "step", "cores busy", "processor time")
    lines = [f"| {' | '.join(columns)} | ideal | ratio (limit 1.10) |", "|" + "---|" * 10]
    dataset = None
    for model in ("tiny_conv", "ds_cnn"):
        for front_end in ("mfcc", "log_mel", "micro"):
            config = experiment(f"data.dir={folder}", f"model={model}", f"features={front_end}")
            dataset = dataset or data.load(config)
            alone, source, whole = _whole(config, dataset)
            both = alone.cores + source.cores
            ideal = both / (os.cpu_count() or 1)
            cells = [_ms(alone.cores), _busy(alone), _ms(source.cores), _ms(whole.wall), _busy(whole)]
            cells += [f"{whole.cores / both:.2f}", _ms(ideal), f"{whole.wall / ideal:.2f}"]
            lines.append(f"| {model} | {front_end} | {' | '.join(cells)} |")
    assert dataset is not None
    return [*lines, "", *_against_the_classic(folder, dataset)]


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms"


def _busy(timed: Timed) -> str:
    return f"{timed.cores / timed.wall:.2f}"


def _whole(config: Config, dataset: Dataset) -> list[Timed]:
    """Return a step of the model alone, a batch of the input alone, and a step of both."""
    source = pipeline.fresh(config, dataset, features.build(config.features))
    learn = _learner(config, source)
    group = next(iter(_groups(config, source, STEPS)))
    long = LONG if config.model.name == "tiny_conv" else LONG // 10
    found = usual(
        {
            "model": lambda: [learn(*group.arrays) for _ in range(long // STEPS)],
            "input": lambda: _fill(source, long),
            "whole": lambda: _train(config, source, learn, long),
        },
        ROUNDS,
    )
    return [Timed(*(value / long for value in found[name])) for name in ("model", "input", "whole")]


def _against_the_classic(folder: str, dataset: Dataset) -> list[str]:
    """Compare clips per second of tiny_conv with mfcc: one clip at a time, in batches, from a bank, from memory."""
    config = experiment(f"data.dir={folder}", "features=mfcc")
    extract = features.build(config.features)
    fresh = pipeline.fresh(config, dataset, extract)
    learn = _learner(config, fresh)
    with tempfile.TemporaryDirectory() as scratch:
        config.data.cache_dir = scratch
        banked = bank.open_bank(config, dataset, extract, 4, lambda *_: None)
        group = next(iter(_groups(config, fresh, STEPS)))
        found = usual(
            {
                "one clip at a time": _classic(config, dataset, learn),
                "whole batches": lambda: _train(config, fresh, learn, LONG),
                "from the bank": lambda: _train(config, banked, learn, LONG),
                "one batch in memory": lambda: [learn(*group.arrays) for _ in range(LONG // STEPS)],
            },
            ROUNDS,
        )
    size = config.train.batch_size
    rates = {name: size * (1 if name.startswith("one clip") else LONG) / timed.wall for name, timed in found.items()}
    slowest, memory = rates["one clip at a time"], rates["one batch in memory"]
    limits = {"whole batches": "12", "from the bank": "28"}
    return [
        "| tiny_conv, mfcc | clips/s | times the first | limit | step, times the last |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {rate:,.0f} | {rate / slowest:.1f} | {limits.get(name, '')} | {memory / rate:.2f} |"
            for name, rate in rates.items()
        ),
        "",
        "The bank's step may take 1.15 times the last line's.",
    ]


def _classic(config: Config, dataset: Dataset, learn: learner.Learn) -> Callable[[], object]:
    """Return one training step of the classic's way: WAV bytes to features by a graph call for each clip."""
    import tensorflow as tf

    settings = config.features

    @tf.function(
        input_signature=[tf.TensorSpec([], kind) for kind in (tf.string, tf.int32, tf.float32)] * 1
        + [tf.TensorSpec([16_000, 1], tf.float32), tf.TensorSpec([], tf.float32)]
    )
    def one(wav: Any, shift: Any, gain: Any, noise: Any, volume: Any) -> Any:
        clip = tf.audio.decode_wav(wav, desired_channels=1, desired_samples=16_000).audio * gain
        before, after = tf.maximum(shift, 0), tf.maximum(-shift, 0)
        shifted = tf.slice(tf.pad(clip, [[before, after], [0, 0]]), [after, 0], [16_000, -1])
        audio = tf.clip_by_value(shifted + noise * volume, -1.0, 1.0)
        spectrogram = tf.raw_ops.AudioSpectrogram(
            input=audio, window_size=settings.window, stride=settings.stride, magnitude_squared=True
        )
        return tf.raw_ops.Mfcc(spectrogram=spectrogram, sample_rate=16_000, dct_coefficient_count=settings.bins)

    draws = augment.training_draws(dataset.partitions[TRAINING], config.augment, config.train.batch_size, 1, 1)
    silence = np.zeros(16_000, np.int16)
    clips = [dataset.clips[row] if row >= 0 else silence for row in draws.rows]
    wavs = [tf.audio.encode_wav(clip[:, None] / np.float32(32768), 16_000) for clip in clips]
    noises = [dataset.noise[begin : begin + 16_000, None] / np.float32(32768) for begin in draws.noise_start]

    def step() -> object:
        made = zip(wavs, draws.shift.astype(np.int32), draws.gain, noises, draws.noise_volume, strict=True)
        batch = np.stack([one(*each).numpy()[0] for each in made])
        return learn(batch[None], draws.labels[None])

    return step


def _learner(config: Config, source: pipeline.Source) -> learner.Learn:
    framework.start(config.seed)
    shape = config.features.frames, config.features.width, len(config.labels)
    model = models.build(config.model, *shape, config.seed)
    update = optimizer.build(config.optimizer, config.train.steps)
    update.build(model.trainable_variables)
    return learner.build(config, model, update, source)


def _fill(source: pipeline.Source, steps: int) -> None:
    for step in range(1, steps + 1):
        pipeline.batch(source, step)


def _train(config: Config, source: pipeline.Source, learn: learner.Learn, steps: int) -> None:
    with contextlib.closing(_groups(config, source, steps)) as groups:
        for group in groups:
            learn(*group.arrays)


def _groups(config: Config, source: pipeline.Source, steps: int) -> Any:
    return pipeline.groups(config.train, source, 1, steps, lambda: STEPS)
