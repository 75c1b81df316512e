"""The logged model: raw audio in, scores of the labels out, by the very int8 file that goes to the device.

``mlflow.pyfunc.load_model("models:/NAME/1").predict(audio)`` with audio (batch, 16000) at 16 kHz, float in
[-1, 1] or int16, gives a table with a column of scores for each label and the column ``label`` of the likeliest.
The package's code travels with the model, so ``kws_exp`` need not be installed where it is loaded; the
requirements are listed here, because having MLflow infer them takes 9 s.
"""

from __future__ import annotations

import contextlib
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any

from kws_exp import run_folder
from kws_exp.run_folder import RunFolder

NAME = "keyword_spotter"
FILES = {"model_int8.tflite": "model", "manifest.json": "manifest"}  # file -> name among the model's artifacts
PACKAGE = Path(__file__).resolve().parent.parent
HAS_TFLM = "sys_platform == 'linux' and platform_machine == 'x86_64'"  # where tflite-micro has wheels
LACKS_TFLM = "sys_platform != 'linux' or platform_machine != 'x86_64'"


def prepare() -> None:
    """Do what :func:`log` needs and no model yet, 0.6 of its 1.0 s: for while the run trains."""
    import mlflow.pyfunc  # noqa: F401

    with contextlib.suppress(ImportError, AttributeError):  # it is MLflow's own, and may go
        from mlflow.utils import requirements_utils

        requirements_utils._init_modules_to_packages_map()  # reads the files of all installed packages


def log(folder: RunFolder, run_id: str, registered: str | None) -> str:
    """Log the run's exported int8 model, as a version of ``registered`` if given; return the model's id."""
    manifest = run_folder.read_json(folder.export / "manifest.json")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own annotations, and of a missing input example
        return _log(manifest["labels"], folder, run_id, registered)


def _log(labels: list[str], folder: RunFolder, run_id: str, registered: str | None) -> str:
    import mlflow.pyfunc

    mlflow.set_experiment(experiment_id=mlflow.get_run(run_id).info.experiment_id)  # else it lands in "Default"
    with mlflow.start_run(run_id=run_id):
        logged = mlflow.pyfunc.log_model(
            name=NAME,
            registered_model_name=registered,
            await_registration_for=0,
            python_model=str(PACKAGE / "track" / "spotter.py"),
            artifacts={name: str(folder.export / file) for file, name in FILES.items()},
            code_paths=[str(PACKAGE)],
            pip_requirements=requirements(),
            signature=_signature(labels),
            metadata={"labels": labels, "input": "audio (batch, 16000), 16 kHz, float or int16"},
        )
    return str(logged.model_id)


def requirements() -> list[str]:
    """Return what the model needs where it is loaded; TensorFlow only where TensorFlow Lite Micro cannot be had."""
    return [
        *(f"{name}=={metadata.version(name)}" for name in ("mlflow", "numba", "numpy", "pandas", "scipy")),
        f"tflite-micro>=0.dev20261023182759; {HAS_TFLM}",
        f"tensorflow>=2.21,<2.22; {LACKS_TFLM}",
    ]


def _signature(labels: list[str]) -> Any:
    """Declare the outputs; a declared input would refuse one of float32 and int16."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    columns = [*(ColSpec(DataType.float, label) for label in labels), ColSpec(DataType.string, "label")]
    return ModelSignature(outputs=Schema(columns))
