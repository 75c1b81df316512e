"""Time and memory against the number of clips and of words: ``python -m benchmarks.growth FOLDER``.

The larger folders are the recorded clips again under other names, linked, decoded as any folder is: 100,000 clips are
3.2 GB in the temporary folder for the time of the measurement. Each size is measured in a process of its own, which
opens the decoded clips, trains and evaluates; its memory is its peak of ``RssAnon``, which leaves out mapped pages, and
Linux alone tells it. Five minutes on two idle cores, most of them the decoding.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.setup import experiment, peak
from kws_exp import data, features, framework, markdown, models, pipeline, run_folder
from kws_exp.console import Watch
from kws_exp.data import TESTING, VALIDATION, cache
from kws_exp.run_folder import RunFolder
from kws_exp.train import predictor, train

CLIPS = (1_000, 10_000, 100_000)
WORDS = (2, 10, 35)  # or as many as there are
KEYWORDS = 10  # where the number of clips is varied
STEPS, SETTLED = 150, 50
HEAD = ["clips", "words", "first decoding s", "MB", "start-up s", "ms a step", "test clips", "evaluation s", "MB"]


def main(folder: str) -> list[str]:
    """Return a table with a row for each size; MB are of RssAnon at their peak, while decoding and in the run."""
    files = [file.path for file in cache.scan(Path(folder)) if file.word != cache.NOISE_FOLDER]
    words = sorted(cache.words_in(Path(folder)), key=lambda word: -sum(path.startswith(f"{word}/") for path in files))
    rows = []
    for clips in CLIPS:
        with tempfile.TemporaryDirectory() as place:
            _link(Path(folder), files, clips, Path(place))
            decoding = _child("decode", place, [])
            counts = WORDS if clips == CLIPS[1] else (KEYWORDS,)
            rows += [
                _row(clips, decoding, found, _child("run", place, found))
                for found in (words[:count] for count in counts)
            ]
    return markdown.table(HEAD, rows)


def _row(clips: int, decoding: dict[str, float], words: Sequence[str], run: dict[str, float]) -> list[str]:
    before = [f"{clips:,}", f"{len(words)}", f"{decoding['seconds']:.1f}", f"{decoding['memory']:.0f}"]
    after = [f"{run['start']:.2f}", f"{run['step']:.1f}", f"{run['tested']:,.0f}", f"{run['evaluation']:.2f}"]
    return [*before, *after, f"{run['memory']:.0f}"]


def _link(folder: Path, files: Sequence[str], count: int, place: Path) -> None:
    """Make a folder of ``count`` clips: some of the files, or all of them again and again, by the same speakers."""
    some = min(count, len(files))
    chosen = [files[number * len(files) // some] for number in range(some)]
    for number in range(count):
        source = Path(chosen[number % len(chosen)])
        link = place / "speech" / source.parent / f"{source.stem}_{number // len(chosen)}{source.suffix}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to((folder / source).resolve())
    (place / "speech" / cache.NOISE_FOLDER).symlink_to((folder / cache.NOISE_FOLDER).resolve())


def _child(what: str, place: str, words: Sequence[str]) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.growth", what, place, *words]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


def decode(place: Path) -> dict[str, float]:
    """Decode a folder into its cache."""
    with peak() as memory:
        began = time.monotonic()
        cache.open_cache(place / "speech", place / "cache")
        seconds = time.monotonic() - began
    return {"seconds": seconds, "memory": memory[0]}


def run(place: Path, words: Sequence[str]) -> dict[str, float]:
    """Load the data, train for some steps, and evaluate the test partition."""
    config = experiment(
        f"words=[{','.join(words)}]",
        *(f"data.dir={place}/speech", f"data.cache_dir={place}/cache", f"train.steps=[{STEPS}]"),
        *(f"train.log_interval={SETTLED}", "augment.bank=0"),
    )
    with peak() as memory:
        began = time.monotonic()
        dataset = data.load(config)
        loaded = time.monotonic() - began
        framework.start(config.seed)
        extract = features.build(config.features)
        shape = config.features.frames, config.features.width
        model = models.build(config.model, *shape, len(config.labels), config.seed)
        validation = pipeline.partition_features(config, dataset, extract, VALIDATION)
        labelled = validation, dataset.partitions[VALIDATION].labels
        folder = RunFolder(Path(tempfile.mkdtemp(dir=place)))
        train(config, pipeline.fresh(config, dataset, extract), labelled, model, folder, Watch("error"))
        began = time.monotonic()
        predictor(model)(pipeline.partition_features(config, dataset, extract, TESTING))
        evaluated = time.monotonic() - began
    times = {row["step"]: row["time"] for row in run_folder.read_lines(folder.curves) if "train/loss" in row}
    return {
        "start": loaded,
        "step": (times[STEPS] - times[SETTLED]) / (STEPS - SETTLED),
        "tested": len(dataset.partitions[TESTING]),
        "evaluation": evaluated,
        "memory": memory[0],
    }


if __name__ == "__main__":
    if sys.argv[1] == "decode":
        print(json.dumps(decode(Path(sys.argv[2]))))
    elif sys.argv[1] == "run":
        print(json.dumps(run(Path(sys.argv[2]), sys.argv[3:])))
    else:
        print("\n".join(main(*sys.argv[1:])))
