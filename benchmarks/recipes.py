"""What the default recipe reaches on recorded words, trained on recorded and on synthetic speech; three seeds each.

    python -m benchmarks.recipes ../shared/speech_commands

Tests on the recorded test partition of yes and no with silence and unknown words at 25 %, the data on which the
original trainer's course recipe reached 89.4 % after 15,000 steps and 38 minutes on 2 cores. About ten minutes.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.setup import experiment
from kws_exp import bank, data, features, framework, models, pipeline
from kws_exp.console import Watch
from kws_exp.data import TESTING, VALIDATION, Dataset
from kws_exp.run_folder import RunFolder
from kws_exp.schema import Config
from kws_exp.train import evaluate, predictor, train

SEEDS = (1, 2, 3)
WORDS = "words=[yes,no]"


def main(folder: str) -> None:
    """Print a line for each kind of speech."""
    recorded = experiment(WORDS, f"data.dir={folder}")
    tested = data.load(recorded)
    for name, config in (("recorded", recorded), ("synthetic", experiment(WORDS, "data=synthetic"))):
        dataset = data.load(config)
        accuracies, seconds = zip(*(trained(config, dataset, tested, seed) for seed in SEEDS), strict=True)
        each = ", ".join(f"{accuracy:.1%}" for accuracy in accuracies)
        print(
            f"trained on {name} speech: {statistics.mean(accuracies):.1%} of {len(tested.partitions[TESTING])} "
            f"recorded test clips ({each}), {statistics.mean(seconds):.0f} s of training"
        )


def trained(config: Config, dataset: Dataset, tested: Dataset, seed: int) -> tuple[float, float]:
    """Return the accuracy on a test partition and the seconds of training."""
    config.seed = seed
    framework.start(seed)
    extract = features.build(config.features)
    model = models.build(config.model, config.features.frames, config.features.width, len(config.labels), seed)
    source = bank.source(config, dataset, extract, lambda *_: None)
    validation = pipeline.partition_features(config, dataset, extract, VALIDATION)
    labelled = validation, dataset.partitions[VALIDATION].labels
    with tempfile.TemporaryDirectory() as scratch:
        found = train(config, source, labelled, model, RunFolder(Path(scratch)), Watch("error"))
    clips = pipeline.partition_features(config, tested, extract, TESTING)
    result = evaluate(predictor(model)(clips), tested.partitions[TESTING].labels, tested.labels)
    return result.accuracy, found.seconds


if __name__ == "__main__":
    main(*sys.argv[1:])
