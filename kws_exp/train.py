"""The training loop, by steps as in the classic trainer, exact under interruption.

Every ``train.save_interval`` steps, and at every validation pass, the loop writes its curves and then a checkpoint.
A run that is killed at any moment goes on from the last checkpoint with the same batches, the same dropout and the
same optimizer state, so it ends with the weights it would have had. That holds bit for bit on a CPU because
TensorFlow's op determinism is on.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kws_exp import centring, checkpoint, features, optimizer, pipeline, run_folder
from kws_exp.checkpoint import Checkpoint, Score
from kws_exp.console import Watch
from kws_exp.data import VALIDATION, Dataset
from kws_exp.evaluate import Evaluation, score
from kws_exp.features import Extract
from kws_exp.run_folder import RunFolder
from kws_exp.schema import Config
from kws_exp.signals import StopRequest

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Trained:
    """What training leaves, apart from the weights in the model."""

    steps: int
    best: Score | None
    seconds: float  # of this process's loop


@dataclass
class _Curves:
    """Points of the training curves, held back until the checkpoint they belong to."""

    folder: RunFolder
    points: list[dict[str, Any]] = field(default_factory=list)
    confusions: list[dict[str, Any]] = field(default_factory=list)

    def add(self, step: int, **values: float) -> None:
        named = {name.replace("_", "/", 1): value for name, value in values.items()}
        self.points.append({"step": step, "time": time.time_ns() // 1_000_000, **named})

    def write(self) -> None:
        run_folder.append_lines(self.folder.curves, self.points)
        run_folder.append_lines(self.folder.confusions, self.confusions)
        self.points, self.confusions = [], []


def train(
    config: Config,
    dataset: Dataset,
    extract: Extract,
    model: keras.Model,
    folder: RunFolder,
    watch: Watch,
    saved: Callable[[int, Score | None], None] = lambda step, found: None,
) -> Trained:
    """Train ``model`` in place, from the folder's last checkpoint if there is one, and load the chosen weights.

    Args:
        config: the experiment.
        dataset: clips of all partitions.
        extract: audio (batch, 16000) to features (batch, frames, width).
        model: features (batch, frames, width, 1) to logits (batch, labels).
        folder: takes checkpoints and curves.
        watch: shows progress.
        saved: called after each checkpoint, with the step and, if it was one of a validation pass, its score.

    Raises:
        KeyboardInterrupt: after Ctrl-C or SIGTERM, once the checkpoint is written.
    """
    last = sum(config.train.steps)
    update = optimizer.build(config.optimizer, config.train.steps)
    update.build(model.trainable_variables)
    state = {"model": model.variables, "optimizer": update.variables}
    meter = _Meter(config, watch)
    first, best = _resume(folder, state, meter)
    validation = pipeline.partition_features(config, dataset, extract, VALIDATION)
    predict, learn = predictor(model), _learner(config, model, update)
    curves = _Curves(folder)
    started = time.monotonic()
    with (
        StopRequest() as stop,
        watch.progress() as line,
        contextlib.closing(pipeline.batches(config, dataset, extract, first + 1, last)) as batches,
    ):
        meter.since = time.monotonic()
        for step, (features, labels) in enumerate(batches, start=first + 1):
            loss, hits, rate = learn(features[..., None], labels)
            meter.count(step, loss, hits, rate)
            if step % config.train.log_interval == 0 or step == last:
                curves.add(step, **meter.means(), train_learning_rate=float(rate))
                line.update("training", step, last, f"rate {float(rate):.2g}  {meter.note}")
            evaluates, found = step % config.train.eval_interval == 0 or step == last, None
            paused = time.monotonic()  # what follows is no training
            if evaluates:
                found = _validate(predict, validation, dataset, step, curves, watch)
                if found and found.beats(best):
                    best = found
                    checkpoint.save_best(folder.checkpoints, checkpoint.capture({"model": model.variables}))
            if evaluates or step % config.train.save_interval == 0 or stop.requested:
                curves.write()
                arrays = {**checkpoint.capture(state), **meter.pending()}
                checkpoint.save(folder.checkpoints, Checkpoint(step, best, arrays), config.train.keep)
                saved(step, found)
            meter.since += time.monotonic() - paused
            if stop.requested:
                raise KeyboardInterrupt
    if config.train.select == "best" and best is not None:
        checkpoint.restore(checkpoint.load_best(folder.checkpoints), {"model": model.variables})
    return Trained(last, best, time.monotonic() - started)


def predictor(model: keras.Model) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return a function from features (clips, frames, width) to logits (clips, labels)."""
    import tensorflow as tf

    signature = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
    forward = tf.function(lambda x: model(x, training=False), input_signature=[signature])

    def predict(features: NDArray[np.float32], chunk: int = 500) -> NDArray[np.float32]:
        parts = [forward(features[start : start + chunk, ..., None]) for start in range(0, len(features), chunk)]
        return np.concatenate([part.numpy() for part in parts]) if parts else np.zeros((0, 1), np.float32)

    return predict


