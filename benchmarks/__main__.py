"""The project's figures of speed, each beside what it is compared with in the same run.

    python -m benchmarks [PART ...] [--data FOLDER] [--write]

Without a part, all of them run, one after the other: about an hour on two idle cores. ``--write`` puts the tables into
docs/performance.md, between the marks that name the part.
"""

from __future__ import annotations

import argparse
import importlib
import re
import time
from pathlib import Path

from benchmarks.setup import machine

PARTS = ("input", "step", "bank", "job", "growth", "decode", "stream", "sweeps")
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("parts", metavar="PART", nargs="*", help=", ".join(PARTS))
    parser.add_argument("--data", default="../shared/speech_commands", help="folder of recorded words")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.name}")
    chosen = parser.parse_args()
    unknown = [part for part in chosen.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part '{unknown[0]}': there are {', '.join(PARTS)}")
    for part in chosen.parts or PARTS:
        lines = importlib.import_module(f"benchmarks.{part}").main(chosen.data)
        text = "\n".join([f"{machine()}; {time.strftime('%Y-%m-%d')}", "", *lines])
        print(f"## {part}\n\n{text}\n", flush=True)
        if chosen.write:
            _put(part, text)


def _put(part: str, text: str) -> None:
    """Replace what stands between the marks of a part."""
    page = PAGE.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {part} -->\n).*?(<!-- end of {part} -->)", re.DOTALL)
    if not pattern.search(page):
        raise SystemExit(f"{PAGE} has no marks <!-- {part} --> and <!-- end of {part} -->: write them where it belongs")
    PAGE.write_text(pattern.sub(lambda found: f"{found[1]}{text}\n{found[2]}", page), encoding="utf-8")


if __name__ == "__main__":
    main()
