"""Checkpoints: all that a step depends on, in one ``.npz``, written aside and moved into place.

Batches and their augmentation depend on the seed and the step alone, so the variables of model and optimizer
(dropout's random state and the step count are among them) are all there is to keep. NumPy reads them without
pickle: nothing in a checkpoint is executed.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BEST = "best.npz"
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Score:
    """How good weights are: by the misses on a stream if they are counted, then by validation accuracy, then loss."""

    step: int
    accuracy: float
    loss: float
    misses: float | None = None  # share of the keywords, where train.select=stream

    @property
    def rank(self) -> tuple[float, float, float]:
        """More is better."""
        return -(self.misses or 0.0), self.accuracy, -self.loss

    def beats(self, other: Score | None) -> bool:
        """Tell whether these weights are to be kept rather than the other's."""
        return other is None or self.rank > other.rank


@dataclass(frozen=True)
class Checkpoint:
    """The state after ``step`` steps."""

    step: int
    best: Score | None
    arrays: Arrays  # variables, and what the curves' next point has counted so far


def capture(groups: Mapping[str, Sequence[Any]]) -> Arrays:
    """Copy Keras variables, given as {"model": model.variables, ...}, into arrays named by group and order."""
    return {
        f"{group}/{i:04d}": np.asarray(variable)
        for group, variables in groups.items()
        for i, variable in enumerate(variables)
    }


def restore(arrays: Arrays, groups: Mapping[str, Sequence[Any]]) -> None:
    """Assign what :func:`capture` copied."""
    for group, variables in groups.items():
        for i, variable in enumerate(variables):
            variable.assign(arrays[f"{group}/{i:04d}"])


def save(folder: Path, checkpoint: Checkpoint, keep: int) -> None:
    """Write ``step-N.npz`` and remove all but the newest ``keep``."""
    known = [value for value in astuple(checkpoint.best) if value is not None] if checkpoint.best else []
    header = np.array(known, np.float64)
    _write(folder / f"step-{checkpoint.step:08d}.npz", {"best": header, **checkpoint.arrays})
    for path in (*_saved(folder)[keep:], *folder.glob(".step-*.npz")):  # the latter are of a killed process
        path.unlink(missing_ok=True)


def save_best(folder: Path, weights: Arrays) -> None:
    """Write the weights that are best so far."""
    _write(folder / BEST, weights)


def load_latest(folder: Path) -> Checkpoint | None:
    """Read the newest checkpoint; one that cannot be read is passed over for the one before."""
    for path in _saved(folder):
        try:
            arrays = _read(path)
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            continue
        header = arrays.pop("best")
        best = Score(int(header[0]), *map(float, header[1:])) if header.size else None
        return Checkpoint(int(path.stem.partition("-")[2]), best, arrays)
    return None


def load_best(folder: Path) -> Arrays:
    """Read the best weights."""
    return _read(folder / BEST)


def _saved(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.npz"), reverse=True)


def _write(path: Path, arrays: Arrays) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.stem}.{os.getpid()}.npz")
    with aside.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # its stub takes no dictionary
        file.flush()
        os.fsync(file.fileno())  # a power cut must not leave an empty file under the final name
    os.replace(aside, path)


def _read(path: Path) -> Arrays:
    # opened here because np.load leaves a file that is no archive open
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
