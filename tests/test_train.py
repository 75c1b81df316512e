"""The loop: it learns, it can be stopped after any step, and it goes on as if it had not been."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kws_exp import features, framework, learner, models, pipeline, run_folder, summary
from kws_exp.checkpoint import Score
from kws_exp.console import Watch
from kws_exp.data import Clips, Dataset, Partition
from kws_exp.features.log_mel import LogMel
from kws_exp.models.ds_cnn import DsCnn
from kws_exp.models.tiny_conv import TinyConv
from kws_exp.run_folder import RunFolder
from kws_exp.schema import Config, Data, Model, Optimizer, Train
from kws_exp.train import Predict, evaluate, predictor, train

LABELS = ("_silence_", "_unknown_", "yes", "no")


class Stop(Exception):
    """Ends training the hard way."""


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Three pitches for unknown, yes and no, under noise; learnable in a few dozen steps."""
    rng = np.random.default_rng(0)
    time = np.arange(16_000) / 16_000
    labels = np.arange(240) % 3 + 1
    tones = np.sin(2 * np.pi * np.array([0, 300, 1200, 4000])[labels][:, None] * time)
    clips = (6000 * tones + rng.normal(0, 500, (240, 16_000))).astype(np.int16)
    noise = rng.normal(0, 800, 100_000).astype(np.int16)

    def part(rows: range, stretch: tuple[int, int]) -> Partition:
        silence = len(rows) // 4
        return Partition(
            np.array([*rows, *[-1] * silence]),
            np.array([*labels[list(rows)], *[0] * silence]),
            np.array([stretch]),
        )

    partitions = {
        "training": part(range(160), (0, 60_000)),
        "validation": part(range(160, 200), (60_000, 80_000)),
        "testing": part(range(200, 240), (80_000, 100_000)),
    }
    paths = tuple(f"{LABELS[label]}/{i}.wav" for i, label in enumerate(labels))
    return Dataset("speech_commands", "", LABELS, Clips((clips,)), paths, noise, partitions, "0", {})


def configuration(model: Model, **settings: object) -> Config:
    steps = Train(steps=[30, 10], batch_size=20, eval_interval=15, save_interval=7, log_interval=5)
    return Config(
        words=["yes", "no"],
        data=Data(),
        features=LogMel("log_mel"),
        model=model,
        optimizer=Optimizer("adam", learning_rate=[0.01, 0.001]),
        train=replace(steps, **settings),  # type: ignore[arg-type]
        verbosity="error",
    )


def inputs(config: Config, dataset: Dataset) -> tuple[pipeline.Source, pipeline.Batch]:
    extract = features.build(config.features)
    validation = pipeline.partition_features(config, dataset, extract, "validation")
    return pipeline.fresh(config, dataset, extract), (validation, dataset.partitions["validation"].labels)


def share_of_zeros(predict: Predict) -> float:
    """Stand in for the misses on a stream: a coarse figure that follows from the weights."""
    return round(float((predict(np.ones((50, 49, 40), np.float32)) > 0).mean()), 1)


def start(
    config: Config,
    dataset: Dataset,
    path: Path,
    saved: Callable[[int, Score | None], None] = lambda step, found: None,
) -> list[np.ndarray]:
    """Train in a fresh model, as a new process would, and return its variables."""
    path.mkdir(exist_ok=True)
    framework.start(config.seed)
    model = models.build(config.model, config.features.frames, config.features.width, 4, config.seed)
    misses = share_of_zeros if config.train.select == "stream" else None
    train(config, *inputs(config, dataset), model, RunFolder(path), Watch("error"), saved, misses)
    return [np.asarray(variable) for variable in model.variables]


def curve(path: Path) -> list[dict[str, object]]:
    """Return the points less what depends on the clock."""
    return [
        {key: value for key, value in row.items() if key not in {"time", "train/clips_per_second"}}
        for row in run_folder.read_lines(path / "curves.jsonl")
    ]


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        (TinyConv("tiny_conv"), {"select": "last"}),
        (DsCnn("ds_cnn", filters=16, blocks=2), {"select": "best"}),
        (TinyConv("tiny_conv"), {"select": "stream", "precision": "bfloat16"}),
    ],
    ids=["tiny_conv-last", "ds_cnn-best", "tiny_conv-stream-bfloat16"],
)
def test_stopped_and_resumed_equals_uninterrupted_bit_for_bit(
    model: Model, settings: dict[str, str], dataset: Dataset, tmp_path: Path
) -> None:
    """ds_cnn adds batch statistics, regularisation and two kinds of dropout."""
    config = configuration(model, **settings)
    whole = start(config, dataset, tmp_path / "whole")

    def stop_at(wanted: int) -> Callable[[int, Score | None], None]:
        def saved(step: int, found: Score | None) -> None:
            if step == wanted:
                raise Stop

        return saved

    for step in (7, 21, 40):
        with pytest.raises(Stop):
            start(config, dataset, tmp_path / "parts", stop_at(step))
        # a point of steps after the checkpoint, as a killed process may leave it
        run_folder.append_lines(tmp_path / "parts" / "curves.jsonl", [{"step": step + 1, "time": 0, "train/loss": 9.9}])
    parts = start(config, dataset, tmp_path / "parts")
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, other)
    assert curve(tmp_path / "parts") == curve(tmp_path / "whole")
    confusions = [run_folder.read_lines(tmp_path / name / "confusions.jsonl") for name in ("parts", "whole")]
    assert confusions[0] == confusions[1]


