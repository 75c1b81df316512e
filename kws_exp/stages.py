"""The stages of a run, in a straight line: data, features, model, training, evaluation, export, proof, listening.

:mod:`kws_exp.run` begins and ends a run; what lies between is :meth:`Line.go`. Everything is written to the run's
folder first (``kws_exp.run_folder``); the tracking process copies it from there (``kws_exp.track``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kws_exp import (
    augment,
    bank,
    budget,
    data,
    export,
    features,
    framework,
    misheard,
    models,
    pipeline,
    proof,
    run_folder,
    summary,
)
from kws_exp.checkpoint import Score
from kws_exp.console import Watch
from kws_exp.data import TESTING, TRAINING, VALIDATION, Dataset
from kws_exp.errors import KwsError
from kws_exp.features import Extract
from kws_exp.proof import forms
from kws_exp.schema import Config
from kws_exp.start import Started
from kws_exp.tensorboard import EventFiles
from kws_exp.track import process
from kws_exp.train import Misses, Predict, Trained, evaluate, train

if TYPE_CHECKING:
    import keras

SKIPPED_SHOWN = 5  # unreadable files named on the terminal


@dataclass(frozen=True)
class InSweep:
    """What a run has to do besides, as the trial of a sweep, which tracks it from outside."""

    report: Callable[[int, float], None]  # of each validation pass: step and accuracy; may raise Pruned
    wants_device: bool  # whether validation accuracy in the device's arithmetic counts
    load: Callable[[Config, Callable[..., None]], Dataset]  # of kws_exp.data, or what remembers its answers


@dataclass
class Line:
    """The stages of one run; each method is a stage that takes values and returns values."""

    started: Started
    watch: Watch
    tracker: process.Tracker | None
    sweep: InSweep | None = None
    events: EventFiles | None = None

    def go(self) -> None:
        """Run all stages."""
        config, folder = self.started.config, self.started.folder
        with self._stage("data"):
            dataset = self._data()
        with self._stage("imports"):
            framework.load()
        with self._stage("start"):
            extract, model = self._start()
        if self.tracker:
            with self._stage("tracking"):
                self._tracked(self.tracker)
        with self._stage("features"):
            validation = self._features(dataset, extract, VALIDATION), dataset.partitions[VALIDATION].labels
        with self._stage("training"):
            source = self._source(dataset, extract)
            misses = self._misses(dataset) if config.train.select == "stream" else None
            trained = train(config, source, validation, model, folder, self.watch, self._saved, misses)
        with self._stage("evaluation"):
            test, outputs = self._evaluate(dataset, extract, trained.predict)
        if config.export.enabled:
            with self._stage("export"):
                self._export(dataset, extract, model, trained)
            if len(test):
                with self._stage("proof"):
                    outputs = self._prove(dataset, test, outputs)
            if self.sweep and self.sweep.wants_device:
                with self._stage("evaluation"):
                    self._validate_on_device(dataset, extract)
            if config.stream.evaluate:
                with self._stage("stream"):
                    self._stream(dataset)
        if len(test) and not self.sweep:
            with self._stage("listening"):
                misheard.write_page(folder, config, dataset, test, outputs)
                misheard.write_noise(folder, config, dataset, extract, trained.predict)

    def _start(self) -> tuple[Extract, keras.Model]:
        config = self.started.config
        framework.start(config.seed)
        self.events = EventFiles(self.started.folder) if config.tracking.tensorboard else None
        shape = config.features.frames, config.features.width, len(config.labels)
        return features.build(config.features), models.build(config.model, *shape, config.seed)

    def _tracked(self, tracker: process.Tracker) -> None:
        """Wait until the tracking process has the run."""
        record = self.started.record
        record.tracking_run_id, record.tracking_uri = tracker.result(), tracker.store.uri
        self.started.folder.write_record(record)

    def _data(self) -> Dataset:
        self.watch.say(data.describe(self.started.config))
        with self.watch.progress() as line:
            load = self.sweep.load if self.sweep else data.load
            dataset = load(self.started.config, line.update)
        skipped = [f"{path} ({reason})" for path, reason in dataset.skipped.items()]
        if skipped:
            more = (
                f" and {len(skipped) - SKIPPED_SHOWN} more, named in run.json" if len(skipped) > SKIPPED_SHOWN else ""
            )
            self.watch.say(f"skipped {len(skipped)} files: {', '.join(skipped[:SKIPPED_SHOWN])}{more}", "warning")
        before = self.started.record.data.get("digest", dataset.digest)
        if before != dataset.digest:
            raise KwsError(
                f"resume needs the clips that the run began with, but they have changed since (digest {before}, now "
                f"{dataset.digest}): restore them, or start a new run"
            )
        self.started.record.data = dataset.summary()
        self.started.folder.write_record(self.started.record)
        return dataset

    def _source(self, dataset: Dataset, extract: Extract) -> pipeline.Source:
        config = self.started.config
        variants, clips = bank.size(config, dataset), len(dataset.partitions[TRAINING])
        if variants:
            self.watch.say(
                f"augmentation: {variants} variants of each of {clips:,} clips (augment.bank=0: always new ones)"
            )
        with self.watch.progress() as line:
            return bank.source(config, dataset, extract, line.update)

    def _misses(self, dataset: Dataset) -> Misses:
        """Return what weights are chosen by where it is their misses on a validation stream."""
        from kws_exp.stream import selection  # Numba and SciPy, for those alone who ask for it

        with self.watch.progress() as line:
            return selection.misses(self.started.config, dataset, line.update)

    def _features(self, dataset: Dataset, extract: Extract, name: str) -> NDArray[np.float32]:
        return pipeline.partition_features(self.started.config, dataset, extract, name)

    def _evaluate(
        self, dataset: Dataset, extract: Extract, predict: Predict
    ) -> tuple[NDArray[np.float32], NDArray[Any]]:
        test = self._features(dataset, extract, TESTING)
        logits = predict(test)
        result = evaluate(logits, dataset.partitions[TESTING].labels, dataset.labels)
        run_folder.write_json(self.started.folder.path / "evaluation.json", result.to_json())
        if result.clips:
            low, high = result.interval
            self.watch.say(f"test accuracy {result.accuracy:.1%} ({low:.1%} to {high:.1%}, N={result.clips})")
            self.watch.say(result.table())
        return test, logits

    def _export(self, dataset: Dataset, extract: Extract, model: keras.Model, trained: Trained) -> None:
        config, record = self.started.config, self.started.record
        draws = augment.training_draws(
            dataset.partitions[TRAINING], config.augment, config.export.calibration_clips, config.seed, step=0
        )
        calibration = extract(augment.render(draws, dataset.clips, dataset.noise))
        provenance = {
            "run_id": record.run_id,
            "tracking_run_id": record.tracking_run_id,
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "steps": trained.steps,
            "weights_of_step": trained.best.step if trained.best and config.train.select != "last" else trained.steps,
            "data": {key: record.data[key] for key in ("source", "digest")},
            "git": record.git,
            "versions": record.versions,
        }
        export.export(model, calibration, config, self.started.folder.export, provenance)

    def _prove(
        self, dataset: Dataset, test: NDArray[np.float32], logits: NDArray[np.float32]
    ) -> NDArray[np.float32] | NDArray[np.int8]:
        """Prove the export; return what the device makes of the test partition, or the logits where that is unknown."""
        config = self.started.config

        def audio() -> Iterator[NDArray[np.float32]]:
            return augment.evaluation_audio(dataset, TESTING, config.seed)

        tested = proof.Partition(test, dataset.partitions[TESTING].labels, logits, audio)
        _, outputs = proof.prove(self.started.folder.export, config, tested)
        return logits if outputs is None else outputs

    def _validate_on_device(self, dataset: Dataset, extract: Extract) -> None:
        features = self._features(dataset, extract, VALIDATION)
        folder, labels = self.started.folder, dataset.partitions[VALIDATION].labels
        run_folder.write_json(
            folder.path / summary.DEVICE_VALIDATION,
            {"accuracy": forms.device_accuracy(folder.export, features, labels)},
        )

    def _stream(self, dataset: Dataset) -> None:
        from kws_exp.stream import stage  # Numba and SciPy, for those alone who ask for it

        config = self.started.config
        with self.watch.progress() as line:
            found = stage.evaluate(self.started.folder, config.stream, dataset, config.seed, line.update)
        self.watch.say(", ".join(f"{name} {value:.3g}" for name, value in found.items()))

    def _saved(self, step: int, found: Score | None) -> None:
        if self.events:
            self.events.update()
        trouble = self.tracker.sync(step) if self.tracker else None
        if trouble:
            self.watch.say(f"tracking: {trouble}; training goes on", "warning")
        if self.sweep and found:
            self.sweep.report(step, found.accuracy)

    def _stage(self, name: str) -> AbstractContextManager[None]:
        return budget.stage(self.started.record.seconds, name)
