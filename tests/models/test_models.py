"""The networks against published counts, their promises (logits, dropout, seeds), and the device."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from omegaconf import OmegaConf

from kws_exp import models
from kws_exp.errors import KwsError
from kws_exp.models.ds_cnn import DsCnn
from kws_exp.models.low_latency_conv import LowLatencyConv
from kws_exp.models.low_latency_svdf import LowLatencySvdf
from kws_exp.models.tiny_conv import TinyConv
from kws_exp.schema import Model

CONF = Path(__file__).parents[2] / "conf" / "model"

# frames x width x classes: parameters and multiply-accumulates. The parameters are those of the TensorFlow
# speech_commands trainer and of the MLPerf Tiny benchmark; 336,000 and 2,656,768 were also counted by the
# tensorscope tool from their TFLite files.
COUNTS = [
    ("single_fc", (98, 40, 12), 47_052, 47_040),
    ("single_fc", (49, 40, 4), 7_844, 7_840),
    ("single_fc", (49, 40, 12), 23_532, 23_520),
    ("conv", (98, 40, 12), 926_860, 201_456_640),
    ("conv", (49, 40, 4), 302_212, 102_118_400),
    ("conv", (49, 40, 12), 558_220, 102_374_400),
    ("low_latency_conv", (98, 40, 12), 949_862, 5_615_776),
    ("low_latency_conv", (49, 40, 4), 875_918, 3_208_656),
    ("low_latency_conv", (49, 40, 12), 876_950, 3_209_680),
    ("low_latency_svdf", (98, 40, 12), 751_372, 10_682_368),
    ("low_latency_svdf", (49, 40, 4), 623_876, 5_537_280),
    ("low_latency_svdf", (49, 40, 12), 625_932, 5_539_328),
    ("tiny_conv", (98, 40, 12), 94_740, 721_280),
    ("tiny_conv", (49, 40, 4), 16_652, 336_000),
    ("tiny_conv", (49, 40, 12), 48_660, 368_000),
    ("tiny_embedding_conv", (98, 40, 12), 7_804, 736_736),
    ("tiny_embedding_conv", (49, 40, 4), 6_164, 381_824),
    ("tiny_embedding_conv", (49, 40, 12), 6_940, 382_592),
    ("ds_cnn", (49, 10, 12), 24_908, 2_656_768),
]
DEVICE_OPS = {
    "ADD",
    "AVERAGE_POOL_2D",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "MAX_POOL_2D",
    "RESHAPE",
    "SOFTMAX",
}
every_architecture = pytest.mark.parametrize("name", models.ARCHITECTURES)


def make(name: str, shape: tuple[int, int, int] = (49, 40, 4), seed: int = 1) -> keras.Model:
    return models.build(models.ARCHITECTURES[name].settings(name), *shape, seed=seed)


def clips(shape: tuple[int, int], count: int = 8) -> NDArray[np.float32]:
    generator = np.random.Generator(np.random.Philox(7))
    levels = np.linspace(-3.0, 3.0, count).reshape(count, 1, 1, 1)
    return generator.normal(levels, 1.0, (count, *shape, 1)).astype(np.float32)


@pytest.mark.parametrize(("name", "shape", "parameters", "macs"), COUNTS)
def test_parameters_and_macs_are_the_published_ones(
    name: str, shape: tuple[int, int, int], parameters: int, macs: int
) -> None:
    model = make(name, shape)
    assert (models.parameters(model), models.macs(model)) == (parameters, macs)


@every_architecture
def test_output_is_logits_of_every_class(name: str) -> None:
    model = make(name, (49, 40, 5))
    assert model.input_shape == (None, 49, 40, 1)
    assert model.output_shape == (None, 5)
    assert model.name == name
    assert model.layers[-1].activation is keras.activations.linear


@every_architecture
def test_dropout_acts_in_training_only(name: str) -> None:
    model, batch = make(name), clips((49, 40))
    heard = model(batch, training=False)
    assert np.array_equal(heard, model(batch))
    assert np.array_equal(heard, model(batch, training=False))
    rates = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert rates == {"single_fc": [], "ds_cnn": [0.2, 0.4], "tiny_conv": [0.5]}.get(name, rates)
    if rates:
        assert not np.array_equal(model(batch, training=True), model(batch, training=True))


@every_architecture
def test_weights_depend_on_the_seed_alone(name: str) -> None:
    first = make(name, seed=5)
    np.random.default_rng().random()
    make("tiny_conv", seed=9)
    again, other = make(name, seed=5), make(name, seed=6)
    equal = [np.array_equal(one, two) for one, two in zip(first.weights, again.weights, strict=True)]
    assert all(equal)
    assert not np.array_equal(first.weights[0], other.weights[0])
    assert [weight.path for weight in first.weights] == [weight.path for weight in again.weights]


@pytest.mark.parametrize("name", sorted(models.ARCHITECTURES.keys() - {"ds_cnn"}))  # that starts as its reference does
def test_kernels_start_as_in_the_classic(name: str) -> None:
    stddev = 0.001 if name == "single_fc" else 0.01
    for weight in make(name).weights:
        values = np.asarray(weight)
        if weight.name == "bias":
            assert not values.any()
        else:  # a normal distribution cut at two deviations keeps 0.88 of its deviation
            assert np.abs(values).max() <= 2 * stddev
            assert values.std() == pytest.approx(0.88 * stddev, rel=0.1)


def test_svdf_equals_its_definition_and_its_ranks_start_apart() -> None:
    model, batch = models.build(LowLatencySvdf(filters=6), 7, 5, 3, seed=1), clips((7, 5))
    frequency, time = (
        [model.get_layer(f"{kind}_{rank}").get_weights()[0] for rank in (1, 2)] for kind in ("frequency", "time")
    )
    assert not np.array_equal(frequency[0], frequency[1])
    assert not np.array_equal(time[0], time[1])
    filters = sum(np.einsum("wu,tu->twu", f[0, :, 0], t[:, 0, :, 0]) for f, t in zip(frequency, time, strict=True))
    expected = np.einsum("btw,twu->bu", batch[..., 0], filters)
    summed = keras.Model(model.input, model.get_layer("sum").output)(batch)
    assert np.allclose(np.reshape(summed, (8, 6)), expected, rtol=1e-4, atol=1e-6)


def test_settings_reach_the_network() -> None:
    assert models.build(TinyConv(filters=3, stride=4), 49, 40, 4, seed=1).get_layer("conv").output.shape == (
        None,
        13,
        10,
        3,
    )
    assert models.parameters(models.build(DsCnn(filters=32, blocks=2), 49, 10, 12, seed=1)) == (
        (40 * 32 + 5 * 32) + 2 * ((9 * 32 + 5 * 32) + (32 * 32 + 5 * 32)) + (32 * 12 + 12)
    )
    with_penalty = models.build(DsCnn(), 49, 10, 12, seed=1)
    assert len(with_penalty.losses) == 9
    assert float(sum(models.build(DsCnn(l2=0.0), 49, 10, 12, seed=1).losses)) == 0
    one_rank = models.build(LowLatencySvdf(rank=1), 98, 40, 12, seed=1)
    assert models.parameters(one_rank) == 751_372 - 1280 * (98 + 40)


@every_architecture
def test_yaml_file_and_dataclass_say_the_same(name: str) -> None:
    settings = models.ARCHITECTURES[name].settings(name)
    written = OmegaConf.to_object(OmegaConf.load(CONF / f"{name}.yaml"))
    assert isinstance(written, dict)
    assert {key: value for key, value in written.items() if key != "defaults"} == asdict(settings)
    assert {path.stem for path in CONF.glob("*.yaml")} == set(models.ARCHITECTURES)


@every_architecture
def test_smallest_features_make_a_network(name: str) -> None:
    width = 8 if name == "low_latency_conv" else 1
    model = make(name, (1, width, 3))
    assert np.isfinite(model(clips((1, width)))).all()


MISTAKES: list[tuple[Model, tuple[int, int], str]] = [
    (Model("tiny_cnov"), (49, 40), "did you mean 'tiny_conv'?"),
    (TinyConv(name="ds_cnn"), (49, 40), "write model=ds_cnn"),
    (TinyConv(filters=0), (49, 40), "model.filters must be at least 1, not 0"),
    (DsCnn(blocks=-1), (49, 40), "model.blocks must be at least 1, not -1"),
    (TinyConv(dropout=1.0), (49, 40), "model.dropout must be at least 0 and below 1, not 1.0"),
    (
        DsCnn(head_dropout=float("nan")),
        (49, 40),
        "model.head_dropout must be at least 0 and below 1, not nan",
    ),
    (DsCnn(l2=-0.1), (49, 40), "model.l2 must be 0 or more, not -0.1"),
    (LowLatencyConv(), (49, 7), "raise features.bins to 8"),
    (TinyConv(), (0, 40), "a clip must give at least 1 frame, not 0"),
]


@pytest.mark.parametrize(("settings", "shape", "sentence"), MISTAKES)
def test_mistakes_are_told_in_a_sentence(settings: Model, shape: tuple[int, int], sentence: str) -> None:
    with pytest.raises(KwsError) as caught:
        models.build(settings, *shape, 4, seed=1)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_low_latency_conv_takes_the_width_of_its_own_kernel() -> None:
    models.check(replace(LowLatencyConv(), kernel_width=5), 49, 5)


def test_importing_and_checking_models_does_not_import_keras() -> None:
    code = (
        "import sys; from kws_exp import models, optimizer, schema\n"
        "models.check(models.tiny_conv.TinyConv(), 49, 40); optimizer.check(schema.Optimizer(), [3000])\n"
        "sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=CONF.parents[1])


def int8_file(model: keras.Model, examples: NDArray[np.float32]) -> bytes:
    """Convert with a batch of one: a free batch dimension leaves ops that TFLM computes wrongly, silently."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    signature = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32)
    traced = tf.function(lambda features: tf.nn.softmax(model(features, training=False)))
    frozen = convert_variables_to_constants_v2(traced.get_concrete_function(signature))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([example[None]] for example in examples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def operators(tflite: bytes) -> set[str]:
    from tensorflow.lite.python import schema_py_generated as schema

    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if name.isupper()}
    codes = schema.ModelT.InitFromPackedBuf(tflite).operatorCodes
    return {names[code.builtinCode] for code in codes}


