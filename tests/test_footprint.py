"""What is known of a network before it is trained, against what a run reports when it is over."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws_exp import config as configuration
from kws_exp import footprint, framework, run_folder
from kws_exp.c99 import qemu
from kws_exp.device import program
from kws_exp.errors import KwsError
from kws_exp.export import export, flatbuffer, manifest
from kws_exp.features.micro import Micro
from kws_exp.footprint import Footprint, untrained
from kws_exp.models.low_latency_conv import LowLatencyConv
from kws_exp.models.tiny_conv import TinyConv
from kws_exp.proof import cores
from kws_exp.run_folder import RunFolder
from kws_exp.schema import Config, Data, Model
from kws_exp.track import metrics

pytestmark = pytest.mark.skipif(shutil.which(qemu.COMPILER) is None, reason="needs gcc-arm-none-eabi")

QUICK = [
    "experiment=smoke",
    "data.synthetic.clips_per_word=20",
    "data.synthetic.other_clips_per_word=2",
    "tracking=off",
    "export.calibration_clips=20",
    "export.emulated_cores=[cortex-m4]",
    "export.emulated_clips=1",
]


def described(model: Model | None = None, words: tuple[str, ...] = ("yes", "no"), bins: int = 40) -> Config:
    return Config(words=list(words), data=Data(), features=Micro(bins=bins), model=model or TinyConv())


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def known(cache: Path) -> Footprint:
    """A footprint that lies in the cache."""
    return footprint.of(described(), cache)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["model=tiny_conv", "model=ds_cnn", "model=tiny_conv features=mfcc"])
def test_every_figure_is_that_of_a_run(network: str, cache: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kws_exp", *QUICK, *network.split()]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "KWS_EXP_CACHE": str(cache)}, check=True, text=True)
    folder = RunFolder(next((tmp_path / "mlruns" / "runs").iterdir()))
    reported = metrics.of(folder)
    found = footprint.of(configuration.load(folder.path / "config.yaml"), cache, latency=True)
    assert found.parameters == reported["export/parameters"]
    assert found.macs == reported["export/macs"]
    assert found.int8_bytes == reported["export/int8_bytes"]
    if "export/arena_bytes" in reported:
        assert found.arena == reported["export/arena_bytes"]
    if "verified/cortex-m4/flash" in reported:
        spared = found.flash - softmax_bytes_saved(folder) - reported["verified/cortex-m4/flash"]
        assert 0 <= spared <= 256  # arrays of shifts that training happened to make equal are stored once
        assert found.ram == reported["verified/cortex-m4/ram"]
        assert found.latency_ms == pytest.approx(reported["verified/cortex-m4/inference_ms_high"], rel=0.01)


def softmax_bytes_saved(folder: RunFolder) -> int:
    """Return by how much the run's table of exponentials is shorter than the longest."""
    reach = re.search(r"(\d+), /\* reach \*/", (folder.export / "c99" / "kws_model.c").read_text())
    assert reach is not None
    return 4 * (256 - int(reach[1]))


@pytest.mark.parametrize(
    "model",
    [
        TinyConv(filters=9, kernel_frames=7, kernel_width=3, stride=3),
        LowLatencyConv(filters=33, kernel_width=5, units=19),
    ],
    ids=lambda model: model.name,
)
def test_weights_that_are_not_linked_are_counted(model: Model, cache: Path, tmp_path: Path) -> None:
    config = described(model, ("yes",), bins=23)
    network, path = untrained.build(config), tmp_path / "model_int8.tflite"
    path.write_bytes(untrained.int8(network, config.features))
    facts = asdict(manifest.make(tmp_path, flatbuffer.read(path), config, network.count_params(), {}))
    sources = program.write(path, facts, tmp_path).sources
    whole = qemu.size(qemu.build(tmp_path, [*sources, cores.LISTEN], cores.MAIN_CORE, tmp_path / "listen.elf"))
    found = footprint.of(config, cache)
    assert (found.flash, found.ram) == (whole.flash, whole.ram)


