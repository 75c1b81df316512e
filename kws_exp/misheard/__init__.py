"""Listening to a run's errors: a page that plays the misclassified test clips, and accuracy in noise.

    clips     which clips were misclassified, how confidently, and who speaks
    media     their audio and their features as small files in text
    page      ``misheard.html``, with page.css and page.js
    noise     accuracy against the signal-to-noise ratio
    chart     the figure of that
    section   what ``report.md`` says of both

The stages write ``misheard.html``, ``misheard.json`` and ``noise.json`` into the run's folder; the report is made of
these files alone. The surprising fact: in noise a spotter falls below chance, for it takes noise for silence and does
not guess: at -5 dB a tiny_conv for two words called 252 of 269 words silence, and 4 % were right where chance is 25 %.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_exp import run_folder
from kws_exp.data import Dataset
from kws_exp.features import Extract
from kws_exp.misheard import clips, media, noise, page
from kws_exp.misheard.noise import Predict
from kws_exp.run_folder import RunFolder
from kws_exp.schema import Config

__all__ = ["COUNTS", "NOISE", "PAGE", "write_noise", "write_page"]

PAGE, COUNTS, NOISE = "misheard.html", "misheard.json", "noise.json"


def write_page(
    folder: RunFolder, config: Config, dataset: Dataset, features: NDArray[np.float32], outputs: NDArray[Any]
) -> None:
    """Write ``misheard.html`` and, for the report, ``misheard.json``.

    Args:
        folder: of the run.
        config: the experiment.
        dataset: its testing partition is what was tested.
        features: (clips, frames, width) of that partition.
        outputs: (clips, labels) of the model for these: logits, or the int8 scores of the exported model.
    """
    found = clips.choose(dataset, outputs, clips.voice_names(config) if dataset.kind == "synthetic" else {})
    numbers = np.array([clip.number for clip in found.clips], np.int64)
    shown = page.Page(
        folder.record().name,
        found,
        media.flac(clips.audio(dataset, config.seed, numbers)),
        media.pictures(features[numbers], each_bin=config.features.name == "mfcc"),
    )
    run_folder.write_text(folder.path / PAGE, page.render(shown))
    run_folder.write_json(folder.path / COUNTS, found.counts())


def write_noise(folder: RunFolder, config: Config, dataset: Dataset, extract: Extract, predict: Predict) -> None:
    """Write ``noise.json``: accuracy on the testing partition against the signal-to-noise ratio.

    Args:
        folder: of the run.
        config: the experiment.
        dataset: its testing partition has the clips and the noise.
        extract: audio (batch, 16000) to features (batch, frames, width).
        predict: features to outputs (batch, labels), of which the largest is the answer.
    """
    points = noise.accuracies(dataset, extract, predict, config.seed)
    run_folder.write_json(folder.path / NOISE, [asdict(point) for point in points])
