"""``python -m kws_exp.track RUN_FOLDER [--uri URI]``: send a run's folder to its tracking server, again or anew.

For a run whose tracking failed, or was off; nothing that the server has is sent twice.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from kws_exp.errors import KwsError
from kws_exp.run_folder import RunFolder
from kws_exp.track import store, sync
from kws_exp.track.process import only_sender, unsent


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kws_exp.track", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("folder", type=Path, help="folder of a run, as in mlruns/runs/2026-11-23_10-00-00_tiny_conv")
    parser.add_argument("--uri", help="tracking server or database, instead of the run's own")
    chosen = parser.parse_args(arguments)
    try:
        print(f"sent to {_send(RunFolder(chosen.folder), chosen.uri)}")
    except KwsError as error:
        print(f"kws_exp: {error}", file=sys.stderr)
        return 2
    return 0


def _send(folder: RunFolder, uri: str | None) -> str:
    if not (folder.path / "run.json").is_file() or not (folder.path / "config.yaml").is_file():
        raise KwsError(f"a run's folder holds run.json and config.yaml, and {folder.path} does not")
    destination = sync.store_of(folder, uri)
    with only_sender(folder):
        try:
            run_id = sync.sync(folder, uri)
        except KwsError:
            raise
        except Exception as error:
            raise KwsError(unsent(folder.path, store.reason(error))) from error
        record = folder.record()
        record.tracking_run_id, record.tracking_uri = run_id, destination.uri
        folder.write_record(record)
    return f"{destination.uri}, run {run_id}"


if __name__ == "__main__":
    sys.exit(main())
