"""The eSpeak NG shared library of the pip package ``espeakng_loader``, through ctypes: text in, samples out.

Constants and signatures are those of eSpeak NG's ``speak_lib.h`` (API revision 12). The surprising fact: in eSpeak
NG an utterance depends on those before it, even across ``espeak_Terminate``. Here it does not, because

- ``STEADY`` ends the voice file: flutter, and the roughness that also makes trills, go on where the last utterance
  left them (``Flutter_ix`` and ``cycle_count`` in ``wavegen.c``);
- a vowel is spoken first: a word that ends in a voiced plosive or fricative leaves ``wave_flag`` set (``DoSpect2``
  in ``synthesize.c``), and then a ``klatt`` voice joins the first sounds of the next word in another way;
- the intonation is reset: a voice that states none keeps the last one (``option_tone_flags``);
- the voice is loaded anew, which empties the filters of breath, and the noise gets its seed;
- no voice is so loud that the automatic gain comes in, and none is a ``klatt`` voice with breath.
"""

from __future__ import annotations

import ctypes
import functools
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_exp.errors import KwsError

SAMPLE_RATE = 22_050  # Hz, of eSpeak NG's own voices
RATE, VOLUME, PITCH, RANGE, INTONATION = 1, 2, 3, 4, 9  # espeak_PARAMETER
QUIET = 40  # of 100, the usual volume, at which loud voices reach full scale
SLOWEST, FASTEST = 80, 450  # words a minute, the bounds of RATE
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000  # espeakINITIALIZE_DONT_EXIT: without its data it would end the process
_CHARS_UTF8 = 1
_LONGEST_PATH = 150  # bytes, of the data; the library keeps it in an array of 160
LONGEST_VOICE_PATH = 59  # bytes, of a voice file; an array of 60
STEADY = "flutter 0\nroughness 8\n"  # from 8 on nothing is modulated; 0 still modulates the trilled r of Scotland
_VOWEL = "[[@-]]"  # the shortest: 0.1 ms to make, a word 0.6 ms
_PHONEMES = 0x100  # espeakPHONEMES: text in [[ ]] is phonemes

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
_received: list[bytes] = []


def _receive(samples: Any, count: int, _events: int | None) -> int:
    if samples and count > 0:
        _received.append(ctypes.string_at(samples, 2 * count))
    return 0  # go on


_callback = _Callback(_receive)  # lives as long as the library may call it


def data_path() -> Path:
    """Return the folder of languages, voices and dictionaries."""
    import espeakng_loader

    return Path(espeakng_loader.get_data_path())


@functools.cache
def _library() -> ctypes.CDLL:
    import espeakng_loader

    folder = os.fsencode(data_path())
    if len(folder) > _LONGEST_PATH:
        raise KwsError(
            f"eSpeak NG opens paths of at most {_LONGEST_PATH} bytes, but its data is in '{data_path()}': "
            "install kws-exp in a virtual environment with a shorter path"
        )
    library = ctypes.CDLL(str(espeakng_loader.get_library_path()))
    library.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
    library.espeak_Synth.argtypes = [
        *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int),
        *(ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p),
    ]
    rate = library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, folder, _DONT_EXIT)
    if rate != SAMPLE_RATE:
        raise RuntimeError(f"espeak_Initialize returned {rate} instead of a sample rate of {SAMPLE_RATE}")
    library.espeak_SetSynthCallback(_callback)
    return library


def speak(voice: Path, text: str, rate: int, pitch: int, pitch_range: int, seed: int) -> NDArray[np.float32]:
    """Say ``text``; return samples in [-1, 1] at 22,050 Hz, shape (samples,), whatever was said before.

    Args:
        voice: a voice file (format: eSpeak NG's ``docs/voices.md``) that ends in ``STEADY``.
        text: plain text.
        rate: words a minute, 80 to 450; 175 is normal.
        pitch: 0 to 99; 50 is the voice's own.
        pitch_range: 0 (monotone) to 99; 50 is the voice's own.
        seed: of the noise in breathy voices, positive.
    """
    library = _library()
    _synthesize(library, _VOWEL, _CHARS_UTF8 | _PHONEMES)
    library.espeak_SetParameter(INTONATION, 0, 0)  # before the voice is loaded, which may set it
    status = library.espeak_SetVoiceByFile(os.fsencode(voice))
    if status != 0:
        raise RuntimeError(f"espeak_SetVoiceByFile('{voice}') returned {status}")
    for parameter, value in ((RATE, rate), (VOLUME, QUIET), (PITCH, pitch), (RANGE, pitch_range)):
        library.espeak_SetParameter(parameter, value, 0)
    library.espeak_ng_SetRandSeed(seed)
    samples = np.frombuffer(_synthesize(library, text, _CHARS_UTF8), np.int16)
    return np.asarray(samples / 32768, np.float32)


def _synthesize(library: ctypes.CDLL, text: str, flags: int) -> bytes:
    _received.clear()
    encoded = text.encode()
    status = library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, flags, None, None)
    if status != 0:
        raise RuntimeError(f"espeak_Synth('{text}') returned {status}")
    return b"".join(_received)
