"""What a sweep costs beside its training: ``python -m benchmarks sweeps``.

    overhead    wall seconds of a trial in a worker, from claimed to told, less its training; tracked as by default
    parallel    40 trials of unequal length with two workers, to the same trials one after the other in one process, as
                Hydra's own launcher runs them, and to a single worker of this sweeper, which has both cores and tracks
                in the background; with fresh augmentation and from a bank
    hyperband   when a sweep of twice as many trials, pruned by Hyperband, came within half a point of the validation
                accuracy that the sweep without one reached, to the time of all of that; a third of the clips are for
                validation, for of a tenth half a point is two clips

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
from datetime import datetime
from pathlib import Path

from kws_exp import run_folder
from kws_exp.sweep import storage

COMMON = ("--multirun", "data=speech_commands", "words=[yes,no]", "export=none")
OURS = "hydra/sweeper=kws_optuna"
LENGTHS = (20, 160, 40, 320, 80)  # steps
HYPERBAND = (
    *("train.steps=[1620]", "train.eval_interval=60", "optimizer.learning_rate=tag(log,interval(0.0001,0.05))"),
    *("train.label_smoothing=interval(0,0.3)", "model.filters=range(2,17,2)", "data.validation_percentage=33"),
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
        unequal = (data, lengths, "model.filters=range(4,12)", f"augment.bank={bank}")
        two, one = (sweep(*unequal, "sweeper.sampler=grid", workers=workers).seconds for workers in (2, 1))
        serial = one_by_one(*unequal)
        name = f"40 unequal trials, augment.bank={bank}: two workers {two:.0f} s"
        lines.append(f"| {name}, one process one after the other {serial:.0f} s | {two / serial:.2f} | 0.60 |")
        lines.append(f"| and a single worker with both cores, {one:.0f} s | {two / one:.2f} | |")
    whole = sweep(data, *HYPERBAND, f"sweeper.n_trials={TRIALS}", workers=2)
    pruned = sweep(data, *HYPERBAND, "sweeper.pruner=hyperband", f"sweeper.n_trials={2 * TRIALS}", workers=2)
    return [*lines, *_compared(whole, pruned)]


def _compared(whole: Swept, pruned: Swept) -> list[str]:
    near, alone = (swept.reached(whole.best - NEAR) for swept in (pruned, whole))
    same, _ = pruned.ends[TRIALS - 1]
    told, share = (f"after {near:.0f} s", f"{near / whole.seconds:.2f}") if near else ("never", "-")
    return [
        f"| without a pruner: best {whole.best:.1%} in {whole.seconds:.0f} s, within half a point {alone:.0f} s | | |",
        f"| Hyperband: within half a point of it {told} | {share} | 0.40 |",
        f"| as many trials with it, {same:.0f} s | {same / whole.seconds:.2f} | |",
        f"| twice as many, {pruned.seconds:.0f} s: best {pruned.best:.1%} | {pruned.seconds / whole.seconds:.2f} | |",
    ]


def one_by_one(*overrides: str) -> float:
    """Return the seconds that Hydra's own sweeper and launcher take, all jobs in one process."""
    with tempfile.TemporaryDirectory() as place:
        return _seconds(*COMMON, *overrides, f"output_dir={place}")


def _seconds(*arguments: str) -> float:
    """Run ``python -m kws_exp``."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "kws_exp", *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def sweep(*overrides: str, workers: int) -> Swept:
    """Run a sweep as a command."""
    with tempfile.TemporaryDirectory() as place:
        started = datetime.now()  # Optuna's times are naive
        seconds = _seconds(*COMMON, OURS, *overrides, f"output_dir={place}", f"sweeper.workers={workers}")
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
