"""Composition: every file of conf/ and sweeps/ is valid, and a stored configuration is the same when read back."""

import re
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from kws_exp import config as configuration
from kws_exp.errors import KwsError
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


@pytest.mark.parametrize(
    "overrides",
    [
        "",
        "seed=1 train.batch_size=50",
        "model=ds_cnn model.filters=32 features=mfcc features.bins=10",
        "model.dropout=0.25 model=conv",
        "train.steps=[100,200] optimizer.learning_rate=[0.01,1e-3]",
        "words=[yes,no,on,off,'is it']",
        "name='a b' output_dir=x/y data.dir=null verbosity=debug",
        "+tags.owner=me tags.owner=you +tags.board=nano tags={board: mine}",
        "++seed=3 ++tags.x=1",
        "experiment=classic train.batch_size=7",
        "sweeps=tune sweeper.n_trials=3 sweeper.constraints.flash_kb='<= 32'",
        "sweeps=smoke +sweeper.space.seed='1,2' sweeper.baselines=[{model: tiny_conv}]",
        "data.synthetic.rate=[90,100] data.synthetic.reverb_share=0",
        "tracking=off export=none export.enabled=true",
        "hydra.mode=RUN hydra/sweeper=basic seed=2",
        "~tags seed=2",
    ],
)
def test_compose_is_hydra_s_own(overrides: str, tmp_path: Path) -> None:
    items = re.findall(r"(?:[^\s'{]|'[^']*'|\{[^}]*\})+", overrides)
    configuration.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        expected = compose("config", items)
        for _ in range(2):  # made, and remembered
            found = configuration.compose(items)
            assert found == expected
            assert OmegaConf.to_yaml(found) == OmegaConf.to_yaml(expected)
            found.seed = 12345  # what one caller does to its own is nothing to the next


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["train.steps=3000"], "train.steps must be a list"),
        (["seed=abc"], "seed must be a whole number, but is 'abc'"),
        (["seed=null"], "seed must be set"),
        (["train.step=3"], "no setting 'train.step' .did you mean 'steps'"),
        (["model.filtres=3"], "no setting 'model.filtres' .did you mean 'filters'"),
        (["tags.board=nano"], r"write \+tags.board=VALUE"),
        (["model=tinyconv"], "model=tinyconv is not known"),
        (["model=null"], "must be one of its choices, not null"),
        (["words=[yes"], "cannot read"),
        (["words=yes,no"], r"write words=\[yes,no\]"),
        (["model=tiny_conv,conv"], "model takes one value"),
    ],
)
def test_compose_tells_a_mistake_as_the_command_line_does(overrides: list[str], sentence: str) -> None:
    configuration.register()
    with initialize_config_dir(str(CONF), version_base="1.3"), pytest.raises(KwsError) as caught:
        configuration.from_hydra(configuration.compose(overrides))
    assert re.search(sentence, str(caught.value)), caught.value


ORIGINALS = [
    [],
    ["model=ds_cnn", "model.filters=32", "features=mfcc", "features.bins=10", "optimizer=momentum"],
    ["experiment=classic", "words=[on,off,'null','1','1e3',yes]", "+tags.board='a: b # c'", "+tags.x=''"],
    ["optimizer.learning_rate=[0.00012345678901234,1e-7]", "train.steps=[100,1]", "data.synthetic.rate=[90,100]"],
    ["data=synthetic", "export=none", "tracking=off", "name='é: -'", "export.emulated_cores=[]", "seed=0"],
    *([f"features={name}"] for name in ("average", "micro", "mfcc", "log_mel")),
    *([f"model={path.stem}"] for path in sorted((CONF / "model").glob("*.yaml"))),
]


@pytest.mark.parametrize("overrides", ORIGINALS, ids=" ".join)
def test_an_experiment_file_trains_the_same_again(
    overrides: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    original = composed(*overrides)
    complete(original, synthetic=False)
    Path("out").mkdir()
    Path("out/best.yaml").write_text(configuration.to_experiment(original, "the best: 93 %"), encoding="utf-8")
    arguments = ["experiment=out/best.yaml"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        configuration._chosen.cache_clear()  # of files that have been at this path before
        again = configuration.from_hydra(configuration.compose(arguments))
        more = configuration.from_hydra(configuration.compose([*arguments, "seed=7", "train.steps=[5]"]))
    assert again == original
    assert type(again.model) is type(original.model)
    assert (more.seed, more.train.steps, more.model) == (7, [5], original.model)
    configuration.register_experiment(arguments)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        assert configuration.from_hydra(compose("config", arguments)) == original
