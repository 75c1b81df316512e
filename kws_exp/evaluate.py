"""Scores of a classifier of clips: confusion matrix, accuracy with its interval, precision, recall and F1.

Everything follows from the confusion matrix (rows true, columns predicted), so that is all an
:class:`Evaluation` stores. NumPy only: the same code scores Keras, TensorFlow Lite and the device's output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959963984540054  # two-sided 95 % quantile of the normal distribution


@dataclass(frozen=True)
class ClassScore:
    """One row of the per-word table; a ratio without a denominator is None."""

    label: str
    clips: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class Confusion:
    """Clips of one true label that were given one other label."""

    true: str
    predicted: str
    clips: int
    share: float  # of the clips of the true label


@dataclass(frozen=True)
class Evaluation:
    """The result of one pass over a partition."""

    labels: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]  # rows true, columns predicted
    loss: float | None = None

    @property
    def clips(self) -> int:
        """Number of clips."""
        return int(np.sum(self.matrix))

    @property
    def correct(self) -> int:
        """Number of clips given their true label."""
        return int(np.trace(np.array(self.matrix)))

    @property
    def accuracy(self) -> float:
        """Share of clips given their true label; NaN without clips."""
        return self.correct / self.clips if self.clips else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy (Wilson 1927), which stays inside 0..1 for small partitions."""
        return wilson(self.correct, self.clips)

    def per_class(self) -> list[ClassScore]:
        """Precision, recall and F1 of each label."""
        matrix = np.array(self.matrix)
        return [
            _class_score(label, int(matrix[i, i]), int(matrix[i].sum()), int(matrix[:, i].sum()))
            for i, label in enumerate(self.labels)
        ]

    def worst_confusions(self, count: int = 5) -> list[Confusion]:
        """Return the ``count`` off-diagonal cells with most clips, largest first."""
        size = len(self.labels)
        cells = [
            Confusion(self.labels[t], self.labels[p], self.matrix[t][p], self.matrix[t][p] / sum(self.matrix[t]))
            for t in range(size)
            for p in range(size)
            if t != p and self.matrix[t][p]
        ]
        return sorted(cells, key=lambda cell: (-cell.clips, -cell.share))[:count]

    def table(self) -> str:
        """Return the confusion matrix as text, rows true and columns predicted."""
        width = max(len(cell) for cell in (*self.labels, str(max(map(max, self.matrix)))))
        lines = [
            ("", *self.labels),
            *((label, *map(str, row)) for label, row in zip(self.labels, self.matrix, strict=True)),
        ]
        return "\n".join("  ".join(cell.rjust(width) for cell in line) for line in lines)

    def to_json(self) -> dict[str, Any]:
        """Return the stored form, with the accuracy for readers."""
        return {
            "labels": list(self.labels),
            "matrix": [list(row) for row in self.matrix],
            "loss": self.loss if self.loss is not None and np.isfinite(self.loss) else None,
            "accuracy": self.accuracy if self.clips else None,
            "interval": list(self.interval),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Evaluation:
        """Read what :meth:`to_json` wrote."""
        return cls(tuple(content["labels"]), tuple(tuple(row) for row in content["matrix"]), content["loss"])


def wilson(correct: int, total: int) -> tuple[float, float]:
    """Return the Wilson score interval at 95 % of ``correct`` successes in ``total`` draws."""
    if not total:
        return (0.0, 1.0)
    share = correct / total
    spread = Z_95**2 / total
    centre = share + spread / 2
    half = Z_95 * np.sqrt(share * (1 - share) / total + spread / (4 * total))
    low, high = float((centre - half) / (1 + spread)), float((centre + half) / (1 + spread))
    return (max(0.0, min(low, share)), min(1.0, max(high, share)))  # rounding must not exclude 0 or 1


def mean_interval(accuracies: Sequence[float], clips: int) -> tuple[float, float]:
    """Return a 95 % interval of the mean accuracy of several seeds, all tested on the same clips.

    Two independent doubts add up: which clips happen to be in the partition, p (1 - p) / clips, which more seeds do not
    lessen, and how the seeds fell, variance / seeds. One seed: :func:`wilson`.
    """
    mean = float(np.mean(accuracies))
    if len(accuracies) == 1:
        return wilson(round(mean * clips), clips)
    half = Z_95 * np.sqrt(mean * (1 - mean) / clips + np.var(accuracies, ddof=1) / len(accuracies))
    return (max(0.0, float(mean - half)), min(1.0, float(mean + half)))


def score(
    labels: Sequence[str],
    true: NDArray[np.integer[Any]],
    predicted: NDArray[np.integer[Any]],
    loss: float | None = None,
) -> Evaluation:
    """Count predictions against the truth; both are label indices of shape (clips,)."""
    size = len(labels)
    counts = np.bincount(true.astype(np.int64) * size + predicted, minlength=size * size).reshape(size, size)
    return Evaluation(tuple(labels), tuple(tuple(int(n) for n in row) for row in counts), loss)


def _class_score(label: str, hits: int, clips: int, predicted: int) -> ClassScore:
    precision = hits / predicted if predicted else None
    recall = hits / clips if clips else None
    f1 = 2 * hits / (clips + predicted) if clips and predicted else None
    return ClassScore(label, clips, precision, recall, f1)
