"""Composition: every file of conf/ and sweeps/ is valid, and a stored configuration is the same when read back."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from kws_exp import config as configuration
from kws_exp.schema import Config
from kws_exp.validate import complete, validate

CONF = configuration.CONFIG_ROOT / "conf"


def composed(*overrides: str) -> Config:
    configuration.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return configuration.from_hydra(compose("config", list(overrides)))


def options() -> list[str]:
    groups = [path for path in CONF.iterdir() if path.is_dir() and path.name != "hydra"]
    return sorted(f"{path.parent.name}={path.stem}" for group in groups for path in group.glob("*.yaml"))


@pytest.mark.parametrize("option", options())
def test_every_option_is_valid_and_reads_back(option: str, tmp_path: Path) -> None:
    config = composed(option)
    complete(config, synthetic=True)
    validate(config)
    (tmp_path / "config.yaml").write_text(configuration.to_yaml(config))
    assert configuration.load(tmp_path / "config.yaml") == config


@pytest.mark.parametrize("path", sorted([*CONF.rglob("*.yaml"), *(CONF.parent / "sweeps").glob("*.yaml")]))
def test_every_file_begins_with_what_it_is_and_how_to_run_it(path: Path) -> None:
    header = [line for line in path.read_text().splitlines()[:12] if line.startswith("#")]
    assert header, path
    if "hydra" not in path.parts:
        assert any("python -m kws_exp" in line for line in header), path


def test_settings_of_the_chosen_architecture_and_front_end() -> None:
    config = composed("model=ds_cnn", "model.filters=32", "features=mfcc", "features.bins=10")
    assert (type(config.model).__name__, type(config.features).__name__) == ("DsCnn", "Mfcc")
    assert config.features.frames == 49
    assert config.labels == ("_silence_", "_unknown_", "yes", "no")


@pytest.mark.parametrize(("words", "share"), [(["yes"], 33), (["yes", "no"], 25), (["a", "b", "c", "d"], 16)])
def test_default_share_of_silence_and_unknown_is_the_course_s(words: list[str], share: int) -> None:
    config = composed(f"words=[{','.join(words)}]", "data.unknown_percentage=40")
    complete(config, synthetic=False)
    assert (config.data.silence_percentage, config.data.unknown_percentage) == (share, 40)


@pytest.mark.parametrize(("synthetic", "masks"), [(True, (120, 0.12)), (False, (0, 0))])
def test_masks_are_for_synthetic_speech_unless_given(synthetic: bool, masks: tuple[float, float]) -> None:
    config, given = composed(), composed("augment.time_mask_ms=80", "augment.frequency_mask=0.1")
    for each in (config, given):
        complete(each, synthetic)
    assert (config.augment.time_mask_ms, config.augment.frequency_mask) == masks
    assert (given.augment.time_mask_ms, given.augment.frequency_mask) == (80, 0.1)


def test_the_command_line_keeps_words_that_yaml_would_not() -> None:
    assert composed("words=[yes,no,on,off]").words == ["yes", "no", "on", "off"]


@pytest.mark.parametrize(
    ("steps", "rates", "schedule"),
    [("[15000]", "[0.003]", "cosine"), ("[12000,3000]", "[0.001,0.0001]", "piecewise")],
)
def test_default_schedule_follows_the_number_of_stages(steps: str, rates: str, schedule: str) -> None:
    config = composed(f"train.steps={steps}", f"optimizer.learning_rate={rates}")
    complete(config, synthetic=False)
    validate(config)
    assert config.optimizer.schedule == schedule


def test_the_course_recipe() -> None:
    config = composed("experiment=classic")
    assert (config.train.steps, config.optimizer.learning_rate) == ([12000, 3000], [0.001, 0.0001])
    assert (config.model.name, config.optimizer.name) == ("tiny_conv", "gradient_descent")
    assert config.features.stride_ms == 20
    assert (config.data.silence_percentage, config.data.unknown_percentage) == (25, 25)
