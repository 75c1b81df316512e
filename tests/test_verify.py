"""The proof repeated on a copied folder: it passes, and a single changed byte anywhere is found and named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kws_exp import run_folder, verify
from kws_exp.export import manifest
from tests.proof.conftest import copied, proved

__all__ = ["copied", "proved"]

pytestmark = pytest.mark.slow


def flip(path: Path, at: int = -3) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(bytes(content))


def rehash(folder: Path) -> None:
    """Make the manifest agree with whatever the files are by now."""
    content = run_folder.read_json(folder / "manifest.json")
    hashes = {name: {"bytes": file.bytes, "sha256": file.sha256} for name, file in manifest.files(folder).items()}
    run_folder.write_json(folder / "manifest.json", content | {"files": hashes})


def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    status = verify.main([str(folder)])
    return status, [line for line in capsys.readouterr().out.splitlines() if line.startswith("WRONG ")]


def test_a_copy_anywhere_passes(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = verify.main([str(copied)])
    output = capsys.readouterr().out
    assert status == 0, output
    assert "c99 on this machine, from samples to the network's output: equal" in output
    assert output.endswith("all that could be checked is equal, byte for byte\n")


@pytest.mark.parametrize(
    "name",
    ["model_int8.tflite", "c99/kws_model.c", "c99/kws_frontend_tables.h", "golden/golden.c", "golden/vectors.npz"],
)
def test_a_changed_file_is_named(name: str, copied: Path) -> None:
    flip(copied / name)
    found = verify.files(copied, run_folder.read_json(copied / "manifest.json")["files"])
    assert found.wrong
    assert found.status == f"{name} has changed"


def test_missing_and_foreign_files_are_named(copied: Path) -> None:
    (copied / "labels.txt").unlink()
    (copied / "c99" / "more.c").write_text("")
    found = verify.files(copied, run_folder.read_json(copied / "manifest.json")["files"])
    assert found.status == "labels.txt is missing; c99/more.c is not in the manifest"


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_changed_table_is_found_even_with_its_hash(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(copied / "c99" / "kws_frontend_tables.h", "4095", "4094")
    rehash(copied)
    status, wrong = run(copied, capsys)
    assert status == 1
    assert any("c99 on this machine" in line for line in wrong)


def test_a_changed_weight_is_found_even_with_its_hash(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flip(copied / "model_int8.tflite", at=9_000)  # in the dense layer's weights
    rehash(copied)
    status, wrong = run(copied, capsys)
    assert status == 1
    assert "files made anew" in wrong[0] and "tflm/model_data.cc" in wrong[0] and "c99/kws_model.c" in wrong[0]


def test_a_changed_vector_is_found_even_with_its_hash(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = copied / "golden" / "vectors.npz"
    with np.load(path) as content:
        arrays = dict(content)
    arrays["features"][3, 20, 7] += 1
    np.savez_compressed(path, **arrays)
    rehash(copied)
    status, wrong = run(copied, capsys)
    assert status == 1
    assert any("features of the golden clips, in Python" in line for line in wrong)


def test_a_folder_without_an_export_is_no_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify.main([str(tmp_path), "--output-dir", str(tmp_path)]) == 2
    assert "is no export folder (it would hold manifest.json)" in capsys.readouterr().err


def test_a_broken_manifest_is_no_traceback(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copied / "manifest.json").write_text("{")
    assert verify.main([str(copied)]) == 2
    assert "manifest.json cannot be read" in capsys.readouterr().err
