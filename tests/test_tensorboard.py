"""TensorBoard event files hold the curves, each point once, also after a resume."""

from pathlib import Path
from typing import Any

from kws_exp import run_folder
from kws_exp.run_folder import RunFolder
from kws_exp.tensorboard import EventFiles


def events(path: Path) -> list[tuple[int, str, float]]:
    import tensorflow as tf

    found: list[tuple[int, str, float]] = []
    for file in sorted((path / "tensorboard").iterdir()):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            found += [(event.step, v.tag, float(tf.make_ndarray(v.tensor))) for v in event.summary.value]
    return sorted(found)


def point(step: int, **values: float) -> dict[str, Any]:
    return {"step": step, "time": 0, **values}


def test_each_point_once(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    files = EventFiles(folder)
    run_folder.append_lines(folder.curves, [point(1, loss=0.5), point(2, loss=0.25, accuracy=1.0)])
    files.update()
    files.update()
    run_folder.keep_until(folder.curves, 1)
    resumed = EventFiles(folder)
    run_folder.append_lines(folder.curves, [point(2, loss=0.75)])
    run_folder.append_lines(folder.curves, [point(3, loss=0.125)])
    resumed.update()
    assert events(tmp_path) == [(1, "loss", 0.5), (2, "loss", 0.75), (3, "loss", 0.125)]
