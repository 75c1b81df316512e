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

from kws_exp import checkpoint, learner, optimizer, pipeline, run_folder
from kws_exp.checkpoint import Checkpoint, Score
from kws_exp.console import Watch
from kws_exp.evaluate import Evaluation, score
from kws_exp.run_folder import RunFolder
from kws_exp.schema import Config
from kws_exp.signals import StopRequest

if TYPE_CHECKING:
    import keras


Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]  # features (clips, frames, width) to logits
Misses = Callable[[Predict], float]  # share of the keywords of a validation stream


@dataclass(frozen=True)
class Trained:
    """What training leaves, apart from the weights in the model."""

    steps: int
    best: Score | None
    seconds: float  # of this process's loop
    predict: Predict  # of the model with the chosen weights


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
    source: pipeline.Source,
    validation: pipeline.Batch,
    model: keras.Model,
    folder: RunFolder,
    watch: Watch,
    saved: Callable[[int, Score | None], None] = lambda step, found: None,
    misses: Misses | None = None,
) -> Trained:
    """Train ``model`` in place, from the folder's last checkpoint if there is one, and load the chosen weights.

    Args:
        config: the experiment.
        source: makes the batch of a step.
        validation: features (clips, frames, width) and labels (clips,) of the validation partition.
        model: features (batch, frames, width, 1) to logits (batch, labels).
        folder: takes checkpoints and curves.
        watch: shows progress.
        saved: called after each checkpoint, with the step and, if it was one of a validation pass, its score.
        misses: what weights are chosen by before their accuracy, if it is given.

    Raises:
        KeyboardInterrupt: after Ctrl-C or SIGTERM, once the checkpoint is written.
    """
    settings = config.train
    last = sum(settings.steps)
    update = optimizer.build(config.optimizer, settings.steps)
    update.build(model.trainable_variables)
    state = {"model": model.variables, "optimizer": update.variables}
    meter = _Meter(config, watch)
    first, best = _resume(folder, state, meter)
    predict, learn = predictor(model), learner.build(config, model, update, source)
    curves, pace = _Curves(folder), learner.Pace()
    started = time.monotonic()
    with (
        StopRequest() as stop,
        watch.progress() as line,
        contextlib.closing(pipeline.groups(settings, source, first + 1, last, lambda: pace.steps)) as groups,
    ):
        meter.since = time.monotonic()
        for group in groups:
            entered = time.monotonic()
            learned = learn(*group.arrays)
            pace.took(len(group.steps), time.monotonic() - entered)
            step = group.steps[-1]
            meter.count(group.steps, learned)
            if step % settings.log_interval == 0 or step == last:
                curves.add(step, **meter.means(), train_learning_rate=float(learned.rates[-1]))
                line.update("training", step, last, f"rate {learned.rates[-1]:.2g}  {meter.note}")
            evaluates, found = step % settings.eval_interval == 0 or step == last, None
            paused = time.monotonic()  # what follows is no training
            if evaluates:
                found = _validate(predict, validation, misses, config.labels, step, curves, watch)
                if found and found.beats(best):
                    best = found
                    checkpoint.save_best(folder.checkpoints, checkpoint.capture({"model": model.variables}))
            if evaluates or step % settings.save_interval == 0 or stop.requested:
                curves.write()
                arrays = {**checkpoint.capture(state), **meter.pending()}
                checkpoint.save(folder.checkpoints, Checkpoint(step, best, arrays), settings.keep)
                saved(step, found)
            meter.since += time.monotonic() - paused
            if stop.requested:
                raise KeyboardInterrupt
    if settings.select != "last" and best is not None:
        checkpoint.restore(checkpoint.load_best(folder.checkpoints), {"model": model.variables})
    return Trained(last, best, time.monotonic() - started, predict)


def predictor(model: keras.Model) -> Predict:
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


def _validate(
    predict: Predict,
    validation: pipeline.Batch,
    misses: Misses | None,
    names: tuple[str, ...],
    step: int,
    curves: _Curves,
    watch: Watch,
) -> Score | None:
    """Score the validation partition; None where it has no clips."""
    features, labels = validation
    result = evaluate(predict(features), labels, names)
    if result.loss is None:
        return None
    missed = misses(predict) if misses else None
    more = {} if missed is None else {"val_misses": missed}
    curves.add(step, val_accuracy=result.accuracy, val_loss=result.loss, **more)
    curves.confusions.append({"step": step, "matrix": [list(row) for row in result.matrix]})
    heard = "" if missed is None else f", {missed:.1%} of the stream's keywords missed"
    watch.say(f"step {step}: validation accuracy {result.accuracy:.1%} (N={result.clips}){heard}")
    watch.say(result.table())
    return Score(step, result.accuracy, result.loss if math.isfinite(result.loss) else math.inf, missed)


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

    def count(self, steps: range, learned: learner.Learned) -> None:
        self.timed += len(steps)
        self.losses.extend(learned.losses)
        self.hits.extend(learned.hits)
        if self.watch.verbosity == "debug":
            for step, loss, hits, rate in zip(steps, *learned, strict=True):
                accuracy = hits / self.config.train.batch_size
                self.watch.say(f"step {step}: rate {rate:f}, accuracy {accuracy:.1%}, cross entropy {loss:f}", "debug")

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
