"""What a file holds is what a clip holds: bits kept, rates and channels brought to 16 kHz mono."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws_exp.data import audio
from kws_exp.schema import CLIP_SAMPLES, SAMPLE_RATE


def tone(rate: int, seconds: float = 1.0, hertz: float = 440.0) -> np.ndarray:
    return (8000 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)).astype(np.int16)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_16_khz_mono_keeps_every_sample(tmp_path: Path, suffix: str) -> None:
    samples = np.random.default_rng(0).integers(-32768, 32767, CLIP_SAMPLES, dtype=np.int16, endpoint=True)
    soundfile.write(tmp_path / f"a.{suffix}", samples, SAMPLE_RATE)
    np.testing.assert_array_equal(audio.read(tmp_path / f"a.{suffix}"), samples)


@pytest.mark.parametrize(
    ("suffix", "subtype"),
    [("wav", kind) for kind in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")] + [("ogg", "VORBIS")],
)
def test_the_level_does_not_depend_on_the_encoding(tmp_path: Path, suffix: str, subtype: str) -> None:
    soundfile.write(tmp_path / f"a.{suffix}", tone(SAMPLE_RATE) / 32768, SAMPLE_RATE, subtype=subtype)
    np.testing.assert_allclose(audio.read(tmp_path / f"a.{suffix}"), tone(SAMPLE_RATE), atol=300)


@pytest.mark.parametrize(("suffix", "rate", "channels"), [("wav", 44_100, 2), ("ogg", 48_000, 1), ("flac", 8_000, 2)])
def test_other_rates_and_channels_become_the_same_tone(tmp_path: Path, suffix: str, rate: int, channels: int) -> None:
    soundfile.write(tmp_path / f"a.{suffix}", np.repeat(tone(rate)[:, None], channels, axis=1), rate)
    read = audio.read(tmp_path / f"a.{suffix}")
    assert read.dtype == np.int16
    assert abs(len(read) - CLIP_SAMPLES) <= 1
    middle = slice(4000, 12_000)  # away from the resampling filter's ends
    assert np.corrcoef(read[middle], tone(SAMPLE_RATE)[middle])[0, 1] > 0.99


def test_short_recording_is_padded_at_the_end() -> None:
    fitted = audio.fit(np.full(10_000, 5, np.int16))
    assert fitted.shape == (CLIP_SAMPLES,)
    assert fitted[:10_000].all()
    assert not fitted[10_000:].any()


def test_of_a_long_recording_the_loudest_second_is_kept() -> None:
    word = 5000 + tone(SAMPLE_RATE)
    long = np.concatenate([np.zeros(20_000, np.int16), word, np.ones(30_000, np.int16)])
    np.testing.assert_array_equal(audio.fit(long), word)


def _no_samples(path: Path) -> None:
    soundfile.write(path, np.zeros(0, np.int16), SAMPLE_RATE)


@pytest.mark.parametrize(
    "make",
    [lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"not audio" * 100), _no_samples],
    ids=["empty file", "not audio", "no samples"],
)
def test_unreadable_file_says_why_without_its_folder(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "a.wav")
    with pytest.raises(audio.UnreadableError) as caught:
        audio.read(tmp_path / "a.wav")
    assert str(tmp_path) not in str(caught.value)
