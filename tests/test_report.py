from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from kws_exp import report, run_folder
from tests import fake_run


def test_a_report_tells_what_was_reached_on_what_and_how(tmp_path: Path) -> None:
    folder = fake_run.make(tmp_path)
    text = report.write(folder).read_text()
    for expected in (
        "**89.5%** of 315 test clips",
        "Synthetic speech by eSpeak NG; for recorded speech give data.dir=FOLDER",
        "| TensorFlow Lite Micro, int8 | 88.9% | 84.9% to 91.9% | 98.7% |",
        "same bytes for 315 of 315 clips",
        "| `_unknown_` | 63 | 80.0% | 76.2% | 78.0% |",
        "- `_unknown_` taken for `no`: 6 clips, 9.5% of all `_unknown_`",
        "`yes/broken.wav` (not an audio file)",
        "| arena | 9,616 bytes on this host; reserve 12,096 |",
        "1 x CONV_2D (v3)",
        "scale 0.1, zero point -12",
        "`round(x / 0.1) -12`",
        "training 41.5",
        "python -m kws_exp 'words=[yes,no,left]' model=tiny_conv",
        "# with changes that were not committed",
        "![confusion matrix of the test partition](figures/confusion.png)",
        "(figures/curves.png)",
    ):
        assert expected in text
    assert {path.name for path in folder.figures.iterdir()} == {"confusion.png", "curves.png"}


def test_a_run_that_failed_early_has_a_report_of_what_there_is(tmp_path: Path) -> None:
    finished = fake_run.make(tmp_path, status="FAILED")
    folder = run_folder.create(tmp_path, "early")
    folder.write_record(finished.record())
    text = report.write(folder).read_text()
    assert "The run is FAILED and has no test result." in text
    assert "Accuracy" not in text
    assert not folder.figures.exists()


def test_without_a_proof_the_accuracy_is_that_of_keras(tmp_path: Path) -> None:
    folder = fake_run.make(tmp_path)
    (folder.export / "proof.json").unlink()
    text = report.markdown(folder)
    assert "| Keras, float32 | 89.5% | 85.7% to 92.4% | - |" in text
    assert "Micro" not in text


def test_where_the_device_interpreter_is_missing_the_report_says_so(tmp_path: Path) -> None:
    folder = fake_run.make(tmp_path)
    proof = run_folder.read_json(folder.export / "proof.json")
    proof["forms"] |= {"tflm": "not run: tflite-micro has no wheel for this platform", "equal_rows": None}
    del proof["forms"]["accuracy"]["int8_tflm"]
    run_folder.write_json(folder.export / "proof.json", proof)
    assert "TensorFlow Lite Micro: not run: tflite-micro has no wheel" in report.markdown(folder)


def test_importing_it_costs_nothing_heavy() -> None:
    code = "import sys, kws_exp.report, kws_exp.track.process, kws_exp.multirun; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"tensorflow", "mlflow", "matplotlib", "pandas", "scipy"} & set(loaded)


def test_an_empty_test_partition_is_no_result(tmp_path: Path) -> None:
    folder = fake_run.make(tmp_path)
    run_folder.write_json(folder.path / "evaluation.json", {"labels": ["a"], "matrix": [[0]], "loss": None})
    assert "has no test result" in report.markdown(folder)
