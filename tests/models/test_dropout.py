"""Dropout by random bytes: the share, the mean, and the seed."""

import numpy as np
import pytest

from kws_exp import framework


def dropped(rate: float, seed: int = 1, shape: tuple[int, ...] = (100, 3, 333)) -> np.ndarray:
    framework.start(seed)
    import tensorflow as tf

    from kws_exp.models.dropout import Dropout

    return np.asarray(Dropout(rate, seed=seed)(tf.ones(shape), training=True))


@pytest.mark.parametrize("rate", [0.001, 0.2, 0.5, 0.999])
def test_share_and_scale(rate: float) -> None:
    values = dropped(rate)
    kept = max(round(256 * (1 - rate)), 1) if rate > 0.002 else 255
    assert set(np.unique(values)) == {np.float32(0), np.float32(256 / kept)}
    assert np.mean(values > 0) == pytest.approx(kept / 256, abs=0.004)
    assert kept / 256 == pytest.approx(1 - rate, abs=1 / 256)


def test_masks_follow_the_seed_and_differ_from_call_to_call() -> None:
    import tensorflow as tf

    np.testing.assert_array_equal(dropped(0.5, seed=3), dropped(0.5, seed=3))
    assert (dropped(0.5, seed=3) != dropped(0.5, seed=4)).any()
    from kws_exp.models.dropout import Dropout

    layer = Dropout(0.5, seed=3)
    first, second = (np.asarray(layer(tf.ones((10, 100)), training=True)) for _ in range(2))
    assert (first != second).any()


def test_the_gradient_passes_where_values_were_kept() -> None:
    framework.start(1)
    import tensorflow as tf

    from kws_exp.models.dropout import Dropout

    inputs = tf.ones((7, 13))
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = Dropout(0.5, seed=1)(inputs, training=True)
    np.testing.assert_array_equal(tape.gradient(outputs, inputs), outputs)


def test_nothing_is_dropped_elsewhere() -> None:
    framework.start(1)
    import tensorflow as tf

    from kws_exp.models.dropout import Dropout

    inputs = tf.random.stateless_normal((5, 7), [1, 2])
    np.testing.assert_array_equal(Dropout(0.9)(inputs, training=False), inputs)
    np.testing.assert_array_equal(Dropout(0.0)(inputs, training=True), inputs)
