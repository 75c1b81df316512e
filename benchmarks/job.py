"""Where the time of a whole job goes, from command to proven int8 model: ``python -m benchmarks.job FOLDER``.

Two runs of yes and no with the default settings, one after the other, the first of which makes the tracking store; the
clips are decoded before. The wall seconds of the command are taken from outside, and hold what a run cannot tell of
itself: the end of its interpreter. The limits are 60 s, of which 15 s may not be training, on two idle cores. Two
minutes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kws_exp import budget, markdown, run_folder
from kws_exp.data import cache, source
from kws_exp.schema import Data

NAMES = ("first run", "second run")


def main(folder: str) -> list[str]:
    """Return a table with a row for each part and a column for each run, in seconds."""
    cache.open_cache(Path(folder), source.cache_dir(Data()))
    with tempfile.TemporaryDirectory() as place:
        runs = [_run(folder, Path(place)) for _ in NAMES]
    walls, parts = zip(*runs, strict=True)
    names = [name for name in budget.PARTS if name in parts[0]]
    rows = [[name, *(f"{part[name]:.1f}" for part in parts)] for name in names]
    sums = {"together": budget.total, "not training": budget.not_training}
    rows += [[name, *(f"{of(part):.1f}" for part in parts)] for name, of in sums.items()]
    rows.append(["the command, by the wall", *(f"{wall:.1f}" for wall in walls)])
    return markdown.table(["seconds", *NAMES], rows)


def _run(folder: str, place: Path) -> tuple[float, dict[str, float]]:
    """Return wall seconds of the command, and its own budget."""
    command = [sys.executable, "-m", "kws_exp", "data=speech_commands", f"data.dir={folder}", "words=[yes,no]"]
    began = time.monotonic()
    subprocess.run([*command, f"output_dir={place}"], check=True, stdout=subprocess.DEVNULL)
    wall = time.monotonic() - began
    _, record = next(run_folder.find_all(place / "runs"))
    return wall, record.seconds


if __name__ == "__main__":
    print("\n".join(main(*sys.argv[1:])))
