"""Registered models: whose run one is, and that run's export, fetched from the tracking store.

A version is registered by ``tracking.registered_model=NAME``. What is fetched is the ``export`` folder among the run's
artifacts, all of it, for the logged model itself holds no C program; it is kept in ``OUTPUT_DIR/models/RUN_ID`` and
taken from there the next time. The surprising fact: MLflow registers under the name alone, so the store is that of
``MLFLOW_TRACKING_URI`` or ``OUTPUT_DIR``, whatever a run's own settings were.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from kws_exp.errors import KwsError, nearest
from kws_exp.track import store

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

UNKNOWN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # how MLflow says that there is no such name
FETCHED = ("export", "config.yaml")  # of a run's artifacts: what every command takes, and what `stream make` takes too


def run_of(model: str, output_dir: Path) -> str:
    """Return the id of the tracking run that a registered model is of.

    Args:
        model: NAME, NAME/VERSION or NAME@ALIAS.
        output_dir: Whose store is asked, unless ``MLFLOW_TRACKING_URI`` names another.

    Raises:
        KwsError: The store does not answer, or has no such model.
    """
    from mlflow.exceptions import MlflowException

    where = store.resolve(None, output_dir)
    if where.database is not None and not where.database.exists():  # it would be made
        raise KwsError(
            f"models:/{model} is looked for in the tracking store, but there is none at {where.database}: set "
            "MLFLOW_TRACKING_URI, or give --output-dir"
        )
    client = store.connect(where)
    try:
        return str(_version(client, model, where).run_id)
    except MlflowException as error:
        raise KwsError(store.unreachable(where, error)) from error


def fetch(run_id: str, output_dir: Path) -> Path:
    """Return the export of a tracking run, downloaded unless it is here.

    Raises:
        KwsError: The run has none, or it cannot be had.
    """
    from mlflow.exceptions import MlflowException

    kept = output_dir / "models" / run_id
    if (kept / "export" / "manifest.json").is_file():
        return kept / "export"
    where = store.resolve(None, output_dir)
    client = store.connect(where)
    try:
        there = {item.path for item in client.list_artifacts(run_id)}
        if "export" not in there or not run_id.isalnum():  # it becomes a folder's name, whatever a server calls a run
            raise KwsError(
                f"the run {run_id} in {where.uri} has no export among its artifacts: train it with an export"
            )
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".") as scratch:
            aside = Path(scratch, run_id)
            aside.mkdir()
            for name in there.intersection(FETCHED):
                client.download_artifacts(run_id, name, str(aside))
            aside.rename(kept)
    except (MlflowException, OSError) as error:
        raise KwsError(
            f"the export of the run {run_id} cannot be fetched from {where.uri} ({store.reason(error)}): see that the "
            f"store's artifacts can be read and {kept.parent} be written"
        ) from error
    return kept / "export"


def _version(client: MlflowClient, model: str, where: store.Store) -> ModelVersion:
    from mlflow.exceptions import MlflowException

    name, asked = re.fullmatch(r"([^/@]*)(.*)", model, re.DOTALL).groups()  # type: ignore[union-attr]  # matches all
    try:
        aliases = client.get_registered_model(name).aliases
        found = client.search_model_versions(f"name='{name}'", order_by=["version_number DESC"])
    except MlflowException as error:
        if error.error_code not in UNKNOWN:
            raise
        aliases, found = {}, []
    if not found:
        known = sorted(one.name for one in client.search_registered_models())
        raise KwsError(
            f"a registered model must be one of those in {where.uri} ({', '.join(known) or 'none so far'}), but "
            f"'{name}' is not{nearest(name, known)}: train one with tracking.registered_model={name or 'NAME'}"
        )
    choices = {f"/{version.version}": version for version in found}
    choices |= {f"@{alias}": choices[f"/{number}"] for alias, number in aliases.items()}
    if asked and asked not in choices:
        raise KwsError(
            f"'{asked}' must be a version or an alias of {name}, which has {', '.join(choices)}, but is none: take "
            f"models:/{name}, its newest version, or models:/{name}{next(iter(choices))}"
        )
    return choices[asked] if asked else found[0]
