"""The synthetic speakers: an English accent, a voice of eSpeak NG and a pitch, each with a name of its own.

A speaker's name is a hash, and the partition of its clips follows from the name
(:func:`kws_exp.data.partition.which_set`), so speakers are drawn until one falls where it is wanted: of every
ten, one validates, one tests, eight train. The surprising fact: voices made up at random (formants, widths,
breath) sounded more varied and were much worse: 72 % of 2,358 recorded clips against 84 % with eSpeak NG's own.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass

import numpy as np

from kws_exp.data import espeak
from kws_exp.data.partition import TESTING, TRAINING, VALIDATION, which_set

ACCENTS = ("en-US", "en-US", "en-US", "en-GB-x-rp", "en-029", "en-GB-scotland")  # files of lang/gmw
VARIANTS = tuple(
    "Alex Alicia Andrea Andy Annie AnxiousAndy Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Marco Mario Michael "
    "Mike Nguyen Reed RicishayMax RicishayMax2 RicishayMax3 Storm Tweaky UniRobot adam anika anikaRobot announcer "
    "antonio aunty belinda benjamin boris caleb croak david ed edward edward2 f1 f2 f3 f4 f5 fast grandma grandpa "
    "gustave ian iven iven2 iven3 iven4 john kaukovalta klatt klatt2 klatt3 klatt4 klatt5 klatt6 linda m1 m2 m3 m4 "
    "m5 m6 m7 m8 marcelo max michel miguel mike2 norbert pablo paul pedro quincy rob robert robosoft robosoft2 "
    "robosoft3 robosoft4 robosoft5 robosoft6 robosoft7 robosoft8 sandro shelby steph steph2 steph3 travis victor "
    "whisper whisperf zac".split()
)  # files of voices/!v
PARTITIONS = (VALIDATION, TESTING, *[TRAINING] * 8)  # of ten speakers in a row, at the classic's 10 % and 10 %
DEFAULT_PITCH = (82, 118)  # Hz, lowest and highest, of a voice that does not say
_LANGUAGE_LINES = frozenset(
    "phonemes dictrules stressLength stressAmp stressAdd intonation tunes replace".split()
)
_VARIANT_LINES = frozenset(
    "stressLength stressAmp stressAdd intonation pitch formant breath breathw echo consonants voicing tone klatt "
    "speed".split()
)


@dataclass(frozen=True)
class Speaker:
    """Whose voice it is."""

    accent: str
    variant: str
    pitch: float  # factor on the pitch of the variant

    @property
    def name(self) -> str:
        """Return eight hexadecimal digits, as Speech Commands names its speakers."""
        identity = f"{self.accent}+{self.variant}@{self.pitch:.6f}"
        return hashlib.sha1(identity.encode(), usedforsecurity=False).hexdigest()[:8]


@functools.cache
def speaker(seed: int, number: int, pitch_spread: float) -> Speaker:
    """Return speaker ``number`` of a seed; ``pitch_spread`` is the standard deviation of the pitch's logarithm."""
    rng = np.random.default_rng([seed, number])
    while True:
        drawn = Speaker(
            ACCENTS[rng.integers(len(ACCENTS))],
            VARIANTS[rng.integers(len(VARIANTS))],
            float(np.exp(rng.normal(0, pitch_spread))),
        )
        if which_set(drawn.name, 10, 10) == PARTITIONS[number % len(PARTITIONS)]:
            return drawn


def voice_file(of: Speaker) -> str:
    """Return the text of an eSpeak NG voice file: the accent, the variant, then what makes it repeatable."""
    variant = _lines(f"voices/!v/{of.variant}", _VARIANT_LINES)
    stated = [line.split()[1:3] for line in variant if line.startswith("pitch")]
    low, high = (int(hertz) for hertz in stated[-1]) if stated else DEFAULT_PITCH
    return "\n".join(
        [
            "language en",
            f"name {of.name}",
            *_lines(f"lang/gmw/{of.accent}", _LANGUAGE_LINES),
            *variant,
            f"pitch {low * of.pitch:.0f} {high * of.pitch:.0f}",
            "flutter 0",
            "roughness 0",
            "",
        ]
    )


@functools.cache
def _lines(file: str, wanted: frozenset[str]) -> list[str]:
    text = (espeak.data_path() / file).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.split() and line.split()[0] in wanted]
