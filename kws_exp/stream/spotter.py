"""An exported model, ready to be run: what its manifest says, and its network.

``opened(folder)`` reads ``manifest.json`` and ``model_int8.tflite`` and nothing else of an export. The surprising fact:
it refuses a model whose hash is not in the manifest, for scores by another model than the one described would be
figures of nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from kws_exp import features as front_ends
from kws_exp import run_folder
from kws_exp.cpu import cores
from kws_exp.errors import KwsError, nearest
from kws_exp.schema import Features
from kws_exp.stream import inference

MODEL = "model_int8.tflite"
_MOST_THREADS = 8


@dataclass(frozen=True)
class Spotter:
    """A network, its front end and its detector."""

    labels: tuple[str, ...]
    features: Features
    scale: float  # of the network's input
    zero_point: int
    hop: int  # frames from one run of the network to the next, on the device
    detector: Mapping[str, Any]  # fields of kws_exp.c99.settings.Settings: the rules of the device's post-processing
    infer: inference.Infer
    threads: int = 1  # that may call ``infer`` at once

    @property
    def frames(self) -> int:
        """What the network sees at once."""
        return self.features.frames

    @property
    def samples(self) -> int:
        """The samples of these frames."""
        return self.features.samples


@contextmanager
def opened(folder: Path, threads: int | None = None) -> Iterator[Spotter]:
    """Give the model of an export folder, to be run by ``threads`` threads, or by as many as this process may use.

    Raises:
        KwsError: The folder holds no whole export, or nothing here can run it.
    """
    from kws_exp.device.program import detector_settings

    manifest = _manifest(folder)
    threads = threads or min(cores(), _MOST_THREADS)
    try:
        settings, port = _features(folder, manifest["features"]), manifest["input"]
        rules = detector_settings(manifest)
        scale, zero_point = port["scale"], port["zero_point"]
    except (KeyError, TypeError, ValueError) as error:
        raise _broken(folder, error) from error
    with inference.network(folder / MODEL, settings.frames, threads) as infer:
        yield Spotter(rules.labels, settings, scale, zero_point, rules.hop, vars(rules), infer, threads)


def _manifest(folder: Path) -> Mapping[str, Any]:
    try:
        manifest: Mapping[str, Any] = run_folder.read_json(folder / "manifest.json")
        described = manifest["files"][MODEL]["sha256"]
        found = sha256((folder / MODEL).read_bytes()).hexdigest()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _broken(folder, error) from error
    if found != described:
        raise KwsError(f"{folder / MODEL} must be the model that manifest.json describes, but is not: export again")
    return manifest


def _features(folder: Path, described: Mapping[str, Any]) -> Features:
    front_end = front_ends.FRONT_ENDS.get(described["name"])
    if front_end is None:
        meant = nearest(described["name"], front_ends.FRONT_ENDS)
        raise KwsError(
            f"the front end of a model must be one of {', '.join(front_ends.FRONT_ENDS)}, but that of {folder} is "
            f"'{described['name']}'{meant}: run it with the kws_exp that exported it"
        )
    return front_end.settings(**described)


def _broken(folder: Path, error: Exception) -> KwsError:
    return KwsError(f"{folder} must hold manifest.json and {MODEL}, but they cannot be read ({error}): export again")
