"""The generated C program over recordings: the same events, at the same milliseconds, as :mod:`kws_exp.stream.detect`.

From samples to detections, all of it is the C of the export's ``c99``. The surprising fact: what is compiled is not
the folder's C but the same made anew from its model and manifest, and compared with it byte for byte, so that no
program is run that came with a folder.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np

from kws_exp import run_folder
from kws_exp.c99 import host
from kws_exp.device import program
from kws_exp.errors import KwsError
from kws_exp.proof.finding import DIFFERENT, EQUAL, Finding
from kws_exp.schema import SAMPLE_RATE
from kws_exp.stream import recording
from kws_exp.stream.events import Detection
from kws_exp.stream.scores import Progress, silent

DRIVER = Path(__file__).with_name("kws_stream.c")
WHAT = "the C program's detections"


def compare(folder: Path, heard: Sequence[tuple[Path, Sequence[Detection]]], progress: Progress = silent) -> Finding:
    """Run the program of an export over recordings.

    Args:
        folder: The export.
        heard: Each recording, with what :func:`kws_exp.stream.detect.detect` makes of it at the manifest's settings.
        progress: Told how far it is.

    Raises:
        KwsError: A recording cannot be read.
    """
    manifest = run_folder.read_json(folder / "manifest.json")
    if host.compiler() is None:
        return Finding(WHAT, "not run: no C compiler was found")
    if manifest["features"]["name"] != program.FRONT_END:
        return Finding(WHAT, f"not run: the device cannot compute features={manifest['features']['name']}")
    with tempfile.TemporaryDirectory() as scratch:
        made = program.write(folder / "model_int8.tflite", manifest, Path(scratch))
        for name in (*made.sources, *made.headers):
            there = folder / "c99" / name
            if not there.is_file() or there.read_bytes() != Path(scratch, name).read_bytes():
                return Finding(WHAT, f"not run: c99/{name} is not what this kws_exp makes of model and manifest")
        binary = host.compile(Path(scratch), [*made.sources, DRIVER], Path(scratch, "stream"), host.fast())
        for path, detections in heard:
            fired = run(binary, path, manifest["labels"], progress)
            different = _first_difference(fired, detections)
            if different:
                return Finding(WHAT, DIFFERENT, f"{path.name}: {different}")
    count = sum(len(detections) for _, detections in heard)
    return Finding(WHAT, EQUAL, f"{count:,} events, silence and unknown included, at the same milliseconds")


def run(binary: Path, path: Path, labels: Sequence[str], progress: Progress = silent) -> list[Detection]:
    """Return what a compiled program fires along a recording.

    Raises:
        KwsError: The recording cannot be read, or the program fails.
    """
    total, done = round(recording.inspect(path).seconds), 0
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=output)
        assert process.stdin
        with process, process.stdin as samples:
            for block in recording.blocks(path):
                samples.write(block.astype(np.int16).tobytes())
                done += len(block)
                progress(f"seconds of {path.name}, in C", done // SAMPLE_RATE, total)
        if process.returncode:
            raise KwsError(f"the C program ended with status {process.returncode} on {path}: please report it")
        output.seek(0)
        rows = (map(int, line.split()) for line in output)
        return [Detection(labels[label], time / 1000, score) for time, label, score in rows]


def _first_difference(fired: Sequence[Detection], expected: Sequence[Detection]) -> str | None:
    for ours, theirs in zip_longest(fired, expected):
        if ours != theirs:
            return f"the C program fires {_told(ours)}, not {_told(theirs)}"
    return None


def _told(detection: Detection | None) -> str:
    return f"{detection.word} at {detection.seconds:.3f} s ({detection.score})" if detection else "nothing more"
