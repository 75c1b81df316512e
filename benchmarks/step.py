"""How near a training step is to what the cores can do, and what was tried to bring it nearer.

    python -m benchmarks step

GFLOP/s of a step are counted as three times those of inference (forward, gradients of the weights, gradients of the
activations), against a product of 1024 x 1024 matrices on the same cores in the same run. Each variant is a process of
its own, as most are settings that TensorFlow reads when it starts.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np

from benchmarks.setup import best, experiment
from kws_exp import footprint, framework, learner, models, optimizer, pipeline
from kws_exp.data import source
from kws_exp.models import ARCHITECTURES
from kws_exp.schema import Config

ROUNDS = 5
SIDE = 1024
VARIANTS = {
    "as it is": {},
    "one step in a call": {"STEPS": "1"},
    "fifty steps in a call": {"STEPS": "50"},
    "Keras's dropout": {"PLAIN": "dropout"},
    "Keras's batch normalisation": {"PLAIN": "batch_normalization"},
    "bfloat16 products": {"PRECISION": "bfloat16"},
    "XLA": {"TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit"},
    "one thread": {"TF_NUM_INTRAOP_THREADS": "1"},
    "memory by TensorFlow's BFC allocator": {"TF_CPU_ALLOCATOR_USE_BFC": "1"},
    "without oneDNN": {"TF_ENABLE_ONEDNN_OPTS": "0"},
}
TRIED = ("tiny_conv", "ds_cnn", "conv")
PATIENCE = 90  # seconds of a variant; XLA compiles ds_cnn for minutes


def main(folder: str) -> list[str]:
    """Measure, and return Markdown; ``folder`` is not read, the batch is random."""
    lines = ["| model | million multiply-adds a clip | ms a step | GFLOP/s | of the peak |", "|---|---|---|---|---|"]
    for name in ARCHITECTURES:
        milliseconds, macs, peak = map(float, _process(name, {}).split())
        achieved = 6 * macs * 100 / milliseconds / 1e6
        row = f"{name} | {macs / 1e6:.2f} | {milliseconds:.1f} | {achieved:.0f} | {achieved / peak:.0%} of {peak:.0f}"
        lines.append(f"| {row} |")
    lines += ["", f"| variant | {' | '.join(f'{name}, ms a step' for name in TRIED)} |", f"|---|{'---|' * len(TRIED)}"]
    for variant, settings in VARIANTS.items():
        found = [_process(name, settings).split() for name in TRIED]
        lines.append(f"| {variant} | {' | '.join(f'{float(each[0]):.1f}' if each else '-' for each in found)} |")
    return lines


def _process(name: str, settings: dict[str, str]) -> str:
    command = [sys.executable, "-m", "benchmarks.step", name]
    surroundings = {**os.environ, **settings}
    try:
        return subprocess.run(command, env=surroundings, text=True, capture_output=True, timeout=PATIENCE).stdout
    except subprocess.TimeoutExpired:
        return ""


def one(name: str) -> None:
    """Print milliseconds a step, multiply-accumulates a clip, and the peak in GFLOP/s."""
    wanted = os.environ.get("PRECISION", "auto")
    config = experiment("data=synthetic", f"model={name}", f"train.precision={wanted}")
    _plain(os.environ.get("PLAIN", ""))
    framework.start(config.seed)
    import tensorflow as tf

    side = tf.random.stateless_normal((SIDE, SIDE), [1, 2])
    multiply = tf.function(lambda: tf.reduce_sum(side @ side))
    steps = int(os.environ.get("STEPS", "10"))
    found = best({"step": _step(config, steps), "peak": lambda: multiply().numpy()}, ROUNDS, each=1.0)
    print(1000 * found["step"].wall / steps, _macs(config), 2 * SIDE**3 / found["peak"].wall / 1e9)


def _step(config: Config, steps: int) -> Callable[[], object]:
    shape = config.features.frames, config.features.width
    model = models.build(config.model, *shape, len(config.labels), config.seed)
    update = optimizer.build(config.optimizer, config.train.steps)
    update.build(model.trainable_variables)
    learn = learner.build(config, model, update, pipeline.Source(pipeline.like(config), lambda *_: None))
    rng = np.random.default_rng(1)
    batches = rng.uniform(0, 26, (steps, config.train.batch_size, *shape)).astype(np.float32)
    labels = rng.integers(0, len(config.labels), batches.shape[:2])
    return lambda: learn(batches, labels)


def _plain(layer: str) -> None:
    """Put Keras's own layer in the place of ours."""
    import keras

    from kws_exp.models import batch_normalization, dropout

    if layer == "dropout":
        dropout.Dropout = keras.layers.Dropout  # type: ignore[misc]
    elif layer == "batch_normalization":
        batch_normalization.BatchNormalization = keras.layers.BatchNormalization  # type: ignore[misc]


def _macs(config: Config) -> int:
    return footprint.of(config, source.cache_dir(config.data)).macs


if __name__ == "__main__":
    one(sys.argv[1])
