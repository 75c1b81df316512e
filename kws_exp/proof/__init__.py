"""The proof, part of every run: what was trained, what was exported and what a device runs give the same.

:func:`prove` takes the test partition through

    forms      Keras, TensorFlow Lite in float and int8, and TensorFlow Lite Micro, whose figure is the one of record
    device     the generated C, from samples to scores, compiled here; the same on emulated Cortex-M cores

and completes the export by what needs them: golden vectors, the sources around them, the manifest's accuracy and
arena. ``python -m kws_exp.verify`` repeats it on an exported folder alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_exp import device, run_folder, schema
from kws_exp.device import profiles
from kws_exp.device.golden import Golden
from kws_exp.device.program import FRONT_END, front_end
from kws_exp.export import manifest
from kws_exp.export.quantize import quantize
from kws_exp.features import micro
from kws_exp.proof import forms, generated, vela
from kws_exp.proof.forms import Forms
from kws_exp.proof.generated import Device, Expected
from kws_exp.proof.vela import EthosU

__all__ = ["Device", "Forms", "Partition", "Proof", "prove"]

GOLDEN = 16  # vectors


@dataclass(frozen=True)
class Partition:
    """The test partition, and what the Keras model made of it."""

    features: NDArray[np.float32]  # (clips, frames, width)
    labels: NDArray[np.int64]  # (clips,)
    scores: NDArray[np.float32]  # (clips, classes), scores or logits
    audio: Callable[[], Iterable[NDArray[np.float32]]]  # the clips again, (some clips, samples) at a time


@dataclass(frozen=True)
class Proof:
    """What ``proof.json`` holds."""

    forms: Forms
    device: Device
    profile: str
    unfit: tuple[str, ...]  # why the model could not load on a device of the profile
    ethos_u: tuple[EthosU, ...]
    omitted: Mapping[str, str]  # parts of the export that could not be written, and why


def prove(folder: Path, config: schema.Config, tested: Partition) -> tuple[Proof, NDArray[np.int8] | None]:
    """Compare everything, write ``proof.json``, and complete the export.

    Args:
        folder: What :func:`kws_exp.export.export` wrote.
        config: The experiment.
        tested: The test partition.

    Returns:
        The proof, and the outputs (clips, classes) of TensorFlow Lite Micro if it ran.
    """
    if not len(tested.features) == len(tested.labels) == len(tested.scores) > 0:
        raise ValueError(f"{len(tested.features)} features, {len(tested.labels)} labels, {len(tested.scores)} scores")
    described = run_folder.read_json(folder / manifest.NAME)
    inputs = quantize(tested.features, described["input"]["scale"], described["input"]["zero_point"])
    with ThreadPoolExecutor(1) as beside:  # what follows has stretches in which it keeps one core busy
        estimating = beside.submit(vela.estimate, folder / "model_int8.tflite", config.export.ethos_u)
        compared, outputs = forms.compare(folder, tested.features, inputs, tested.labels, tested.scores)
        described = manifest.add_proof(folder, compared.accuracy, compared.arena)
        proved = Device("none", "not run: there is no interpreter to compare with", emulation="not run: likewise")
        omitted: Mapping[str, str] = {"device": proved.host}
        if outputs is not None:
            flat = inputs.reshape(len(inputs), -1)
            omitted = device.write(folder, described, golden(described, tested, flat, outputs)).omitted
            expected = Expected((micro.samples(audio) for audio in tested.audio()), flat, outputs)
            proved = generated.compare(
                folder, described, expected, config.export.emulated_cores, config.export.emulated_clips
            )
        unfit = tuple(profiles.check(described, profiles.PROFILES[config.export.profile]))
    ethos_u = estimating.result()
    proof = Proof(compared, proved, config.export.profile, unfit, ethos_u, omitted)
    run_folder.write_json(folder / "proof.json", asdict(proof))
    manifest.add_device(folder, {**asdict(proved), "omitted": dict(omitted)})
    return proof, outputs


def golden(
    described: Mapping[str, Any], tested: Partition, inputs: NDArray[np.int8], outputs: NDArray[np.int8]
) -> Golden:
    """Choose clips from all labels, and give what each stage makes of them."""
    by_label = np.argsort(tested.labels, kind="stable")
    count = min(GOLDEN, len(by_label))
    chosen = np.sort(by_label[np.linspace(0, len(by_label) - 1, count).round().astype(int)])
    if described["features"]["name"] != FRONT_END:
        return Golden(None, None, inputs[chosen], outputs[chosen])
    pcm = _pick(map(micro.samples, tested.audio()), chosen)
    return Golden(pcm, micro.pcm_features(front_end(described))(pcm), inputs[chosen], outputs[chosen])


def _pick(chunks: Iterable[NDArray[np.int16]], chosen: NDArray[np.intp]) -> NDArray[np.int16]:
    """Return the chosen clips, which are in order, of many that come chunk by chunk."""
    found, start = [], 0
    for chunk in chunks:
        here = chosen[(chosen >= start) & (chosen < start + len(chunk))]
        found.append(chunk[here - start])
        start += len(chunk)
    return np.concatenate(found)
