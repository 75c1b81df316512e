"""Speech for words that no data set holds: folders of one-second clips spoken by eSpeak NG.

A clip depends on the seed, its word, its number and the recipe, and on nothing else: not on the words made beside
it, on how many processes made it, or on what was there before. So the first ``other_clips_per_word`` clips of a
word are the same whether it was made as a keyword or as another word. The surprising fact: more of it does not
help. 1,500 clips of each word instead of 600 left the accuracy on recorded words where it was, and so did twice as many
other words; what helps is what recordings have and speech synthesis lacks: children, clicks, words out of the middle.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kws_exp.cpu import cores
from kws_exp.schema import SynthesisRecipe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VERSION = 2  # raised whenever the same recipe gives other samples
NOISE_FOLDER = "_background_noise_"
CLIPS_PER_TASK = 100  # some 0.5 s of work
OTHER_WORDS = (
    *("bed", "bird", "cat", "dog", "down", "eight", "five", "four", "go", "happy", "hello", "house"),
    *("left", "light", "marvin", "music", "nine", "no", "off", "on", "one", "open", "please", "right"),
    *("seven", "sheila", "six", "stop", "three", "tree", "two", "up", "water", "window", "yes", "zero"),
)


def synthesize(
    words: Sequence[str],
    folder: Path,
    recipe: SynthesisRecipe,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
    others: Sequence[str] = OTHER_WORDS,
) -> None:
    """Make what is missing of ``folder/WORD/VOICE_nohash_N.wav``: 16 kHz, mono, 16 bits, one second.

    Args:
        words: each gets ``clips_per_word`` clips, N from 0.
        folder: made if absent. Several processes may fill it at once.
        recipe: how the clips are made.
        seed: of everything random.
        progress: called with the number of clips made and wanted.
        others: each gets ``other_clips_per_word`` clips, unless it is one of ``words``.

    Raises:
        KwsError: a word cannot be spoken, or not within a second.
    """
    from filelock import FileLock

    from kws_exp.data import speech

    for word in words:
        speech.check_speakable(word)
    wanted = dict.fromkeys(others, recipe.other_clips_per_word) | dict.fromkeys(words, recipe.clips_per_word)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        missing = {word: clips for word, clips in wanted.items() if _count(folder / word) < clips}
        if missing:
            _make(missing, folder, recipe, seed, progress)


def write_noise(folder: Path, seed: int) -> None:
    """Make ``folder/_background_noise_/NAME.wav`` unless it is there: six recordings of a minute."""
    from filelock import FileLock

    from kws_exp.data import noises, speech

    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if (folder / NOISE_FOLDER).exists():
            return
        babble = speech.babble(OTHER_WORDS, SynthesisRecipe(), seed)
        with _set_aside(folder) as aside:
            (aside / NOISE_FOLDER).mkdir()
            for name, samples in noises.recordings(seed, babble).items():
                _write(aside / NOISE_FOLDER / f"{name}.wav", samples)
            os.replace(aside / NOISE_FOLDER, folder / NOISE_FOLDER)


def clip_number(path: str) -> int:
    """Return the N of ``WORD/VOICE_nohash_N.wav``; those below ``other_clips_per_word`` serve as other words."""
    return int(path.rpartition("_nohash_")[2].removesuffix(".wav"))


@dataclass(frozen=True)
class _Task:
    """Some clips of a word, for one process."""

    word: str
    first: int
    end: int
    folder: Path
    recipe: SynthesisRecipe
    seed: int


def _make(
    missing: dict[str, int], folder: Path, recipe: SynthesisRecipe, seed: int, progress: Callable[[int, int], None]
) -> None:
    total, done = sum(missing.values()), 0
    with _set_aside(folder) as aside:
        tasks = [
            _Task(word, first, min(first + CLIPS_PER_TASK, clips), aside / word, recipe, seed)
            for word, clips in missing.items()
            for first in range(0, clips, CLIPS_PER_TASK)
        ]
        for task in _run(tasks):
            done += task.end - task.first
            progress(done, total)
            if task.end == missing[task.word]:
                _publish(aside / task.word, folder / task.word)


def _run(tasks: list[_Task]) -> Iterator[_Task]:
    """Do the tasks, in processes unless there is one only; yield each when it and all before it are done."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    if len(tasks) == 1:
        yield _do(tasks[0])
        return
    workers = min(len(tasks), cores())
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))
    try:
        yield from pool.map(_do, tasks)
    finally:
        pool.shutdown(cancel_futures=True)


def _do(task: _Task) -> _Task:
    from kws_exp.data import speech

    task.folder.mkdir(exist_ok=True)
    with speech.voice_folder() as scratch:
        for number in range(task.first, task.end):
            name, samples = speech.make_clip(task.word, number, task.recipe, task.seed, scratch)
            _write(task.folder / f"{name}_nohash_{number}.wav", samples)
    return task


def _publish(made: Path, place: Path) -> None:
    """Put a complete folder in place of a smaller one or of none."""
    if place.exists():
        os.replace(place, made.with_name(f"{made.name}.old"))
    os.replace(made, place)


@contextlib.contextmanager
def _set_aside(folder: Path) -> Iterator[Path]:
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _count(folder: Path) -> int:
    return sum(1 for _ in folder.glob("*.wav"))


def _write(file: Path, samples: NDArray[np.int16] | NDArray[np.float32]) -> None:
    import soundfile

    from kws_exp.schema import SAMPLE_RATE

    soundfile.write(file, samples, SAMPLE_RATE, subtype="PCM_16")
