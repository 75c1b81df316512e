"""The command line of a sweep: a plan, or one sentence and nothing written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

from kws_exp import config as configuration
from kws_exp import footprint
from kws_exp.errors import KwsError
from kws_exp.export import interpreters
from kws_exp.sweep.space import Value
from tests.sweep.plans import MODEL, plan

pytestmark = pytest.mark.usefixtures("hydra_ready", "elsewhere")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "a sweep varies at least one setting"),
        (("+sweeper.space.mdl='a,b'",), "no trial could have mdl=a: there is no setting 'mdl'"),
        (("model.filtres=4,8",), "no trial could have model.filtres=4: .*'model.filtres' .did you mean 'filters'"),
        (("model=tiny_conv,dscnn",), "no trial could have model=dscnn: .* .did you mean 'ds_cnn'"),
        (("train.batch_size=0,100",), "no trial could have train.batch_size=0: .* the nearest is train.batch_size=1"),
        (("augment.gain_db=interval(0,50)",), "no trial could have augment.gain_db=50.0: .*from 0 to 40"),
        (("train.steps=abc,10",), r"no trial could have train.steps=\[abc\]: .*must be"),
        (("words=[yes,no],[yes,lfet]",), r"no trial could have words=\[yes,lfet\]: the data has no word 'lfet'"),
        (("augment.gain_db=interval(10,0)",), "is empty: give the lower end first"),
        (("train.batch_size=range(8,4)",), "is empty"),
        ((MODEL, "sweeper.objectives=[flash]"), "no run reports 'flash' .did you mean 'flash_kb'"),
        ((MODEL, "sweeper.objectives=[minimize accuracy]"), "contradicts what is better"),
        ((MODEL, "sweeper.objectives=[accuracy,accuracy]"), "must not name accuracy twice"),
        ((MODEL, "sweeper.objectives=[]"), "at least one measure"),
        ((MODEL, "sweeper.objectives=accuracy"), "sweeper.objectives must be a list"),
        (
            (MODEL, "sweeper.objectives=[accuracy,flash_kb]", "sweeper.pruner=median"),
            r"sweeper.pruner=median needs one objective, but there are 2 \(accuracy, flash_kb\)",
        ),
        ((MODEL, "sweeper.objectives=[device_accuracy]", "export=none"), "leave out export=none"),
        ((MODEL, "sweeper.constraints.device_accuracy=0.8", "export=none"), "leave out export=none"),
        ((MODEL, "sweeper.constraints.flash_kb=small"), "sweeper.constraints.flash_kb must be a number"),
        ((MODEL, "sweeper.constraints.flash_kb='< 3'"), "'<= NUMBER'"),
        ((MODEL, "sweeper.constraints.flash=32"), "no setting 'sweeper.constraints.flash' .did you mean 'flash_kb'"),
        ((MODEL, "sweeper.constraints=32"), "sweeper.constraints"),
        ((MODEL, "sweeper.n_trials=0"), "sweeper.n_trials must be at least 1, but is 0: write sweeper.n_trials=1"),
        ((MODEL, "sweeper.seeds=0"), "sweeper.seeds must be at least 1"),
        ((MODEL, "sweeper.workers=-1"), "sweeper.workers must be at least 1"),
        ((MODEL, "sweeper.workers=two"), "sweeper.workers must be a whole number"),
        ((MODEL, "sweeper.trial_timeout=0.5"), "sweeper.trial_timeout must be at least 1"),
        ((MODEL, "sweeper.trial_timeout=nan"), "sweeper.trial_timeout must be at least 1"),
        ((MODEL, "sweeper.sampler=tp"), "sweeper.sampler=tp is not known .did you mean 'tpe'"),
        ((MODEL, "sweeper.pruner=hyperband2"), "sweeper.pruner=hyperband2 is not known .did you mean 'hyperband'"),
        ((MODEL, "+sweeper.sampler_options.n_startup=3", "sweeper.sampler=tpe"), "tpe has no 'n_startup'"),
        (
            (MODEL, "sweeper.pruner=threshold", "+sweeper.pruner_options.lower=0.5", "sweeper.objectives=[loss]"),
            "bounds the validation accuracy, so its objective must be one to maximize, but is loss",
        ),
        ((MODEL, "sweeper.pruner=threshold"), r"threshold needs a bound.*write \+sweeper.pruner_options.lower=0.5"),
        (
            (MODEL, "sweeper.pruner=hyperband", "train.steps=[100]", "train.eval_interval=100"),
            "train.eval_interval=100 of 100 steps gives none: write train.eval_interval=10",
        ),
        (
            (MODEL, "sweeper.pruner=median", "train.steps=[5]", "train.eval_interval=7"),
            "train.eval_interval=7 of 5 steps gives none: write sweeper.pruner=none",
        ),
        ((MODEL, "data.validation_percentage=0"), "accuracy is measured on the validation partition, .*percentage=10"),
        ((MODEL, "data.validation_percentage=0", "sweeper.objectives=[loss]"), "loss is measured on the validation"),
        (
            (MODEL, "data.validation_percentage=0", "sweeper.objectives=[test_accuracy]", "sweeper.pruner=median"),
            "accuracy is measured on the validation partition",
        ),
        (
            (MODEL, "data.testing_percentage=0", "sweeper.report=[test_accuracy]"),
            "test_accuracy is measured on the testing partition, but data.testing_percentage is 0: write data.testing",
        ),
        (
            ("data.validation_percentage=0,10",),
            "no trial could have data.validation_percentage=0: accuracy is measured",
        ),
        (
            ("train.batch_size=interval(50,100)",),
            r"train.batch_size must be a whole number: write train.batch_size=int\(interval\(50,100\)\)",
        ),
        (
            ("train.batch_size=tag(log, interval(7.5,100.5))",),
            r"write train.batch_size=tag\(log, int\(interval\(8,100\)\)\)",
        ),
        (("train.steps=interval(50,100)",), r"train.steps must be .*: write train.steps=int\(interval\(50,100\)\)"),
        ((MODEL, "sweeper.constraints.accuracy=nan"), "write sweeper.constraints.accuracy=0.9"),
        ((MODEL, "sweeper.constraints.accuracy=90"), "from 0 to 1, but is 90: write sweeper.constraints.accuracy=0.9"),
        ((MODEL, "tracking=off,local"), "tracking belongs to the sweep, not to a trial"),
        ((MODEL, "+hydra.launcher.n_jobs=1,2"), r"\+hydra.launcher.n_jobs belongs to the sweep"),
        ((MODEL, "sweeper.study=../../evil"), "sweeper.study='../../evil' must be .*: write sweeper.study=evil"),
        ((MODEL, "sweeper.study=a/b"), "write sweeper.study=a-b"),
        ((MODEL, "sweeper.study=.."), "write sweeper.study=tune"),
        ((MODEL, "sweeper.study=''"), "write sweeper.study=tune"),
        ((MODEL, f"sweeper.study={'a' * 201}"), "at most 200"),
        ((MODEL, "sweeper.trial=1"), "sweeper.trial=1 is set by the sweep itself, .*leave it out"),
        (
            (MODEL, "sweeper.storage=speech"),
            "must be a file, but is a folder: write sweeper.storage=speech/optuna.journal",
        ),
        (
            ("train.batch_size=range(1,9000)", "seed=1,2", "sweeper.sampler=grid"),
            "the space has 17,998 points: take coarser steps, .*by sweeper.n_trials=10000",
        ),
        (
            (MODEL, "sweeper.objectives=[accuracy,flash_kb]", "sweeper.sampler=cmaes"),
            "sweeper.sampler=cmaes needs one objective",
        ),
        ((MODEL, "sweeper.baselines=[{model: conv}]"), "model=conv is not in the space: model is one of tiny_conv"),
        ((MODEL, "sweeper.baselines=[{seed: 3}]"), "'seed' is not varied"),
        ((MODEL, "sweeper.baselines=[tiny_conv]"), "must hold settings with their values, but holds 'tiny_conv'"),
        ((MODEL, "sweeper.storage=postgres://me@host/db"), "of no known kind .did you mean 'postgresql'"),
        ((MODEL, "resume=latest"), "'resume' is for a single run: leave it out"),
        ((MODEL, "words=[yes,lfet]"), "the data has no word 'lfet' .did you mean 'left'"),
        ((MODEL, "data.dir=nowhere"), "'nowhere' does not exist"),
        ((MODEL, "train.batch_size=0"), "train.batch_size=1"),
        ((MODEL, "sweeper.sampler=grid", "augment.gain_db=interval(0,9)"), "a grid needs values that can be counted"),
        (("model=tiny_conv,single_fc", "model.filters=4,8"), "no trial could have model=single_fc model.filters=4: "),
        (("model=glob(resnet*)",), "fits none of its choices"),
        (("sweeps=compare",), "sweeps=compare is not known"),
        ((MODEL, "sweper.n_trials=3"), "no setting 'sweper' .did you mean 'sweeper'"),
        ((MODEL, "sweeper.n_trial=3"), "no setting 'sweeper.n_trial' .did you mean 'n_trials'"),
    ],
)
def test_a_mistake_is_told_before_anything_is_made(arguments: Sequence[str], sentence: str, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(KwsError) as caught:
        plan(*arguments)
    message = str(caught.value)
    assert re.search(sentence, message), message
    assert len(message.splitlines()) == 1, message
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "wanted", "baselines"),
    [
        ((), [{}] * 20, 0),
        (("sweeper.n_trials=3",), [{}] * 3, 0),
        (("sweeper.baselines=[{model: ds_cnn}]", "sweeper.n_trials=2"), [{"model": "ds_cnn"}, {}], 1),
        (("sweeper.sampler=grid",), [{"model": "tiny_conv"}, {"model": "ds_cnn"}], 0),
        (("sweeper.sampler=brute_force", "sweeper.n_trials=1"), [{"model": "tiny_conv"}], 0),
        (
            ("sweeper.sampler=grid", "sweeper.baselines=[{model: ds_cnn}]"),
            [{"model": "ds_cnn"}, {"model": "tiny_conv"}],
            1,
        ),
        (("sweeper.baselines=[{model: ds_cnn, seed: 1}]", "seed=1", "sweeper.n_trials=1"), [{"model": "ds_cnn"}], 1),
        (("sweeper.baselines=[{model: ds_cnn, seed: 1}]", "seed=2", "sweeper.n_trials=1"), [{}], 0),
    ],
)
def test_trials_and_baselines(arguments: Sequence[str], wanted: list[dict[str, str]], baselines: int) -> None:
    found = plan(MODEL, *arguments)
    assert (list(found.wanted), found.baselines) == (wanted, baselines)


def test_a_baseline_gives_way_to_what_the_command_line_fixes() -> None:
    baseline = "sweeper.baselines=[{model: tiny_conv, augment.gain_db: 3, seed: 1}]"
    found = plan("augment.gain_db=interval(0,9)", "seed=1,2", "model=tiny_conv", baseline)
    assert found.wanted[0] == {"augment.gain_db": 3, "seed": 1}
    assert plan("augment.gain_db=interval(0,9)", "seed=1,2", "model=ds_cnn", baseline).wanted[0] == {}


def test_every_baseline_is_a_trial() -> None:
    many = ",".join("{model: ds_cnn}" for _ in range(25))
    assert len(plan(MODEL, f"sweeper.baselines=[{many}]").wanted) == 25


@pytest.mark.parametrize(
    ("measure", "owner", "tool", "sentence"),
    [
        (
            "latency_ms",
            footprint,
            "emulator",
            "latency_ms is counted in QEMU.*install the Debian package qemu-system-arm",
        ),
        ("arena_kb", interpreters, "tflm_available", "arena_kb is found by TensorFlow Lite Micro.*tflite-micro"),
    ],
)
@pytest.mark.parametrize("asked", ["sweeper.objectives=[{}]", "sweeper.constraints.{}=50", "sweeper.report=[{}]"])
def test_a_tool_that_is_missing_is_told_before_any_trial(
    asked: str, measure: str, owner: ModuleType, tool: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(footprint, "check", lambda: None)
    for there in (True, False):
        monkeypatch.setattr(owner, tool, lambda there=there: there)
        if there:
            assert plan(MODEL, asked.format(measure)).space
        else:
            with pytest.raises(KwsError, match=sentence):
                plan(MODEL, asked.format(measure))


@pytest.mark.parametrize("trials", [3, 10_001])
def test_a_huge_grid_gives_its_first_points_alone(trials: int) -> None:
    huge = ("train.batch_size=range(1,90000)", "seed=range(0,1000000000)", "sweeper.sampler=grid")
    found = plan(*huge, f"sweeper.n_trials={trials}", "sweeper.baselines=[{seed: 7, train.batch_size: 1}]")
    assert len(found.wanted) == trials
    assert [values["seed"] for values in found.wanted[:3]] == [7, 0, 1]


def test_a_pruner_has_something_to_go_by_in_some_trials() -> None:
    assert plan("train.steps=[100],[1000]", "train.eval_interval=100", "sweeper.pruner=hyperband").space


def test_tune_varies_the_optimizer_with_what_belongs_to_it() -> None:
    found = plan("sweeps=tune")
    (baseline,) = found.known
    assert (baseline["optimizer"], baseline["optimizer.weight_decay"]) == ("adamw", 0.1)
    assert {
        (p.name, *map(str, p.condition.get("optimizer", ()))) for p in found.space.parameters if "optim" in p.name
    } == {
        ("optimizer",),
        ("optimizer.learning_rate (adamw, adam)", "adamw", "adam"),
        ("optimizer.learning_rate (momentum)", "momentum"),
        ("optimizer.weight_decay", "adamw"),
    }
    chosen = [configuration.from_hydra(configuration.compose(found.overrides(p))) for p in found.space.samples()]
    assert {each.optimizer.name for each in chosen} == {"adamw", "adam", "momentum"}
    assert {(each.optimizer.schedule, each.optimizer.centre_input) for each in chosen} == {("auto", True)}
    fixed = plan("sweeps=tune", "optimizer=adam")
    assert "optimizer.weight_decay" not in {p.name for p in fixed.space.parameters}
    assert fixed.known == ()


def test_what_a_trial_is_given() -> None:
    found = plan(MODEL, "optimizer.learning_rate=interval(0.001,0.1)", "train.steps=[10]", "train.eval_interval=5")
    values: dict[str, Value] = {"model": "ds_cnn", "optimizer.learning_rate": 0.01}
    fixed = ("data.dir=speech", "words=[yes,no]", "train.steps=[10]", "train.eval_interval=5")
    assert found.overrides(values) == (*fixed, "model=ds_cnn", "optimizer.learning_rate=[0.01]")
    assert (found.sweep, found.steps, found.workers >= 1) == ("sweep", 10, True)


def test_a_sweep_of_the_group(tmp_path: Path) -> None:
    found = plan("sweeps=smoke")
    assert (found.sweep, found.settings.pruner, len(found.wanted), found.baselines) == ("smoke", "median", 4, 1)
    assert [p.name for p in found.space.parameters] == ["model", "optimizer.learning_rate", "model.filters"]
    assert [p.name for p in plan("sweeps=smoke", "model=single_fc").space.parameters] == ["optimizer.learning_rate"]
    assert found.storage == str(tmp_path / "mlruns" / "optuna.journal")
