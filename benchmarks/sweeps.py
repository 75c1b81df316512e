"""What a sweep costs beside its training: ``python -m benchmarks sweeps``.

    overhead    wall seconds of a trial in a worker, from claimed to told, less its training; tracked as by default
    parallel    40 trials of unequal length with two workers, to the same trials one after the other in one process that
                has both cores, with fresh augmentation and from a bank
    hyperband   when a sweep of twice as many trials, pruned by Hyperband, came within half a point of the validation
                accuracy that the sweep without one reached, to the time of all of that

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
from datetime import datetime
from pathlib import Path

from kws_exp import cpu, run_folder
from kws_exp.sweep import storage

COMMON = ("--multirun", "hydra/sweeper=kws_optuna", "data=speech_commands", "words=[yes,no]", "export=none")
LENGTHS = (20, 160, 40, 320, 80)  # steps
HYPERBAND = (
    *("train.steps=[1620]", "train.eval_interval=60", "optimizer.learning_rate=tag(log,interval(0.0001,0.05))"),
    *("augment.gain_db=interval(0,20)", "train.label_smoothing=interval(0,0.3)", "model.filters=range(2,17,2)"),
    "augment.bank=0",  # each gain would have a bank of its own
)
TRIALS = 30
NEAR = 0.005  # of the best validation accuracy


@dataclass(frozen=True)
class Swept:
    """A finished sweep: seconds of the whole command, of each trial beside its training, and when trials ended."""

    seconds: float
    overheads: list[float]
    ends: list[tuple[float, float]]  # seconds from the command's start, and the value, 0 of a pruned trial; in order

    @property
    def best(self) -> float:
        """The highest value."""
        return max(value for _, value in self.ends)

    def reached(self, value: float) -> float | None:
        """Return the seconds until a trial had this value."""
        return next((seconds for seconds, found in self.ends if found >= value), None)


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
    whole = sweep(data, *HYPERBAND, f"sweeper.n_trials={TRIALS}", workers=2)
    pruned = sweep(data, *HYPERBAND, "sweeper.pruner=hyperband", f"sweeper.n_trials={2 * TRIALS}", workers=2)
    return [*lines, *_compared(whole, pruned)]


def _compared(whole: Swept, pruned: Swept) -> list[str]:
    near = pruned.reached(whole.best - NEAR)
    same, _ = pruned.ends[TRIALS - 1]
    told, share = (f"after {near:.0f} s", f"{near / whole.seconds:.2f}") if near else ("never", "-")
    return [
        f"| without a pruner: best {whole.best:.1%} in {whole.seconds:.0f} s | | |",
        f"| Hyperband: within half a point of it {told} | {share} | 0.40 |",
        f"| as many trials with it, {same:.0f} s | {same / whole.seconds:.2f} | |",
        f"| twice as many, {pruned.seconds:.0f} s: best {pruned.best:.1%} | {pruned.seconds / whole.seconds:.2f} | |",
    ]


def sweep(*overrides: str, workers: int, cores: int | None = None) -> Swept:
    """Run a sweep as a command; ``cores`` are divided among its workers, by default all."""
    surroundings = os.environ | ({cpu.VARIABLE: str(cores)} if cores else {})
    with tempfile.TemporaryDirectory() as place:
        settings = (*COMMON, *overrides, f"output_dir={place}", f"sweeper.workers={workers}")
        command = [sys.executable, "-m", "kws_exp", *settings]
        began, started = time.monotonic(), datetime.now()  # Optuna's times are naive
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=surroundings)
        seconds = time.monotonic() - began
        opened = storage.open_storage(storage.resolve(None, place))
        trials = opened.get_all_trials(opened.get_all_studies()[0]._study_id)
        ends = [
            (
                (trial.datetime_complete - started).total_seconds(),
                trial.values[0] if trial.state.name == "COMPLETE" else 0,
            )
            for trial in trials
            if trial.datetime_complete
        ]
        overheads = []
        for trial in trials:
            record = run_folder.read_json(Path(place, "runs", trial.user_attrs["runs"][0], "run.json"))
            assert trial.duration is not None
            overheads.append(trial.duration.total_seconds() - record["seconds"]["training"])
        return Swept(seconds, overheads, sorted(ends))
