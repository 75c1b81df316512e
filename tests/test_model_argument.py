"""What a MODEL on the command line may be, with real runs and a real model registry."""

from __future__ import annotations

import shutil
from argparse import ArgumentParser
from pathlib import Path

import pytest

from kws_exp import model_argument, run_folder
from kws_exp.errors import KwsError
from kws_exp.run_folder import RunFolder
from kws_exp.track import store, sync
from tests import fake_run
from tests.track.conftest import migrated, output_dir

__all__ = ["migrated", "output_dir"]


@pytest.fixture
def registered(output_dir: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run whose model is the first of two versions of ``kws``, called ``shop``; the second is of another run."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    folders = [fake_run.make(output_dir, name) for name in ("first", "second")]
    for folder in folders:
        config = fake_run.CONFIG.replace("registered_model: null", "registered_model: kws")
        run_folder.write_text(folder.path / "config.yaml", config)
        (folder.export / "model_int8.tflite").write_bytes(folder.path.name.encode())
        record = folder.record()
        record.tracking_run_id = sync.sync(folder)
        folder.write_record(record)
    client = store.connect(store.resolve(None, output_dir))
    client.set_registered_model_alias("kws", "shop", "1")
    return folders[0]


def test_a_run_is_found_by_folder_id_and_latest(tmp_path: Path) -> None:
    folder = fake_run.make(tmp_path, "tiny")
    for wanted in (folder.record().run_id, "latest", folder.path.name, str(folder.path), str(folder.export)):
        assert model_argument.find(wanted, tmp_path) == folder.export
    with pytest.raises(KwsError, match="did you mean"):
        model_argument.find(folder.path.name[:-1], tmp_path)


def test_the_option_names_where_runs_are(tmp_path: Path) -> None:
    folder = fake_run.make(tmp_path, "tiny")
    parser = ArgumentParser()
    model_argument.add(parser)
    assert model_argument.folder(parser.parse_args(["latest", "--output-dir", str(tmp_path)])) == folder.export


@pytest.mark.slow
def test_a_registered_model_is_its_run(registered: RunFolder, output_dir: Path) -> None:
    second = model_argument.find("models:/kws/2", output_dir)
    assert second != registered.export and second.parent.name.endswith("second")
    assert model_argument.find("models:/kws", output_dir) == second
    for wanted in ("models:/kws/1", "models:/kws@shop"):
        assert model_argument.find(wanted, output_dir) == registered.export


@pytest.mark.slow
def test_the_export_of_a_run_that_is_elsewhere_is_fetched_once(registered: RunFolder, output_dir: Path) -> None:
    there = {path.name: path.read_bytes() for path in registered.export.rglob("*") if path.is_file()}
    config = (registered.path / "config.yaml").read_bytes()
    shutil.rmtree(registered.path)
    found = model_argument.find("models:/kws/1", output_dir)
    assert found.parent.parent == output_dir / "models"
    assert {path.name: path.read_bytes() for path in found.rglob("*") if path.is_file()} == there
    assert (found.parent / "config.yaml").read_bytes() == config  # from which `stream make` tells what is held out
    assert [path.name for path in found.parent.parent.iterdir()] == [found.parent.name]
    shutil.rmtree(output_dir / "artifacts")
    assert model_argument.find("models:/kws/1", output_dir) == found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ("models:/kwz/1", r"a registered model must be one of those in .*mlflow.db \(kws\), but 'kwz' is not .*'kws'"),
        ("models:/", r"but '' is not"),
        ("models:/kws/3", r"'/3' must be a version or an alias of kws, which has /2, /1, @shop, but is none"),
        ("models:/kws@stop", r"'@stop' must be a version or an alias of kws, which has /2, /1, @shop"),
    ],
)
def test_what_is_not_registered_is_told(registered: RunFolder, output_dir: Path, wanted: str, sentence: str) -> None:
    with pytest.raises(KwsError, match=sentence):
        model_argument.find(wanted, output_dir)


def test_a_store_is_not_made_by_looking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(KwsError, match="looked for in the tracking store, but there is none at"):
        model_argument.find("models:/kws/1", tmp_path)
    assert not list(tmp_path.iterdir())
