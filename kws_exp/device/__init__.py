"""The folder that a firmware engineer expects, made whole from a manifest, a model and golden vectors.

:func:`write` adds to an export, which holds ``model_int8.tflite``, ``labels.txt`` and ``manifest.json``:

    names       from a run's name to names of files
    tflm        tflm/: the model for TensorFlow Lite Micro (operators: which ones it has)
    program     c99/: the generated C
    golden      golden/: vectors and, with the templates, the self-test
    build       Makefile, CMake, QEMU, ESP-IDF, Zephyr
    arduino     arduino/NAME.zip
    esphome     esphome/NAME.json, where ESPHome could load the model
    readme      README.md; card: MODEL_CARD.md
    profiles    whether a device's software could load the model

A part that cannot be written is left out with a sentence; the others still stand. The surprising fact: the generated C
never sees the vectors that it is tested with, and the vectors never saw it.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from kws_exp import run_folder, schema
from kws_exp.device import arduino, build, card, esphome, names, program, readme, tflm
from kws_exp.device.golden import Golden
from kws_exp.device.golden import write as write_golden
from kws_exp.errors import KwsError

__all__ = ["Golden", "Written", "write"]

PARTS = ("golden", "tflm", "c99", "detector", "build", "arduino", "esphome")
# what may lie in the folder from an export before
_PLACES = ("golden", "tflm", "c99", "demo", "qemu", "esp-idf", "zephyr", "arduino", "esphome")
_FILES = ("Makefile", "CMakeLists.txt", "README.md", "MODEL_CARD.md")

Result = TypeVar("Result")


@dataclass(frozen=True)
class Written:
    """What :func:`write` made."""

    stem: str  # the name of the libraries
    parts: tuple[str, ...]  # of PARTS
    omitted: Mapping[str, str]  # the other parts, with a sentence each


def write(folder: Path, manifest: Mapping[str, Any], golden: Golden) -> Written:
    """Write all parts into ``folder``; those of an earlier export stay until the new ones are complete.

    Args:
        folder: Holds ``model_int8.tflite``.
        manifest: The content of ``manifest.json``; ``accuracy`` and ``arena`` may be None.
        golden: The vectors, made without the generated C.

    Raises:
        ValueError: The vectors are not of this model.
    """
    _check(manifest, golden)
    aside = folder / ".device.part"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        written = _write(folder / "model_int8.tflite", manifest, golden, aside)
        for name in _PLACES:
            shutil.rmtree(folder / name, ignore_errors=True)
        for name in _FILES:
            (folder / name).unlink(missing_ok=True)
        for path in aside.iterdir():
            path.rename(folder / path.name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return written


def _write(model: Path, manifest: Mapping[str, Any], golden: Golden, folder: Path) -> Written:
    facts = _facts(model, manifest, golden)
    omitted: dict[str, str] = {}
    _attempt("golden", folder, lambda place: write_golden(golden, place), omitted)
    _attempt("tflm", folder, lambda place: tflm.write(model.read_bytes(), manifest, place), omitted)
    made = _attempt("c99", folder, lambda place: program.write(model, manifest, place), omitted)
    if made is None:
        omitted |= dict.fromkeys(("detector", "build", "arduino"), "It needs the C99 program, which is not there.")
    else:
        if not made.detector:
            omitted["detector"] = _network_alone(manifest)
        build.write(made, facts, folder)
        arduino.write(made, facts, folder)
    _attempt("esphome", folder, lambda place: esphome.write(manifest, facts.stem, place), omitted)
    parts = tuple(part for part in PARTS if part not in omitted)
    run_folder.write_text(folder / "README.md", readme.write(manifest, parts, omitted, facts))
    run_folder.write_text(folder / "MODEL_CARD.md", card.write(manifest, facts.title))
    return Written(facts.stem, parts, omitted)


def _facts(model: Path, manifest: Mapping[str, Any], golden: Golden) -> build.Facts:
    keywords = [label for label in manifest["labels"] if label not in (schema.SILENCE, schema.UNKNOWN)]
    return build.Facts(
        stem=names.stem(manifest["name"]),
        title=names.title(keywords),
        vectors=len(golden.inputs),
        vector_bytes=golden.vector_bytes,
        model_bytes=model.stat().st_size,
    )


def _attempt(part: str, folder: Path, make: Callable[[Path], Result], omitted: dict[str, str]) -> Result | None:
    """Make a part in its folder; where that cannot be done, note the reason and leave no folder."""
    place = folder / part
    place.mkdir()
    try:
        return make(place)
    except KwsError as error:
        shutil.rmtree(place)
        omitted[part] = str(error)
        return None


def _network_alone(manifest: Mapping[str, Any]) -> str:
    return (
        f"The device cannot compute features={manifest['features']['name']}, so the C program is the network alone and "
        "its self-test goes from features to scores; with features=micro it begins at the microphone."
    )


def _check(manifest: Mapping[str, Any], golden: Golden) -> None:
    frames, width = manifest["input"]["shape"][1:3]
    detector = manifest["features"]["name"] == program.FRONT_END
    shapes = {"pcm": (manifest["clip_samples"],), "features": (frames, width)} if detector else {}
    shapes |= {"inputs": (frames * width,), "outputs": (math.prod(manifest["output"]["shape"]),)}
    found = {name: stage.shape[1:] for name, stage in golden.stages()}
    if found != shapes:
        raise ValueError(f"golden vectors {found} for a model of {shapes}")
