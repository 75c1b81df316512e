"""A composed test recording on disk: its audio, its labels, and all that it was made of.

    FOLDER/audio.flac     16 kHz, mono, 16 bits
    FOLDER/labels.txt     begin<tab>end<tab>word in seconds (kws_exp.stream.labels)
    FOLDER/manifest.json  settings, seed, digest of the data, the clips and where they are

The surprising fact: the manifest has a hash of the samples, not of the file, which another version of libsndfile may
well encode in other bytes.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kws_exp import __version__, run_folder
from kws_exp.data import Dataset
from kws_exp.errors import KwsError
from kws_exp.schema import SAMPLE_RATE
from kws_exp.stream import compose, labels
from kws_exp.stream.compose import Plan, Recipe

AUDIO, LABELS, MANIFEST = "audio.flac", "labels.txt", "manifest.json"
SCHEMA_VERSION = 1

Progress = Callable[[str, int, int], None]  # what is done, how much, of how much


def write(folder: Path, dataset: Dataset, recipe: Recipe, progress: Progress = lambda stage, done, total: None) -> Plan:
    """Compose a recording into ``folder``, which appears when it is complete.

    Raises:
        KwsError: A setting is out of range, the data lack something, or the folder is there already or cannot be
            written.
    """
    if folder.exists():
        raise KwsError(f"a stream is written into a new folder, but {folder} is there: name another, or remove it")
    made = compose.plan(dataset, recipe)
    aside = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        samples_digest = _write_audio(aside / AUDIO, made, dataset, progress)
        labels.write(aside / LABELS, made.utterances)
        run_folder.write_json(aside / MANIFEST, _manifest(made, dataset, recipe, samples_digest))
        aside.rename(folder)
    except OSError as error:
        raise KwsError(f"{folder} must be a place with room to write to, but fails ({error.strerror})") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return made


def _write_audio(path: Path, made: Plan, dataset: Dataset, progress: Progress) -> str:
    """Write the recording; return the hash of its samples."""
    import soundfile

    hasher, done = hashlib.sha256(), 0
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1, "PCM_16", format="FLAC") as file:
        for block in compose.render(made, dataset):
            file.write(block)
            hasher.update(block.astype("<i2").tobytes())
            done += len(block)
            progress("seconds of audio", done // SAMPLE_RATE, made.samples // SAMPLE_RATE)
    return hasher.hexdigest()


def _manifest(made: Plan, dataset: Dataset, recipe: Recipe, samples_digest: str) -> dict[str, Any]:
    clips = [
        {"path": dataset.paths[word.row], "label": word.label}
        | {key: getattr(word, key) / SAMPLE_RATE for key in ("at", "begin", "end")}
        for word in made.words
    ]
    return {
        "schema_version": SCHEMA_VERSION,
        "kws_exp": __version__,
        "recipe": asdict(recipe),
        "labels": list(dataset.labels),
        "data": {"source": dataset.kind, "digest": dataset.digest},
        "seconds": made.samples / SAMPLE_RATE,
        "samples_sha256": samples_digest,
        "clips": clips,  # times in seconds: of the clip, and of the word in it
    }