def test_the_model_is_what_the_export_makes(tmp_path: Path) -> None:
    config = described()
    model = untrained.build(config)
    export(model, untrained.calibration(config.features), config, tmp_path / "export", {})
    exported = (tmp_path / "export" / "model_int8.tflite").read_bytes()
    assert untrained.int8(model, config.features) == exported


def test_layers_that_may_crash_the_converter_do_not_crash_this_process() -> None:
    framework.load()
    import keras

    features = Micro()
    inputs = keras.Input((features.frames, features.width, 1))
    frames = keras.layers.Reshape((features.frames, features.width))(inputs)
    model = keras.Model(inputs, keras.layers.Dense(4)(keras.layers.GRU(3)(frames)))
    with pytest.raises(KwsError, match=r"TensorFlow's converter (crashed|failed)"):
        untrained.int8(model, features)


def test_the_second_answer_needs_no_tensorflow(known: Footprint, cache: Path) -> None:
    script = f"""
import json, sys
from dataclasses import asdict
from pathlib import Path
from kws_exp import footprint
from kws_exp.features.micro import Micro
from kws_exp.models.tiny_conv import TinyConv
from kws_exp.schema import Config, Data
config = Config(words=["yes", "no"], data=Data(), features=Micro(), model=TinyConv())
found = footprint.of(config, Path({str(cache)!r}))
assert not {{"tensorflow", "keras"}} & set(sys.modules)
print(json.dumps(asdict(found)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert Footprint(**json.loads(done.stdout)) == known


@pytest.mark.parametrize("content", ["", '{"parameters": 1', "[]", '{"parameters": 1}', None])
def test_a_damaged_answer_is_found_anew(content: str | None, known: Footprint, cache: Path) -> None:
    path = cache / footprint.FOLDER / f"{footprint.key(described())}.json"
    path.write_text(content if content is not None else json.dumps(asdict(known) | {"flash": "much"}))
    assert footprint.of(described(), cache) == known
    assert run_folder.read_json(path) == asdict(known)
    assert not list(path.parent.glob(".*"))


def test_a_cache_that_cannot_be_written_costs_time_alone(known: Footprint, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert footprint.of(described(), tmp_path / "file") == known


networks = st.tuples(
    st.builds(TinyConv, filters=st.integers(1, 3), dropout=st.sampled_from([0.0, 0.5])),
    st.lists(st.sampled_from(["yes", "no", "up"]), min_size=1, max_size=3, unique=True).map(tuple),
    st.integers(39, 41),
)


@given(networks, networks)
def test_a_key_for_each_program(
    one: tuple[TinyConv, tuple[str, ...], int], other: tuple[TinyConv, tuple[str, ...], int]
) -> None:
    """The order and the texts of the words count, the rate of dropout does not."""
    same = (one[0].filters, *one[1:]) == (other[0].filters, *other[1:])
    assert (footprint.key(described(*one)) == footprint.key(described(*other))) == same


def test_detector_and_latency_have_keys_of_their_own() -> None:
    changed = described()
    changed.export.detector.hop_frames = 7
    keys = {footprint.key(described()), footprint.key(changed), footprint.key(described(), latency=True)}
    assert len(keys) == (3 if shutil.which(qemu.EMULATOR) else 2)


def test_without_a_compiler_the_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for ask in (footprint.check, lambda: footprint.of(described(), tmp_path)):
        with pytest.raises(KwsError, match="install the Debian packages gcc-arm-none-eabi and libnewlib-arm-none-eabi"):
            ask()


def test_without_an_emulator_there_is_no_latency(
    known: Footprint, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tool in (qemu.COMPILER, qemu.SIZE):
        found = shutil.which(tool)
        assert found is not None
        (tmp_path / tool).symlink_to(found)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert footprint.of(described(), cache, latency=True) == known


def test_settings_that_make_no_network(tmp_path: Path) -> None:
    with pytest.raises(KwsError, match="needs frames of at least"):
        footprint.of(described(LowLatencyConv(kernel_width=30), bins=20), tmp_path)
