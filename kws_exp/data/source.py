"""Where the speech is: which folder a configuration means, which words it holds, and making or fetching it.

``data=auto`` takes recorded speech if it is on disk and synthetic speech otherwise; it never downloads.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from kws_exp.data.cache import words_in
from kws_exp.errors import KwsError
from kws_exp.schema import Data

RECORDED, SYNTHETIC = "speech_commands", "synthetic"
# of v0.02, for the check before the download
SPEECH_COMMANDS_WORDS = (
    "backward", "bed", "bird", "cat", "dog", "down", "eight", "five", "follow", "forward", "four", "go", "happy",
    "house", "learn", "left", "marvin", "nine", "no", "off", "on", "one", "right", "seven", "sheila", "six",
    "stop", "three", "tree", "two", "up", "visual", "wow", "yes", "zero",
)  # fmt: skip


@dataclass(frozen=True)
class Source:
    """What a configuration's data settings mean on this machine."""

    kind: str  # RECORDED or SYNTHETIC
    folder: Path | None  # None: synthetic, made on demand
    words: tuple[str, ...] | None  # that it holds; None: any word can be made
    present: bool  # False: to be downloaded

    def describe(self) -> str:
        """Return one line that says what this is and how to get the other kind."""
        if self.kind == SYNTHETIC:
            return (
                "data: synthetic speech by eSpeak NG; for recorded speech give data.dir=FOLDER of WORD/*.wav, or "
                "data=speech_commands to download Speech Commands v0.02 (2.4 GB)"
            )
        return f"data: recorded speech in {self.folder}; for synthetic speech give data=synthetic"


def cache_dir(settings: Data) -> Path:
    """Return the folder for downloads, synthetic speech and decoded audio."""
    return Path(
        settings.cache_dir or os.environ.get("KWS_EXP_CACHE") or Path.home() / ".cache" / "kws_exp"
    ).expanduser()


def find(settings: Data) -> Source:
    """Decide between recorded and synthetic speech; read folder names only.

    Raises:
        KwsError: ``data.dir`` is given but is not a folder of word folders.
    """
    synthetic_source = Source(SYNTHETIC, None, None, True)
    if settings.name == SYNTHETIC:
        return synthetic_source
    folder = Path(settings.dir).expanduser() if settings.dir else _download_folder(settings)
    words = words_in(folder)
    if words:
        return Source(RECORDED, folder, tuple(words), True)
    if settings.name == RECORDED and (settings.dir is None or not folder.exists()):
        known = SPEECH_COMMANDS_WORDS if settings.url == Data().url else None  # of another archive nothing is known yet
        return Source(RECORDED, folder, known, False)
    if settings.dir is None:
        return synthetic_source
    raise KwsError(
        f"data.dir must be a folder of WORD/*.wav|flac|ogg, but '{settings.dir}' "
        f"{'holds no word folder' if folder.exists() else 'does not exist'}: give the right folder, or data=synthetic"
    )


def fetch(folder: Path, settings: Data, progress: Callable[[int, int], None]) -> None:
    """Download recorded speech into ``folder``."""
    from kws_exp.data import download

    download.fetch(settings.url, download.expected_sha256(settings.url, settings.sha256), folder, progress)


def check_speakable(words: Sequence[str]) -> None:
    """Raise KwsError for a word that synthetic speech cannot say; milliseconds a word."""
    from kws_exp.data import speech

    for word in words:
        speech.check_speakable(word)


def synthesize(
    words: Sequence[str], others: Sequence[str], settings: Data, seed: int, progress: Callable[[int, int], None]
) -> Path:
    """Make what is missing of ``words``, ``others`` and background noise; return the folder of word folders."""
    from kws_exp.data import synthetic

    recipe = settings.synthetic
    if settings.synthetic_per_word > recipe.clips_per_word:
        recipe = replace(recipe, clips_per_word=settings.synthetic_per_word)
    # how many clips there are does not change the clips, so one folder serves all counts
    identity = asdict(replace(recipe, clips_per_word=0, other_clips_per_word=0)) | {
        "seed": seed,
        "version": synthetic.VERSION,
    }
    name = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    folder = cache_dir(settings) / "synthetic" / name
    synthetic.synthesize(words, folder, recipe, seed, progress, others)
    synthetic.write_noise(folder, seed)
    return folder


def _download_folder(settings: Data) -> Path:
    return cache_dir(settings) / Path(settings.url).name.removesuffix(".tar.gz")
