from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from PIL import Image

from kws_exp.sweep import charts, leaderboard, pages, plain
from kws_exp.sweep.parallel import parallel, scale
from tests.sweep.studies import ACCURACY, PARETO, Told, many, study

THREE = {**PARETO, "ram_kb": "minimize"}
FILTERS = {"model.filters": 16}


def names(files: list[Path]) -> list[str]:
    return [file.name for file in files]


@pytest.mark.parametrize(
    ("objectives", "expected"),
    [
        (ACCURACY, ["history_val_accuracy", "importances", "parallel", "curves"]),
        (PARETO, ["history_val_accuracy", "history_flash_kb", "pareto_flash_kb", "importances", "parallel"]),
        (
            THREE,
            [
                *("history_val_accuracy", "history_flash_kb", "history_ram_kb"),
                *("pareto_flash_kb", "pareto_ram_kb", "importances", "parallel"),
            ],
        ),
    ],
)
def test_a_sweep_has_its_figures_and_a_page_without_a_network(
    objectives: Mapping[str, str], expected: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = many(40, objectives)
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        written = pages.write(made, objectives, tmp_path)
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
    finally:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
    assert names(written) == [*(f"{name}.png" for name in expected), "sweep.html"]
    assert sorted(names(list((tmp_path / "figures").iterdir()))) == sorted(names(written))  # nothing left aside
    for path in written[:-1]:
        with Image.open(path) as image:
            assert image.size[0] > 600
    page = written[-1].read_text(encoding="utf-8")
    assert page.count("<!doctype html>") == 1 and page.count("plotly.js v") == 1 and 'src="http' not in page
    assert page.count("<h2>") == len(expected)
    assert "optimizer.learning_rate" not in page and "learning_rate" in page
    assert capfd.readouterr() == ("", "")


def test_the_png_files_alone_while_it_runs_and_the_same_study_is_the_same_file(tmp_path: Path) -> None:
    made = many(30)
    for folder in ("a", "b"):
        assert "sweep.html" not in names(pages.write(made, ACCURACY, tmp_path / folder, interactive=False))
    for path in (tmp_path / "a" / "figures").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / "figures" / path.name).read_bytes(), path.name


@pytest.mark.parametrize("objectives", [ACCURACY, PARETO])
@pytest.mark.parametrize(
    "state", [TrialState.FAIL, TrialState.PRUNED, TrialState.COMPLETE, None], ids=["failed", "pruned", "one", "running"]
)
def test_what_cannot_be_drawn_yet_is_left_out(
    objectives: Mapping[str, str], state: TrialState | None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    count = 1 if state == TrialState.COMPLETE else 4
    told = [Told([0.9, 10.0][: len(objectives)], state, FILTERS)] * count
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pages.write(study(told, objectives), objectives, tmp_path) == []
        assert pages.write(study([], objectives), objectives, tmp_path) == []
    assert capfd.readouterr() == ("", "")


def test_equal_trials_give_a_history_only(tmp_path: Path) -> None:
    made = study([Told([0.9], params=FILTERS)] * 25)
    assert names(pages.write(made, ACCURACY, tmp_path)) == ["history_val_accuracy.png", "sweep.html"]


def test_one_parameter_has_no_importance(tmp_path: Path) -> None:
    made = study([Told([0.8 + number / 1000], params={"model.filters": 16 + number}) for number in range(30)])
    assert names(pages.write(made, ACCURACY, tmp_path, interactive=False)) == [
        "history_val_accuracy.png",
        "parallel.png",
    ]


@pytest.mark.parametrize("objectives", [ACCURACY, PARETO])
def test_no_feasible_trial(objectives: Mapping[str, str], tmp_path: Path) -> None:
    told = [
        Told([0.9, 40.0 + n][: len(objectives)], params={"model.filters": 8 + n}, over={"f": 1.0}) for n in range(5)
    ]
    assert "sweep.html" in names(pages.write(study(told, objectives), objectives, tmp_path))


def test_values_that_are_not_finite_are_not_drawn(tmp_path: Path) -> None:
    told = [Told([value], params={"model.filters": 8 + n}) for n, value in enumerate([0.8, 0.9, float("inf")])]
    written = pages.write(study(told, {"loss": "minimize"}), {"loss": "minimize"}, tmp_path)
    assert names(written) == ["history_loss.png", "parallel.png", "sweep.html"]


def test_a_fixed_trial_outside_the_space_is_drawn(tmp_path: Path) -> None:
    made = study([Told([0.8], params={"model.filters": 8}), Told([0.9], params={"model.filters": 64})])
    made.enqueue_trial({"model.filters": 2048})
    with pytest.warns(UserWarning, match="out of range"):
        trial = made.ask({"model.filters": optuna.distributions.IntDistribution(4, 512)})
    made.tell(trial, 0.7)
    assert "sweep.html" in names(pages.write(made, ACCURACY, tmp_path))


def test_importances_say_what_makes_an_objective_good() -> None:
    """Filters decide both objectives, noise neither; Optuna alone would rank by what makes accuracy low."""
    told = []
    for number in range(60):
        filters, noise = 16 + number * 29 % 60, number * 37 % 61 / 61
        values = [0.5 + 0.4 * (filters > 60) + 0.001 * noise, float(filters)]
        told.append(Told(values, params={"model.filters": filters, "augment.noise": noise}))
    trials = study(told, PARETO).trials
    rows = leaderboard.rows(trials, PARETO)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = plain.importances(plain.copy(trials, rows, PARETO), PARETO)
    for shares in found.values():
        assert next(iter(shares)) == "filters" and sum(shares.values()) == pytest.approx(1.0)
    assert list(found) == list(PARETO)


def test_an_axis_of_few_numbers_has_choices_and_one_of_many_is_continuous() -> None:
    assert [text for _, text in scale("stride", [30, 10, 20, 10]).ticks()] == ["10", "20", "30"]
    assert [text for _, text in scale("model", ["b", "a", 3, None]).ticks()] == ["3", "None", "a", "b"]
    rate = scale("rate", [10**-place for place in range(8)], logarithmic=True)
    assert rate.height(1e-7, 0.0) == 0.0 and rate.height(1.0, 0.0) == pytest.approx(1.0)
    assert rate.height(10**-3.5, 0.0) == pytest.approx(0.5) and rate.height(None, 0.5) < 0


def test_all_text_is_on_the_page() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    trials = many(60, PARETO).trials
    rows = leaderboard.rows(trials, PARETO)
    long = {f"{'long' * 8}{number}": 0.1 for number in range(4)}
    shown = {"model": False, "model.filters": False, "optimizer.learning_rate": True}
    drawn = [
        charts.history(rows, PARETO, 1),
        charts.pareto(rows, PARETO, 1),
        charts.importances({"val/accuracy": long, "flash_kb": long}, 25),
        parallel(rows, PARETO, shown),
        charts.curves(rows, {0: {1: 0.5}, 2: {1: 0.5, 2: 0.7}}),
    ]
    for figure in drawn:
        assert figure
        used = figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer())  # type: ignore[no-untyped-call]
        assert used.x0 >= 0 and used.y0 >= 0, figure
        assert used.x1 <= figure.get_figwidth() and used.y1 <= figure.get_figheight(), figure