def test_weights_are_chosen_by_misses_before_accuracy(dataset: Dataset, tmp_path: Path) -> None:
    """Whoever misses least is kept, the more accurate of equals, and the scores are of these weights."""
    config = configuration(TinyConv("tiny_conv"), select="stream", eval_interval=5)
    found = iter([0.9, 0.4, 0.7, 0.4, 0.6, 0.9, 0.4, 0.5])
    model = models.build(config.model, config.features.frames, config.features.width, 4, config.seed)
    folder = RunFolder(tmp_path)
    trained = train(config, *inputs(config, dataset), model, folder, Watch("error"), misses=lambda predict: next(found))
    passes = [row for row in run_folder.read_lines(folder.curves) if "val/misses" in row]
    assert [row["val/misses"] for row in passes] == [0.9, 0.4, 0.7, 0.4, 0.6, 0.9, 0.4, 0.5]
    least = [row for row in passes if row["val/misses"] == 0.4]
    kept = max(least, key=lambda row: (row["val/accuracy"], -row["val/loss"]))
    assert trained.best == Score(kept["step"], kept["val/accuracy"], kept["val/loss"], 0.4)
    assert summary.scores(folder, "stream")["loss"] == kept["val/loss"]
    predicted = trained.predict(inputs(config, dataset)[1][0])
    assert evaluate(predicted, inputs(config, dataset)[1][1], LABELS).loss == pytest.approx(kept["val/loss"])


def test_steps_in_one_call_equal_steps_one_by_one(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configuration(DsCnn("ds_cnn", filters=16, blocks=2), log_interval=10)
    several = start(config, dataset, tmp_path / "several")
    monkeypatch.setattr(learner, "MOST_STEPS", 1)
    single = start(config, dataset, tmp_path / "single")
    for one, other in zip(several, single, strict=True):
        np.testing.assert_array_equal(one, other)
    assert curve(tmp_path / "several") == curve(tmp_path / "single")


def test_it_learns_and_leaves_curves_and_checkpoints(dataset: Dataset, tmp_path: Path) -> None:
    config = configuration(TinyConv("tiny_conv"))
    framework.start(config.seed)
    model = models.build(config.model, 49, 40, 4, config.seed)
    source, validation = inputs(config, dataset)
    trained = train(config, source, validation, model, RunFolder(tmp_path), Watch("error"))
    assert trained.best is not None
    assert trained.best.accuracy > 0.9
    rows = curve(tmp_path)
    assert [row["step"] for row in rows if "train/loss" in row] == list(range(5, 41, 5))
    assert [row["step"] for row in rows if "val/accuracy" in row] == [15, 30, 40]
    rates = {row["step"]: row["train/learning_rate"] for row in rows if "train/learning_rate" in row}
    assert rates[30] == pytest.approx(0.01)
    assert rates[35] == pytest.approx(0.001)
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["best.npz", "step-00000030.npz", "step-00000035.npz", "step-00000040.npz"]


def test_best_weights_are_chosen(dataset: Dataset, tmp_path: Path) -> None:
    """With a rate that wrecks the network in the second stage, the best are those of the first."""
    config = configuration(TinyConv("tiny_conv"))
    config.optimizer = Optimizer("gradient_descent", learning_rate=[0.05, 1e9])
    framework.start(config.seed)
    model = models.build(config.model, 49, 40, 4, config.seed)
    source, validation = inputs(config, dataset)
    trained = train(config, source, validation, model, RunFolder(tmp_path), Watch("error"))
    assert trained.best is not None
    assert trained.best.step <= 30
    result = evaluate(predictor(model)(validation[0]), validation[1], LABELS)
    assert result.accuracy == trained.best.accuracy


def test_without_validation_clips_the_last_weights_are_kept(dataset: Dataset, tmp_path: Path) -> None:
    empty = Partition(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 2), np.int64))
    without = replace(dataset, partitions={**dataset.partitions, "validation": empty})
    best, last = (
        start(configuration(TinyConv("tiny_conv"), select=select), without, tmp_path / select)
        for select in ("best", "last")
    )
    for one, other in zip(best, last, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not (tmp_path / "best" / "checkpoints" / "best.npz").exists()


def test_loss_and_accuracy_of_logits() -> None:
    logits = np.array([[2.0, 0.0], [0.0, 1.0], [1e4, 0.0]], np.float32)
    result = evaluate(logits, np.array([0, 0, 0]), ("a", "b"))
    assert result.matrix == ((2, 1), (0, 0))
    assert result.loss == pytest.approx(np.mean([np.log1p(np.exp(-2)), np.log1p(np.exp(1)), 0]))


def test_empty_partition_has_no_loss() -> None:
    result = evaluate(np.zeros((0, 2), np.float32), np.zeros(0, np.int64), ("a", "b"))
    assert result.clips == 0
    assert result.loss is None