def evaluate(logits: NDArray[np.float32], labels: NDArray[np.int64], names: tuple[str, ...]) -> Evaluation:
    """Score logits (clips, labels) against label indices (clips,), with the mean cross-entropy."""
    if not len(labels):
        return score(names, labels, labels)
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]
    return score(names, labels, logits.argmax(axis=1), float(losses.mean()))


def _resume(folder: RunFolder, state: dict[str, Any], meter: _Meter) -> tuple[int, Score | None]:
    """Restore the newest checkpoint and forget the curve points after it."""
    found = checkpoint.load_latest(folder.checkpoints)
    step = found.step if found else 0
    for path in (folder.curves, folder.confusions):
        run_folder.keep_until(path, step)
    if found is None:
        return 0, None
    checkpoint.restore(found.arrays, state)
    meter.restore(found.arrays)
    return step, found.best


def _learner(
    config: Config, model: keras.Model, update: keras.optimizers.Optimizer
) -> Callable[..., tuple[Any, Any, Any]]:
    """Return the compiled step: features and labels to mean loss, number of right answers and learning rate."""
    import keras
    import tensorflow as tf

    cross_entropy = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=config.train.label_smoothing)
    size = len(config.labels)
    values = features.input_range(config.features) if config.optimizer.centre_input else None
    apply = centring.updater(update, model, values)

    @tf.function(reduce_retracing=True)
    def learn(features: Any, labels: Any) -> tuple[Any, Any, Any]:
        rate = tf.identity(update.learning_rate)  # before the update counts the step
        with tf.GradientTape() as tape:
            logits = model(features, training=True)
            loss = cross_entropy(tf.one_hot(labels, size), logits)
            total = tf.add_n([loss, *model.losses])
        gradients = tape.gradient(total, model.trainable_variables)
        apply(gradients)
        hits = tf.reduce_sum(tf.cast(tf.equal(tf.argmax(logits, axis=1), labels), tf.int32))
        return loss, hits, rate

    return learn


def _validate(
    predict: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    features: NDArray[np.float32],
    dataset: Dataset,
    step: int,
    curves: _Curves,
    watch: Watch,
) -> Score | None:
    """Score the validation partition; None where it has no clips."""
    result = evaluate(predict(features), dataset.partitions[VALIDATION].labels, dataset.labels)
    if result.loss is None:
        return None
    curves.add(step, val_accuracy=result.accuracy, val_loss=result.loss)
    curves.confusions.append({"step": step, "matrix": [list(row) for row in result.matrix]})
    watch.say(f"step {step}: validation accuracy {result.accuracy:.1%} (N={result.clips})")
    watch.say(result.table())
    return Score(step, result.accuracy, result.loss if math.isfinite(result.loss) else math.inf)


@dataclass
class _Meter:
    """Means over the steps since the last point, and the rate."""

    config: Config
    watch: Watch
    losses: list[Any] = field(default_factory=list)
    hits: list[Any] = field(default_factory=list)
    note: str = ""
    since: float = field(default_factory=time.monotonic)
    timed: int = 0  # steps since then; fewer than losses after a resume

    def count(self, step: int, loss: Any, hits: Any, rate: Any) -> None:
        self.timed += 1
        self.losses.append(loss)
        self.hits.append(hits)
        if self.watch.verbosity == "debug":
            accuracy = float(hits) / self.config.train.batch_size
            message = f"step {step}: rate {float(rate):f}, accuracy {accuracy:.1%}, cross entropy {float(loss):f}"
            self.watch.say(message, "debug")

    def pending(self) -> checkpoint.Arrays:
        """Return what is counted since the last point, for a checkpoint between two points."""
        return {
            "meter/losses": np.array(self.losses, np.float32),
            "meter/hits": np.array(self.hits, np.int32),
        }

    def restore(self, arrays: checkpoint.Arrays) -> None:
        """Take up what :meth:`pending` returned."""
        self.losses, self.hits = list(arrays["meter/losses"]), list(arrays["meter/hits"])

    def means(self) -> dict[str, float]:
        """Return the point since the last call and start the next."""
        steps, now = len(self.losses), time.monotonic()
        loss = float(np.mean([float(value) for value in self.losses]))
        accuracy = sum(int(value) for value in self.hits) / (steps * self.config.train.batch_size)
        rate = self.timed / max(now - self.since, 1e-9)
        clips = rate * self.config.train.batch_size
        self.note = f"{rate:.0f} steps/s  accuracy {accuracy:.1%}  loss {loss:.3f}  {clips:,.0f} clips/s"
        self.losses, self.hits, self.since, self.timed = [], [], now, 0
        return {"train_loss": loss, "train_accuracy": accuracy, "train_clips_per_second": clips}
