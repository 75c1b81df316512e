"""What a sweep costs beside its training: ``python -m benchmarks sweeps``.

    overhead    wall seconds of a trial in a worker, from claimed to told, less its training; tracked as by default
    parallel    40 trials of unequal length with two workers, to the same trials one after the other in one process that
                has both cores, with fresh augmentation and from a bank
    hyperband   a sweep pruned by Hyperband to the same sweep without, and the best accuracy of both

Each pair runs one after the other in one call, so that the ratios hold on a machine that others use too. About
25 minutes on two cores.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from kws_exp import run_folder
from kws_exp.sweep import storage

COMMON = ("--multirun", "hydra/sweeper=kws_optuna", "data=speech_commands", "words=[yes,no]", "export=none")
LENGTHS = (20, 160, 40, 320, 80)  # steps
HYPERBAND = (
    *("train.steps=[540]", "train.eval_interval=20", "optimizer.learning_rate=tag(log,interval(0.0001,0.05))"),
    *("augment.gain_db=interval(0,20)", "train.label_smoothing=interval(0,0.3)", "model.filters=range(2,17,2)"),
    *("sweeper.n_trials=30", "sweeper.workers=2"),
)


@dataclass(frozen=True)
class Swept:
    """A finished sweep: seconds of the whole command, of each trial beside its training, and the best value."""

    seconds: float
    overheads: list[float]
    best: float


def main(folder: str) -> list[str]:
    """Measure, and return Markdown."""
    data = f"data.dir={folder}"
    trials = ("model=tiny_conv", "train.steps=[60]", "augment.gain_db=range(0,12)", "sweeper.sampler=grid")
    overhead = statistics.median(sweep(data, *trials, workers=1).overheads[2:])
    lines = [
        "| | measured | limit |",
        "|---|---|---|",
        f"| overhead of a trial beside its training, median | {overhead:.3f} s | 0.150 s |",
    ]
    lengths = f"train.steps={','.join(f'[{steps}]' for steps in LENGTHS)}"
    for bank in (0, 20):
        unequal = (data, lengths, "augment.gain_db=5", "model.filters=range(4,12)", f"augment.bank={bank}")
        one, two = (sweep(*unequal, "sweeper.sampler=grid", workers=workers).seconds for workers in (1, 2))
        name = f"40 unequal trials, augment.bank={bank}: two workers {two:.0f} s, one {one:.0f} s"
        lines.append(f"| {name} | {two / one:.2f} | 0.60 |")
    whole, pruned = sweep(data, *HYPERBAND, workers=2), sweep(data, *HYPERBAND, "sweeper.pruner=hyperband", workers=2)
    ratio = pruned.seconds / whole.seconds
    name = f"hyperband {pruned.seconds:.0f} s, without {whole.seconds:.0f} s"
    found = f"{pruned.best:.1%}, without {whole.best:.1%}"
    return [
        *lines,
        f"| {name} | {ratio:.2f} | 0.40 |",
        f"| its best validation accuracy | {found} | 0.5 points below |",
    ]


def sweep(*overrides: str, workers: int) -> Swept:
    """Run a sweep as a command."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "kws_exp", *COMMON, *overrides]
        began = time.monotonic()
        subprocess.run(
            [*command, f"output_dir={place}", f"sweeper.workers={workers}"], check=True, stdout=subprocess.DEVNULL
        )
        seconds = time.monotonic() - began
        opened = storage.open_storage(storage.resolve(None, place))
        trials = opened.get_all_trials(opened.get_all_studies()[0]._study_id)
        values = [trial.values[0] for trial in trials if trial.values and trial.state.name == "COMPLETE"]
        overheads = []
        for trial in trials:
            record = run_folder.read_json(Path(place, "runs", trial.user_attrs["runs"][0], "run.json"))
            assert trial.duration is not None
            overheads.append(trial.duration.total_seconds() - record["seconds"]["training"])
        return Swept(seconds, overheads, max(values))
