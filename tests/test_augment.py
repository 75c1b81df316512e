"""Augmentation: the classic's formula, drawn per step, the same in any order."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws_exp.augment import Draws, evaluation_draws, hide, render, training_draws, variant_draws
from kws_exp.data import SILENT, Clips, Partition
from kws_exp.schema import CLIP_SAMPLES, Augment

RNG = np.random.default_rng(3)
CLIPS = Clips(tuple(RNG.integers(-32768, 32767, (n, CLIP_SAMPLES), dtype=np.int16) for n in (3, 4)))
NOISE = RNG.integers(-32768, 32767, 60_000, dtype=np.int16)
PART = Partition(
    np.array([0, 1, 2, 3, 4, 5, 6, SILENT, SILENT]),
    np.array([2, 2, 3, 3, 3, 1, 1, 0, 0]),
    np.array([[0, 20_000], [30_000, 60_000]]),
)


def one(row: int, shift: int = 0, gain: float = 1.0, start: int = 0, volume: float = 0.0) -> np.ndarray:
    values = (row, 0, shift, np.float32(gain), start, np.float32(volume), np.zeros(2), np.zeros(2))
    draws = Draws(*(np.array([value]) for value in values))
    return render(draws, CLIPS, NOISE)[0]


@given(st.integers(0, 6), st.integers(-16_000, 16_000), st.floats(0, 2), st.integers(0, 44_000), st.floats(0, 1))
def test_equals_the_classic_formula(row: int, shift: int, gain: float, start: int, volume: float) -> None:
    clip = np.concatenate([np.zeros(CLIP_SAMPLES), CLIPS[row] / 32768, np.zeros(CLIP_SAMPLES)])
    shifted = clip[CLIP_SAMPLES - shift : 2 * CLIP_SAMPLES - shift]
    expected = np.clip(shifted * gain + NOISE[start : start + CLIP_SAMPLES] / 32768 * volume, -1, 1)
    np.testing.assert_allclose(one(row, shift, gain, start, volume), expected, atol=1e-6)


def test_silence_is_noise_alone() -> None:
    np.testing.assert_allclose(one(SILENT, start=100, volume=0.5), NOISE[100 : 100 + CLIP_SAMPLES] / 65536, atol=1e-7)
    assert not one(SILENT).any()


def test_rows_run_through_all_blocks() -> None:
    np.testing.assert_array_equal(CLIPS[3], CLIPS.blocks[1][0])
    with pytest.raises(IndexError):
        CLIPS[7]


def draws(step: int = 1, seed: int = 5, size: int = 4000, **settings: Any) -> Draws:
    return training_draws(PART, Augment(**settings), size, seed, step)


def test_draws_depend_on_seed_and_step_alone() -> None:
    for name in Draws.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(draws(7), name), getattr(draws(7), name))
    assert (draws(7).rows != draws(8).rows).any()
    assert (draws(7, seed=5).rows != draws(7, seed=6).rows).any()


def test_variants_of_a_bank_differ_from_each_other_and_take_every_clip() -> None:
    first, second = (variant_draws(PART, Augment(), 5, variant) for variant in (0, 1))
    np.testing.assert_array_equal(first.rows, PART.rows)
    assert (first.shift != second.shift).any()
    assert (first.noise_start != second.noise_start).any()


def test_draws_keep_to_the_settings() -> None:
    drawn = draws(time_shift_ms=100, background_frequency=0.8, background_volume=0.1, gain_db=6)
    silent = drawn.rows == SILENT
    assert drawn.shift.min() == -1600
    assert drawn.shift.max() == 1600
    assert drawn.noise_volume[silent].max() > 0.9
    assert drawn.noise_volume[~silent].max() <= 0.1
    assert 0.77 < np.mean(drawn.noise_volume[~silent] > 0) < 0.83
    assert 0.5 < drawn.gain.min() < 0.51
    assert 1.98 < drawn.gain.max() < 2.0
    starts = drawn.noise_start
    assert (((starts >= 0) & (starts <= 4_000)) | ((starts >= 30_000) & (starts <= 44_000))).all()
    assert np.bincount(drawn.labels).tolist() == pytest.approx([889, 889, 889, 1333], rel=0.15)


def test_a_stretch_of_frames_and_a_band_are_hidden() -> None:
    drawn = draws(size=300, time_mask_ms=400, frequency_mask=0.25)
    features = np.random.default_rng(1).normal(size=(300, 50, 40)).astype(np.float32)
    masked = hide(drawn.masks, features.copy())
    changed = masked != features
    frames, bins = changed.all(axis=2).sum(axis=1), changed.all(axis=1).sum(axis=1)
    assert frames.max() == 20
    assert bins.max() == 10
    assert frames.min() == bins.min() == 0
    means = np.repeat(features.mean((1, 2), dtype=np.float64), changed.sum((1, 2)))
    np.testing.assert_allclose(masked[changed], means, rtol=1e-5)
    changed_elsewhere = changed & ~changed.all(axis=2, keepdims=True) & ~changed.all(axis=1, keepdims=True)
    assert not changed_elsewhere.any()


def test_without_masks_features_stay_as_they_are() -> None:
    features = np.random.default_rng(1).normal(size=(50, 49, 40)).astype(np.float32)
    np.testing.assert_array_equal(hide(draws(size=50).masks, features.copy()), features)


def test_no_augmentation_gives_the_clip_back() -> None:
    drawn = draws(size=50, time_shift_ms=0, background_frequency=0)
    audio = render(drawn, CLIPS, NOISE)
    for row, clip in zip(drawn.rows, audio, strict=True):
        if row != SILENT:
            np.testing.assert_array_equal(clip, CLIPS[row] / np.float32(32768))


def test_evaluation_is_the_same_in_every_pass_and_differs_between_partitions() -> None:
    first, again, other = (evaluation_draws(PART, 5, name) for name in ("validation", "validation", "testing"))
    np.testing.assert_array_equal(render(first, CLIPS, NOISE), render(again, CLIPS, NOISE))
    assert (first.noise_start[-2:] != other.noise_start[-2:]).all()
    assert not first.shift.any()
    np.testing.assert_array_equal(first.rows, PART.rows)


def test_without_noise_recordings_silence_is_zero() -> None:
    part = Partition(PART.rows, PART.labels, np.zeros((0, 2), np.int64))
    for drawn in (training_draws(part, Augment(), 100, 0, 1), evaluation_draws(part, 0, "testing")):
        assert not drawn.noise_volume.any()
        assert not render(drawn, CLIPS, np.zeros(0, np.int16))[drawn.rows == SILENT].any()