def widen(model: keras.Model) -> None:
    """Scale the weights as He does, so that the answers differ from clip to clip."""
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            own_channel = isinstance(layer, keras.layers.DepthwiseConv2D)
            fan_in = np.prod(layer.kernel.shape[: 2 if own_channel else -1])
            layer.kernel.assign(layer.kernel / (np.std(layer.kernel) * np.sqrt(fan_in / 2)))


@every_architecture
@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs:UserWarning")  # calibration gives them
def test_int8_file_runs_in_the_micro_interpreter(name: str) -> None:
    runtime: Any = pytest.importorskip("tflite_micro").runtime
    model, batch = make(name), clips((49, 40))
    widen(model)
    tflite = int8_file(model, batch)
    assert operators(tflite) <= DEVICE_OPS
    interpreter = runtime.Interpreter.from_bytes(tflite, arena_size=2_000_000)
    source, target = (
        interpreter.get_input_details(0)["quantization_parameters"],
        interpreter.get_output_details(0)["quantization_parameters"],
    )
    heard = []
    for example in batch:
        quantised = np.round(example[None] / source["scales"][0]) + source["zero_points"][0]
        interpreter.set_input(np.clip(quantised, -128, 127).astype(np.int8), 0)
        interpreter.invoke()
        output = interpreter.get_output(0).astype(np.float32)
        heard.append((output[0] - target["zero_points"][0]) * target["scales"][0])
    expected = np.asarray(tf.nn.softmax(model(batch, training=False)))
    assert np.ptp(expected, axis=0).max() > 0.1
    assert np.abs(np.array(heard) - expected).mean() < 0.05
