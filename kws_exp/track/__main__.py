"""``python -m kws_exp.track FOLDER [--uri URI]``: send a run, or a sweep and its trials, to the tracking server.

For a run whose tracking failed, or was off; nothing that the server has is sent twice. A run that is neither ended nor
under way, because its machine died, is sent as killed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from kws_exp import run_folder
from kws_exp.errors import KwsError
from kws_exp.run_folder import RunFolder
from kws_exp.track import store, sync
from kws_exp.track.process import only_sender, unsent

T = TypeVar("T")
FAILURES = 4  # runs of a sweep in a row, after which the server is taken to be gone


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kws_exp.track", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument(
        "folder", type=Path, help="of a run or a sweep, as in mlruns/runs/2026-11-23_10-00-00_tiny_conv"
    )
    parser.add_argument("--uri", help="tracking server or database, instead of the run's own")
    chosen = parser.parse_args(arguments)
    try:
        _send(RunFolder(chosen.folder.resolve()), chosen.uri)
    except KwsError as error:
        print(f"kws_exp: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"kws_exp: {chosen.folder} must be writable, but fails ({error.strerror})", file=sys.stderr)
        return 2
    return 0


def _send(folder: RunFolder, uri: str | None) -> None:
    if not (folder.path / "run.json").is_file() or not (folder.path / "config.yaml").is_file():
        raise KwsError(f"a run's folder holds run.json and config.yaml, and {folder.path} does not")
    destination = sync.store_of(folder, uri).uri
    if not (folder.path / run_folder.SWEEP).exists():
        _send_run(folder, destination)
        return
    with only_sender(folder):
        runs = _send_group(folder, destination)
        _send_all(runs, destination)


def _send_run(folder: RunFolder, uri: str) -> None:
    with only_sender(folder):
        sync.remember(folder, _sent(folder, uri), uri)


def _send_group(folder: RunFolder, uri: str) -> list[RunFolder]:
    """Send the sweep's own run; return the runs of its trials, oldest first, which then name it as their parent."""
    before = folder.record().tracking_run_id
    if before is None:
        raise KwsError(
            f"the runs of a sweep are found by its run on the tracking server, and {folder.path} was made with "
            "tracking=off: send its runs one by one"
        )
    run_id, found = _done(folder, uri, sync.finished_elsewhere) or _sent(folder, uri), []
    for run, record in run_folder.find_all(folder.path.parent.parent / "runs"):
        if record.parent_run_id in (before, run_id):
            if record.parent_run_id != run_id:  # it is another server
                record.parent_run_id = run_id
                run.write_record(record)
            found.append(run)
    sync.remember(folder, run_id, uri)  # last, so that a sweep cut short is found whole
    return found[::-1]


def _send_all(runs: Sequence[RunFolder], uri: str) -> None:
    failed, in_a_row = [], 0
    for run in runs:
        try:
            _send_run(run, uri)
            in_a_row = 0
        except KwsError as error:
            failed.append(f"{run.path} ({error})")
            in_a_row += 1
        if in_a_row == FAILURES:
            break
    if failed:
        raise KwsError(
            f"{len(failed)} of {len(runs)} runs of the sweep could not be sent, the first of them {failed[0]}; mend "
            "that and give the same command again"
        )


def _sent(folder: RunFolder, uri: str) -> str:
    """Send one folder; return its run's id."""
    run_id = _done(folder, uri, sync.sync)
    print(f"sent to {uri}, run {run_id}")
    return run_id


def _done(folder: RunFolder, uri: str, work: Callable[[RunFolder, str], T]) -> T:
    """Do something with the server; KwsError if that cannot be."""
    try:
        return work(folder, uri)
    except KwsError:
        raise
    except Exception as error:
        raise KwsError(unsent(folder.path, store.reason(error))) from error


if __name__ == "__main__":
    sys.exit(main())
