from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kws_exp import figures
from kws_exp.evaluate import Evaluation
from kws_exp.figures import Compared


def evaluation(size: int) -> Evaluation:
    counts = np.random.default_rng(size).poisson(0.6, (size, size)) + np.eye(size, dtype=int) * 40
    return Evaluation(tuple(f"word{i}" for i in range(size)), tuple(tuple(map(int, row)) for row in counts))


def words(figure: object) -> list[str]:
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("size", [3, 4, 12, 14, 15, 37])
def test_a_confusion_matrix_names_every_label_and_keeps_all_text_on_the_page(size: int) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    drawn = evaluation(size)
    figure = figures.confusion(drawn, "validation, step 400")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    shown = words(figure)
    assert all(shown.count(label) == 2 for label in drawn.labels)
    assert f"{drawn.accuracy:.1%} of {drawn.clips:,} clips" in " ".join(shown)
    page = figure.bbox
    for text in figure.findobj(Text):
        box = text.get_window_extent()
        assert not text.get_text() or (box.x0 >= 0 and box.y0 >= 0 and box.x1 <= page.x1 and box.y1 <= page.y1), text


def test_a_small_matrix_has_counts_and_row_percentages() -> None:
    drawn = Evaluation(("a", "b"), ((3, 1), (0, 4)))
    assert {"3\n75 %", "1\n25 %", "4\n100 %"} <= set(words(figures.confusion(drawn, "title")))


def test_a_label_without_clips_is_drawn() -> None:
    assert figures.pixels(figures.confusion(Evaluation(("a", "b"), ((0, 0), (1, 4))), "title")).ndim == 3


def test_curves_show_both_partitions_and_the_best_pass(tmp_path: Path) -> None:
    points: list[dict[str, float]] = [
        {"step": step, "train/accuracy": 0.5, "train/loss": 1.0, "train/learning_rate": 0.1}
        for step in range(10, 101, 10)
    ]
    points += [{"step": 50, "val/accuracy": 0.75, "val/loss": 1.0}, {"step": 100, "val/accuracy": 0.7, "val/loss": 1.0}]
    figure = figures.curves(points, "title")
    assert "best 75.0% at step 50" in words(figure)
    figures.save(figure, tmp_path / "new" / "curves.png")
    with Image.open(tmp_path / "new" / "curves.png") as image:
        assert image.size[0] > 600


def test_curves_of_a_run_that_was_stopped_before_its_first_validation() -> None:
    point = {"step": 10, "train/accuracy": 0.5, "train/loss": 1.0, "train/learning_rate": 0.1}
    assert figures.pixels(figures.curves([point], "title")).any()


def test_a_comparison_has_the_best_run_on_top() -> None:
    runs = [
        Compared("good", 0.9, (0.85, 0.93), 20_480, 1234),
        Compared("best", 0.95, (0.9, 0.97), 40_960, 5678),
        Compared("not exported", 0.4, (0.3, 0.5)),
    ]
    figure = figures.comparison(runs, "title")
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["not exported", "good", "best"]
    assert {"95.0", "40.0", "5,678"} <= set(words(figure))


def test_the_same_figure_is_the_same_file(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        figures.save(figures.confusion(evaluation(4), "title"), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
