"""What a sweep costs beside its training: ``python -m benchmarks sweeps``.

    overhead    wall seconds of a trial in a worker, from claimed to told, less its training; tracked as by default
    parallel    40 trials of unequal length with two workers, to the same trials one after the other in one process that
                has both cores, with fresh augmentation and from a bank
    hyperband   a sweep pruned by Hyperband to the same sweep without, and the best accuracy of both

Each pair runs one after the other in one call, so that the ratios hold on a machine that others use too. About
25 minutes on two cores.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from kws_exp import cpu, run_folder
from kws_exp.sweep import storage

COMMON = ("--multirun", "hydra/sweeper=kws_optuna", "data=speech_commands", "words=[yes,no]", "export=none")
LENGTHS = (20, 160, 40, 320, 80)  # steps
HYPERBAND = (
    *("train.steps=[1620]", "train.eval_interval=60", "optimizer.learning_rate=tag(log,interval(0.0001,0.05))"),
    *("augment.gain_db=interval(0,20)", "train.label_smoothing=interval(0,0.3)", "model.filters=range(2,17,2)"),
    *("sweeper.n_trials=30", "sweeper.workers=2", "augment.bank=0"),  # each gain would have a bank of its own
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
        unequal = (data, lengths, "model.filters=range(4,12)", f"augment.bank={bank}", "sweeper.sampler=grid")
        two, one, half = (sweep(*unequal, workers=workers, cores=cores) for workers, cores in ((2, 2), (1, 2), (1, 1)))
        name = f"40 unequal trials, augment.bank={bank}: two workers {two.seconds:.0f} s"
        lines.append(f"| {name}, one with both cores {one.seconds:.0f} s | {two.seconds / one.seconds:.2f} | 0.60 |")
        lines.append(f"| and one with one core, {half.seconds:.0f} s | {two.seconds / half.seconds:.2f} | |")
    whole, pruned = sweep(data, *HYPERBAND, workers=2), sweep(data, *HYPERBAND, "sweeper.pruner=hyperband", workers=2)
    ratio = pruned.seconds / whole.seconds
    name = f"hyperband {pruned.seconds:.0f} s, without {whole.seconds:.0f} s"
    found = f"{pruned.best:.1%}, without {whole.best:.1%}"
    return [
        *lines,
        f"| {name} | {ratio:.2f} | 0.40 |",
        f"| its best validation accuracy | {found} | 0.5 points below |",
    ]


def sweep(*overrides: str, workers: int, cores: int | None = None) -> Swept:
    """Run a sweep as a command; ``cores`` are divided among its workers, by default all."""
    surroundings = os.environ | ({cpu.VARIABLE: str(cores)} if cores else {})
    with tempfile.TemporaryDirectory() as place:
        settings = (*COMMON, *overrides, f"output_dir={place}", f"sweeper.workers={workers}")
        command = [sys.executable, "-m", "kws_exp", *settings]
        began = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=surroundings)
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
