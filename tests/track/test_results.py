from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kws_exp.track import results, sync
from kws_exp.track.store import Store
from tests import fake_run

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


def test_a_file_is_sent_again_only_when_it_has_changed(output_dir: Path, client: MlflowClient, store: Store) -> None:
    folder = fake_run.make(output_dir)
    page = folder.figures / "deep" / "sweep.html"
    page.parent.mkdir(parents=True)
    page.write_text("first")
    (folder.figures / ".sweep.html.123").write_text("half of it")
    session = sync.open_run(folder, store)
    results._send_files(session)
    (there,) = (output_dir / "artifacts").rglob("sweep.html")
    assert there.relative_to(there.parents[2]).as_posix() == "figures/deep/sweep.html"
    assert {item.path for item in client.list_artifacts(session.run_id, "figures")} == {"figures/deep"}
    there.write_text("not sent again")
    results._send_files(session)
    assert there.read_text() == "not sent again"
    page.write_text("second")
    results._send_files(session)
    assert there.read_text() == "second"
