"""``c99/``: the whole detector where the device can compute the features, else the network alone.

The network comes from the model file, everything else from the manifest: :mod:`kws_exp.c99` writes both. The surprising
fact: nothing in the generated C is named after the run, so a firmware takes the next model without a changed line.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kws_exp import c99, schema
from kws_exp.c99 import frontend_tables, host, settings
from kws_exp.features import micro, micro_tables

FRONT_END = "micro"  # the one that the device has
DETECTOR = ("kws_frontend.c", "kws_fft.c", "kws_postprocess.c", "kws.c")  # beside the network's; all in the runtime
_GENERATED = (frontend_tables.NAME, settings.NAME)


@dataclass(frozen=True)
class Program:
    """What ``c99/`` holds: names of files."""

    sources: tuple[str, ...]
    headers: tuple[str, ...]
    detector: bool  # False: the network alone


def write(model: Path, manifest: Mapping[str, Any], folder: Path) -> Program:
    """Write the program for ``model`` into ``folder``, which exists.

    Raises:
        KwsError: The model has an operator that the C99 export does not know.
    """
    c99.write(model, folder)
    detector = manifest["features"]["name"] == FRONT_END
    if detector:
        _write_detector(manifest, folder)
    sources = (*host.NETWORK, *DETECTOR) if detector else host.NETWORK
    generated = _GENERATED if detector else ()
    return Program(sources, (*map(_header, sources), *generated), detector)


def front_end(manifest: Mapping[str, Any]) -> micro.Micro:
    """Return the settings of the device's front end."""
    return micro.Micro(**manifest["features"])


def detector_settings(manifest: Mapping[str, Any]) -> settings.Settings:
    """Return shapes, labels and rules of the detector; the manifest's ``detector`` may hold rules of its own."""
    frames, channels = manifest["input"]["shape"][1:3]
    rules = dict(manifest.get("detector") or {})
    rules["thresholds"] = tuple(rules.get("thresholds") or ())
    made = settings.Settings(
        labels=tuple(manifest["labels"]),
        sample_rate=manifest["sample_rate"],
        clip_samples=manifest["clip_samples"],
        frames=frames,
        channels=channels,
        stride_ms=manifest["features"]["stride_ms"],
        silence_label=list(manifest["labels"]).index(schema.SILENCE),
        **rules,
    )
    # with strides of half a second, the averaging window has fewer runs of the network than are asked for
    return replace(made, minimum_count=min(made.minimum_count, made.results - 1))


def _write_detector(manifest: Mapping[str, Any], folder: Path) -> None:
    made = front_end(manifest)
    frontend_tables.write(micro_tables.tables(made), folder, made.divisor, manifest["sample_rate"])
    settings.write(detector_settings(manifest), folder)
    for name in (*map(_header, DETECTOR), *DETECTOR):
        shutil.copyfile(c99.RUNTIME / name, folder / name)


def _header(source: str) -> str:
    return f"{Path(source).stem}.h"
