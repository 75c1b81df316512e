"""``python -m kws_exp.verify MODEL``: repeat the proof on an exported folder alone.

Give an ``export`` folder, wherever it was copied, a run (its folder, its id, or ``latest``) or a registered model.
Nothing but the folder is read, and no network is needed once it is here. Status 0: every byte that could be checked is
right; 1: one differs, and what is printed names the file; 2: there is nothing to verify. The surprising fact: it runs
the golden vectors through the files as they are, so it notices a changed weight even in a folder whose manifest was
changed to go with it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kws_exp import model_argument, run_folder
from kws_exp.errors import KwsError, complain
from kws_exp.proof.finding import Finding


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kws_exp.verify", description=(__doc__ or "").split("\n\n")[1])
    model_argument.add(parser)
    chosen = parser.parse_args(arguments)
    try:
        folder = model_argument.folder(chosen)
        print(f"verifying {folder}")
        findings = []
        for finding in verify(folder):
            findings.append(finding)
            detail = f" ({finding.detail})" if finding.detail else ""
            print(f"{'WRONG' if finding.wrong else '     '} {finding.what}: {finding.status}{detail}", flush=True)
    except KwsError as error:
        return complain(str(error))
    wrong = [finding.what for finding in findings if finding.wrong]
    print(f"WRONG: {', '.join(wrong)}" if wrong else "all that could be checked is equal, byte for byte")
    return 1 if wrong else 0


def verify(folder: Path) -> Iterator[Finding]:
    """Check an exported folder, one thing after the other.

    Raises:
        KwsError: Its manifest cannot be read.
    """
    try:
        manifest = run_folder.read_json(folder / "manifest.json")
        listed: Mapping[str, Any] = manifest["files"]
    except (ValueError, KeyError, TypeError) as error:
        raise KwsError(f"{folder / 'manifest.json'} cannot be read ({error}): export the run again") from error
    yield files(folder, listed)
    if not (folder / "golden").is_dir():
        yield Finding("golden vectors", "not run: the export has none")
        return
    from kws_exp.proof import exported

    yield from exported.check(folder, manifest)


def files(folder: Path, listed: Mapping[str, Any]) -> Finding:
    """Compare every file with the hash that the manifest has of it."""
    from kws_exp.export.manifest import files as hashes

    there = {name: asdict(file) for name, file in hashes(folder).items()}
    wrong = [f"{name} is missing" for name in listed if name not in there]
    wrong += [f"{name} is not in the manifest" for name in there if name not in listed]
    wrong += [f"{name} has changed" for name in listed if name in there and there[name] != dict(listed[name])]
    return Finding("files", "; ".join(wrong) or "equal", f"{len(listed)} files and their SHA-256")


if __name__ == "__main__":
    sys.exit(main())
