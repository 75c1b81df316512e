"""An operating point in an export: everything that tells of it agrees, or nothing has changed."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from kws_exp import run_folder, verify
from kws_exp.c99 import host, qemu
from kws_exp.errors import KwsError
from kws_exp.stream import install
from kws_exp.stream.events import OperatingPoint
from tests.proof.conftest import Spotter
from tests.stream.conftest import CHOSEN

pytestmark = [pytest.mark.slow, pytest.mark.skipif(host.compiler() is None, reason="no C compiler")]
SHORT = OperatingPoint((128, 255, 201, 37), average_window_ms=200, suppression_ms=700, minimum_count=1, repeat=True)


@pytest.fixture
def export(proved: Spotter, tmp_path: Path) -> Path:
    return Path(shutil.copytree(proved.folder, tmp_path / "export"))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_all_that_tells_of_it_agrees(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(export)
    install.write(export, SHORT, CHOSEN)
    after = files(export)
    changed = {name for name in before if before[name] != after[name]}
    assert before.keys() == after.keys()
    assert {"manifest.json", "c99/kws_settings.h", "MODEL_CARD.md"} <= changed
    assert {Path(name).suffix for name in changed} <= {".json", ".h", ".md", ".zip"}
    header = (export / "c99" / "kws_settings.h").read_text()
    for line in ("KWS_THRESHOLDS {128, 255, 201, 37}", "KWS_AVERAGE_WINDOW_MS 200", "KWS_REPEAT 1", "KWS_RESULTS 4"):
        assert f"#define {line}" in header
    (library,) = (export / "arduino").iterdir()
    with zipfile.ZipFile(library) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("kws_settings.h"))
        assert archive.read(name).decode() == header
    card = (export / "MODEL_CARD.md").read_text()
    assert "Chosen by hand" in card and "on 1 h of recordings for at most\n  2 false accepts" in card
    assert verify.main([str(export)]) == 0, capsys.readouterr().out
    assert list(export.parent.iterdir()) == [export]


@pytest.mark.skipif(not qemu.available(), reason="no compiler for Cortex-M")
def test_a_shorter_window_needs_less_memory(export: Path) -> None:
    def sizes() -> dict[str, int]:
        manifest, proof = (run_folder.read_json(export / name) for name in ("manifest.json", "proof.json"))
        assert manifest["device"]["cores"] == proof["device"]["cores"]
        return {core["name"]: core["ram"] for core in manifest["device"]["cores"]}

    before = sizes()
    install.write(export, SHORT, CHOSEN)
    # eight results fewer, each a time and four scores
    assert sizes() == {name: ram - 8 * (4 + 4) for name, ram in before.items()}


def test_nothing_changes_where_it_fails(export: Path) -> None:
    manifest = run_folder.read_json(export / "manifest.json")
    run_folder.write_json(export / "manifest.json", manifest | {"provenance": {"versions": {"kws-exp": "0.0.1"}}})
    before = files(export)
    with pytest.raises(KwsError, match=r"is by 0\.0\.1 and this is .*: install kws-exp==0\.0\.1, or export again"):
        install.write(export, SHORT, CHOSEN)
    assert files(export) == before
    run_folder.write_json(export / "manifest.json", manifest)
    (export / "golden" / "vectors.npz").write_bytes(b"no vectors")
    before = files(export)
    with pytest.raises(ValueError, match="pickled"):
        install.write(export, SHORT, CHOSEN)
    assert files(export) == before
    assert list(export.parent.iterdir()) == [export]


def test_thresholds_for_other_labels_are_refused(export: Path) -> None:
    before = files(export)
    with pytest.raises(ValueError, match="2 thresholds for 4 labels"):
        install.write(export, OperatingPoint((1, 2)), CHOSEN)
    assert files(export) == before
