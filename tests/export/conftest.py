"""Two small networks and their exports, made once: each conversion starts a TensorFlow of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kws_exp import schema
from kws_exp.export import Exported, export

FRAMES, WIDTH, CLASSES = 20, 12, 4


@pytest.fixture(scope="session")
def config() -> schema.Config:
    return schema.Config(
        words=["yes", "no"],
        data=schema.Data(),
        augment=schema.Augment(),
        features=schema.Features(name="log_mel", bins=WIDTH),
        model=schema.Model(name="small"),
        optimizer=schema.Optimizer(),
        train=schema.Train(),
        export=schema.Export(),
        tracking=schema.Tracking(),
    )


@pytest.fixture(scope="session")
def features() -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(0, 3, (240, FRAMES, WIDTH)).astype(np.float32)


def build(*hidden: Any) -> Any:
    """Wrap layers between the input and four logits of some size, so that few scores tie in int8."""
    import keras

    keras.utils.set_random_seed(2)
    dense = keras.layers.Dense(CLASSES, kernel_initializer=keras.initializers.RandomNormal(stddev=0.3))
    return keras.Sequential([keras.Input((FRAMES, WIDTH, 1)), *hidden, keras.layers.Flatten(), dense])


@pytest.fixture(scope="session")
def conv_model() -> Any:
    import keras

    return build(
        keras.layers.Conv2D(4, (5, 3), strides=2, padding="same", activation="relu"),
        keras.layers.Dropout(0.5),
    )


@pytest.fixture(scope="session")
def separable_model() -> Any:
    """ds_cnn in small: batch normalisation with statistics of its own, a multiplier, a dilation."""
    import keras

    model = build(
        keras.layers.Conv2D(6, (5, 3), strides=2, padding="same", use_bias=False),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
        keras.layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
        keras.layers.Conv2D(5, (3, 1), padding="same", dilation_rate=(2, 1), activation="relu"),
    )
    normal = np.random.default_rng(3)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([normal.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    return model


@pytest.fixture(scope="session")
def conv_export(conv_model: Any, features: Any, config: Any, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder: Path = tmp_path_factory.mktemp("conv") / "export"
    return export(conv_model, features[:50], config, folder, {"run": "0123"})


@pytest.fixture(scope="session")
def separable_export(
    separable_model: Any, features: Any, config: Any, tmp_path_factory: pytest.TempPathFactory
) -> Exported:
    folder: Path = tmp_path_factory.mktemp("separable") / "export"
    return export(separable_model, features[:50], config, folder, {})
