"""What makes two sweeps one study."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kws_exp.sweep.identity import default_name, difference
from kws_exp.sweep.space import Choices, Numbers, Parameter, Space
from tests.sweep.plans import MODEL, plan

in_place = pytest.mark.usefixtures("hydra_ready", "elsewhere")


def test_default_names() -> None:
    assert default_name("tune", {"a": 1, "b": 2}) == default_name("tune", {"b": 2, "a": 1})
    assert default_name("tune", {"a": 1}) != default_name("tune", {"a": 2})
    assert default_name("tune", {"a": 1}).startswith("tune-")


def test_of_two_long_spaces_the_entries_that_differ_are_shown() -> None:
    same = [Parameter(f"augment.{name}", f"augment.{name}", Numbers(0, 1)) for name in ("noise", "gain_db", "shift")]
    one, two = (Space((*same, Parameter("model", "model", Choices((name,))))) for name in ("ds_cnn", "tiny_conv"))
    found = difference({"space": one.to_json()}, {"space": two.to_json()})
    assert found is not None and found.startswith(
        'space: parameters ({"name": "model", "domain": {"values": ["ds_cnn"]'
    )
    assert '; now {"name": "model", "domain": {"values": ["tiny_conv"]' in found
    fewer = difference({"space": one.to_json()}, {"space": Space(tuple(same)).to_json()})
    assert fewer is not None and fewer.endswith("; now null)")


def name(*arguments: str, words: str = "words=[yes,no]") -> str:
    found = plan(MODEL, *arguments, words=words)
    return default_name(found.sweep, found.identity)


@in_place
@pytest.mark.parametrize(
    "change",
    [
        "sweeper.n_trials=40",
        "sweeper.workers=3",
        "sweeper.max_failures=9",
        "sweeper.trial_timeout=60",
        "sweeper.sampler=random",
        "+sweeper.sampler_options.seed=3",
        "sweeper.pruner=median",
        "sweeper.baselines=[]",
        "sweeper.storage=sqlite:///optuna.db",
        "output_dir=elsewhere",
        "verbosity=debug",
        "name=mine",
        "+tags.board=nano",
        "tracking=off",
        "tracking.experiment=mine",
        "data.cache_dir=cache",
        "sweeper.objectives=[maximize accuracy]",
        "model=choice(tiny_conv,ds_cnn)",
    ],
)
def test_what_leaves_the_study_the_same(change: str) -> None:
    arguments = [change] if not change.startswith("model=") else []
    found = plan(change) if change.startswith("model=") else plan(MODEL, *arguments)
    assert default_name(found.sweep, found.identity) == name()


@in_place
@pytest.mark.parametrize(
    "change",
    [
        "sweeper.seeds=2",
        "sweeper.sampler=grid",
        "sweeper.baselines=[{model: ds_cnn}]",
        "sweeper.objectives=[loss]",
        "sweeper.objectives=[accuracy,flash_kb]",
        "sweeper.constraints.flash_kb=32",
        "seed=1",
        "train.steps=[10]",
        "augment.gain_db=3",
        "augment.gain_db=interval(0,3)",
        "export=none",
        "data.testing_percentage=20",
        "features=mfcc",
    ],
)
def test_what_makes_another_study(change: str) -> None:
    assert name(change) != name()


@in_place
def test_words_and_their_order_make_another_study() -> None:
    names = [name(), name(words="words=[no,yes]"), name(words="words=[yes,left]")]
    assert len(set(names)) == 3


@in_place
def test_limits_make_another_study_by_what_they_mean() -> None:
    assert name("sweeper.constraints.flash_kb=32") == name("sweeper.constraints.flash_kb='<= 32.0'")
    assert name("sweeper.constraints.flash_kb=32") != name("sweeper.constraints.flash_kb='>= 32'")


@in_place
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("sweeper.workers=3",), None),
        (("train.batch_size=50",), "train.batch_size (100; now 50)"),
        (
            ("train.steps=[10,20]", "optimizer.learning_rate=[0.1,0.01]"),
            "optimizer.learning_rate ([0.003]; now [0.1, 0.01])",
        ),
        (("features=mfcc",), 'features.name ("micro"; now "mfcc")'),
        (("sweeper.sampler=grid",), "grid (false; now true)"),
        (("sweeper.baselines=[{model: ds_cnn}]",), 'baselines ([]; now [{"model": "ds_cnn"}])'),
        (("sweeper.objectives=[loss]",), 'objectives: accuracy ("maximize"; now null)'),
        (("sweeper.seeds=2",), "seeds (1; now 2)"),
        (("model=tiny_conv,conv",), "space: parameters ("),
    ],
)
def test_what_tells_two_studies_apart(change: Sequence[str], told: str | None) -> None:
    swept = [] if change[0].startswith("model=") else [MODEL]
    found = difference(plan(MODEL).identity | {"run_id": "x"}, plan(*swept, *change).identity)
    assert found == told if told is None or told.endswith(")") else str(found).startswith(told)
    if found:
        assert len(found) < 260


@in_place
def test_a_study_holds_no_password() -> None:
    found = plan(MODEL, "data.url=https://me:secret@host/speech.tar.gz", "tracking.uri=http://me:secret@host")
    assert "secret" not in str(found.identity)
    assert found.identity["settings"]["data.url"] == "https://me:***@host/speech.tar.gz"
