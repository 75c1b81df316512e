"""Checkpoints: complete, atomic, and the newest readable one is found."""

from pathlib import Path

import numpy as np
import pytest

from kws_exp import checkpoint
from kws_exp.checkpoint import Checkpoint, Score


def state(step: int) -> dict[str, np.ndarray]:
    return {"model/0000": np.full((3, 2), step, np.float32), "optimizer/0000": np.array(step, np.int64)}


@pytest.mark.parametrize("best", [None, Score(20, 0.9, 0.25), Score(20, 0.9, 0.25, 0.5)])
def test_what_is_saved_is_loaded(best: Score | None, tmp_path: Path) -> None:
    checkpoint.save(tmp_path, Checkpoint(40, best, state(40)), keep=3)
    loaded = checkpoint.load_latest(tmp_path)
    assert loaded is not None
    assert (loaded.step, loaded.best) == (40, best)
    for name, array in state(40).items():
        np.testing.assert_array_equal(loaded.arrays[name], array)
        assert loaded.arrays[name].dtype == array.dtype


def test_keeps_the_newest_and_no_others(tmp_path: Path) -> None:
    for step in (5, 10, 15, 100):
        checkpoint.save(tmp_path, Checkpoint(step, None, state(step)), keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000015.npz", "step-00000100.npz"]


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut short"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, damage: bytes) -> None:
    checkpoint.save(tmp_path, Checkpoint(5, None, state(5)), keep=3)
    (tmp_path / "step-00000010.npz").write_bytes(damage)
    loaded = checkpoint.load_latest(tmp_path)
    assert loaded is not None
    assert loaded.step == 5


def test_no_checkpoint(tmp_path: Path) -> None:
    assert checkpoint.load_latest(tmp_path / "none") is None


def test_pickled_content_is_not_executed(tmp_path: Path) -> None:
    np.savez(tmp_path / "step-00000001.npz", best=np.zeros(0), bad=np.array([print], dtype=object))
    assert checkpoint.load_latest(tmp_path) is None


@pytest.mark.parametrize(
    ("one", "other", "better"),
    [
        (Score(1, 0.9, 0.5), None, True),
        (Score(2, 0.9, 0.5), Score(1, 0.8, 0.1), True),
        (Score(2, 0.9, 0.4), Score(1, 0.9, 0.5), True),
        (Score(2, 0.9, 0.5), Score(1, 0.9, 0.5), False),
        (Score(2, float("nan"), float("nan")), Score(1, 0.9, 0.5), False),
    ],
)
def test_best_is_by_accuracy_then_loss_then_earlier(one: Score, other: Score | None, better: bool) -> None:
    assert one.beats(other) is better
