"""From a folder of audio to a mapped cache, and from there to the next run: ``python -m benchmarks.decode FOLDER``.

The first decoding fills a new cache; the second opening, and the data stage that a cached run begins with, decode
nothing. Wall seconds are told with the processor's, for the former double on a machine that others use, and the first
round reads the files from the disk if no one has read them lately. About half a minute.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.setup import Timed, best, experiment
from kws_exp import data, markdown
from kws_exp.cpu import cores
from kws_exp.data import cache

ROUNDS = 3
OPENINGS = 3
WORDS = "words=[yes,no]"


def main(folder: str) -> list[str]:
    """Return a table of the best of some rounds."""
    first = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as place:
            opening = partial(cache.open_cache, Path(folder), Path(place))
            first.append(_timed(opening))
            loading = partial(data.load, experiment(WORDS, f"data.dir={folder}", f"data.cache_dir={place}"))
            again = best({"opened": opening, "loaded": loading}, OPENINGS)
            clips = len(opening().clips)
    rows = [
        (f"first decoding of {clips:,} clips, {cores()} threads", Timed(*map(min, zip(*first, strict=True)))),
        ("opening what is decoded", again["opened"]),
        ("data stage of a cached run of yes and no", again["loaded"]),
    ]
    return markdown.table(["", "wall s", "processor s"], [[name, *(f"{s:.2f}" for s in each)] for name, each in rows])


def _timed(work: Callable[[], object]) -> Timed:
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return Timed(time.perf_counter() - wall, time.process_time() - processor)


if __name__ == "__main__":
    print("\n".join(main(*sys.argv[1:])))
