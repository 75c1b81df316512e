"""The whole of it in a run's folder: both files written, and the report's lines made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_exp import misheard, run_folder
from kws_exp.data import TESTING, Dataset
from kws_exp.features import Extract
from kws_exp.misheard import section
from kws_exp.misheard.noise import Predict
from kws_exp.run_folder import RunFolder
from kws_exp.schema import Config

MakeRun = Callable[..., RunFolder]


def test_a_run_that_did_not_come_so_far_has_no_lines(folder: MakeRun) -> None:
    run = folder()
    section.draw(run)
    assert section.errors(run) == section.noise(run) == []
    assert section.metrics(run) == {}
    assert not run.figures.exists()


def test_the_report_links_the_page(
    config: Config, dataset: Dataset, tested: NDArray[np.float32], folder: MakeRun
) -> None:
    run, outputs = folder(), np.full((len(tested), 4), -128, np.int8)
    misheard.write_page(run, config, dataset, tested, outputs)  # everything is silence
    page = (run.path / "misheard.html").read_bytes()
    assert b"24 of 26 test clips got the wrong label. Labels and scores are those of the int8 model" in page
    assert "The int8 model gives 24 of 26 test clips the wrong label. [misheard.html](misheard.html) plays them" in (
        "\n".join(section.errors(run))
    )
    misheard.write_page(run, config, dataset, tested, outputs)
    assert (run.path / "misheard.html").read_bytes() == page
    run_folder.write_json(run.path / "misheard.json", {"tested": 900, "misheard": 300, "shown": 200, "form": "float"})
    assert "plays the 200 most confident of them" in "\n".join(section.errors(run))


def test_a_run_without_errors_links_nothing(
    config: Config, dataset: Dataset, tested: NDArray[np.float32], folder: MakeRun
) -> None:
    run, right = folder(), np.eye(4, dtype=np.float32)[dataset.partitions[TESTING].labels]
    misheard.write_page(run, config, dataset, tested, right)
    assert "All 26 test clips got the right label." in (run.path / "misheard.html").read_text()
    assert section.errors(run) == []


def test_an_empty_test_partition_has_an_empty_page(config: Config, dataset: Dataset, folder: MakeRun) -> None:
    run, part = folder(), dataset.partitions[TESTING]
    empty = replace(part, rows=part.rows[:0], labels=part.labels[:0])
    nothing: NDArray[Any] = np.zeros((0, 49, 40), np.float32)
    # the predictor of kws_exp.train returns one column for no clips
    misheard.write_page(
        run, config, replace(dataset, partitions={TESTING: empty}), nothing, np.zeros((0, 1), np.float32)
    )
    assert "There are no test clips." in (run.path / "misheard.html").read_text()
    assert section.errors(run) == []


def test_the_report_has_a_row_for_each_ratio(
    config: Config, dataset: Dataset, extract: Extract, nearest: Predict, folder: MakeRun
) -> None:
    run = folder()
    misheard.write_noise(run, config, dataset, extract, nearest)
    section.draw(run)
    lines = section.noise(run)
    assert "| clean | 100.0% | 86.2% to 100.0% |" in lines
    assert sum(" dB |" in line for line in lines) == 6
    assert lines[-1].endswith("(figures/noise.png)")
    metrics = section.metrics(run)
    assert len(metrics) == 7 and metrics["test_noise/accuracy_clean"] == 1.0
    assert {"test_noise/accuracy_20db", "test_noise/accuracy_minus5db"} <= set(metrics)
    assert (run.figures / "noise.png").stat().st_size > 5000
