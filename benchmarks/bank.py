"""What a bank of augmented features saves, and what it costs in accuracy: ``augment.bank`` beside fresh augmentation.

    python -m benchmarks bank

The default recipe on recorded yes and no, three seeds each, and a sweep of forty trials of 250 steps, which makes its
bank itself. About fifteen minutes on two cores.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from benchmarks import recipes, sweeps
from benchmarks.setup import experiment
from kws_exp import bank, data, features
from kws_exp.data import Dataset, source
from kws_exp.schema import Config

SIZES = (0, 5, 20, 80)
FORTY = (
    *("model=tiny_conv", "train.steps=[250]", "sweeper.sampler=grid"),
    *("optimizer.learning_rate=0.0005,0.001,0.002,0.004,0.008", "model.filters=range(4,12)"),
)


def main(folder: str) -> list[str]:
    """Measure, and return Markdown."""
    return [*_accuracy(folder), "", *_forty_trials(folder)]


def _accuracy(folder: str) -> list[str]:
    lines = [
        "| augment.bank | test accuracy, mean of 3 seeds | each | making it | training |",
        "|---|---|---|---|---|",
    ]
    config = experiment(recipes.WORDS, f"data.dir={folder}")
    dataset = data.load(config)
    with tempfile.TemporaryDirectory() as scratch:
        config.data.cache_dir = scratch
        for size in SIZES:
            config.augment.bank = size
            found = [
                (_make(config, dataset, seed), *recipes.trained(config, dataset, dataset, seed)) for seed in (1, 2, 3)
            ]
            making, accuracies, training = zip(*found, strict=True)
            each = ", ".join(f"{accuracy:.1%}" for accuracy in accuracies)
            mean = f"{statistics.mean(accuracies):.1%} | {each}"
            spent = f"{statistics.mean(making):.1f} s | {statistics.mean(training):.1f} s"
            lines.append(f"| {size or 'fresh'} | {mean} | {spent} |")
    return lines


def _make(config: Config, dataset: Dataset, seed: int) -> float:
    """Return the seconds of making a bank, or what a smaller one lacks."""
    began = time.monotonic()
    config.seed = seed
    if config.augment.bank:
        bank.open_bank(config, dataset, features.build(config.features), config.augment.bank, lambda *_: None)
    return time.monotonic() - began


def _forty_trials(folder: str) -> list[str]:
    lines = ["| sweep of 40 trials | one worker | two workers | ratio |", "|---|---|---|---|"]
    audio = source.cache_dir(experiment(recipes.WORDS, f"data.dir={folder}").data) / "audio"
    for size in (0, 20):
        seconds = []
        for workers in (1, 2):
            with tempfile.TemporaryDirectory() as cache:
                (Path(cache) / "audio").symlink_to(audio.resolve())
                settings = (f"data.dir={folder}", *FORTY, f"augment.bank={size}", f"data.cache_dir={cache}")
                seconds.append(sweeps.sweep(*settings, workers=workers).seconds)
        one, two = seconds
        lines.append(f"| augment.bank={size} | {one:.0f} s | {two:.0f} s | {two / one:.2f} |")
    return lines
