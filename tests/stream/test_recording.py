"""Blocks of a recording are the whole recording, whatever their size; what cannot be read is one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import resample_poly

from kws_exp.data import audio
from kws_exp.errors import KwsError
from kws_exp.stream import recording

SPEECH = Path(__file__).parents[2] / ".." / "shared" / "speech_commands"


def speech(seconds: float) -> NDArray[np.int16]:
    """Recorded clips, end to end."""
    paths = sorted((SPEECH / "yes").iterdir())[: int(seconds) + 1]
    return np.concatenate([audio.fit(audio.read(path)) for path in paths])[: int(seconds * 16_000)]


def whole(path: Path, seconds: float = recording.BLOCK_SECONDS) -> NDArray[np.int16]:
    return np.concatenate(list(recording.blocks(path, seconds)))


@pytest.mark.parametrize(
    ("name", "rate", "channels", "subtype"),
    [
        ("a.wav", 16_000, 1, "PCM_16"),
        ("a.wav", 16_000, 3, "PCM_16"),
        ("a.wav", 44_100, 2, "FLOAT"),
        ("a.wav", 8_000, 1, "ULAW"),
        ("a.flac", 48_000, 2, "PCM_24"),
        ("a.flac", 22_050, 1, "PCM_16"),
        ("a.ogg", 32_000, 2, "VORBIS"),
        ("a.wav", 11_027, 1, "PCM_16"),  # no factor in common with 16,000
    ],
)
def test_blocks_are_what_is_read_at_once(tmp_path: Path, name: str, rate: int, channels: int, subtype: str) -> None:
    samples = np.stack([np.roll(speech(7.3), 100 * channel) for channel in range(channels)], axis=1)
    soundfile.write(tmp_path / name, samples, rate, subtype=subtype)
    expected = audio.read(tmp_path / name)
    assert recording.inspect(tmp_path / name).samples == len(expected)
    for seconds in (0.37, 1.0, 100.0):
        found = whole(tmp_path / name, seconds)
        assert found.dtype == np.int16
        np.testing.assert_array_equal(found, expected)


@settings(max_examples=30)
@given(
    rate=st.sampled_from([8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 16_001, 12_345]),
    sizes=st.lists(st.integers(0, 4_000), min_size=1, max_size=12),
    seconds=st.floats(0.001, 0.5),
)
def test_resampling_does_not_depend_on_blocks(rate: int, sizes: list[int], seconds: float) -> None:
    signal = np.random.default_rng(len(sizes)).normal(0, 1000, sum(sizes))
    parts = np.split(signal, np.cumsum(sizes)[:-1])
    found = np.concatenate([np.zeros(0), *recording.resampled(parts, rate, seconds)])
    divisor = np.gcd(rate, 16_000)
    expected = resample_poly(signal, 16_000 // divisor, rate // divisor) if len(signal) else signal
    np.testing.assert_array_equal(found, expected)


def test_blocks_stay_small(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", np.tile(speech(5), 24), 44_100)
    sizes = [len(block) for block in recording.blocks(tmp_path / "a.flac", seconds=2.0)]
    assert max(sizes) <= 2 * 16_000 + 160
    assert len(sizes) >= 20


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_what_was_cut_off_is_told(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, speech(5), 16_000)
    path.write_bytes(path.read_bytes()[:-9_000])
    with pytest.raises(KwsError, match=r"^\S+a\.\w+ must be (whole, but was cut off \(|a recording .* \(flac decoder)"):
        whole(path)


def test_a_wav_of_unknown_length_is_read(tmp_path: Path) -> None:
    path = tmp_path / "piped.wav"
    soundfile.write(path, speech(1), 16_000)
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    np.testing.assert_array_equal(whole(path), speech(1))


def test_what_holds_no_sound_is_told(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no audio")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.int16), 16_000)
    soundfile.write(tmp_path / "nan.wav", np.full(100, np.nan, np.float32), 16_000, subtype="FLOAT")
    for name, told in {
        "text.wav": r"must be a recording in wav, flac or ogg, but cannot be read \(Format not recognised\)",
        "empty.wav": "must hold sound, but it is empty",
        "nan.wav": "some of its samples are not numbers",
        "missing.wav": r"must be a file that exists, but \S+missing.wav does not",
    }.items():
        with pytest.raises(KwsError, match=told):
            whole(tmp_path / name)
    with pytest.raises(KwsError, match="is empty"):
        recording.inspect(tmp_path / "empty.wav")


def test_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "more" / "deep").mkdir(parents=True)
    for name in ("b.wav", "a.FLAC", "deep/c.ogg", "notes.txt"):
        (tmp_path / "more" / name).touch()
    single = tmp_path / "x.mp3"
    assert [path.name for path in recording.find([single, tmp_path / "more"])] == ["x.mp3", "a.FLAC", "b.wav", "c.ogg"]
    (tmp_path / "none").mkdir()
    with pytest.raises(KwsError, match=r"must hold recordings \(.wav, .flac, .ogg\), but \S+none has none"):
        recording.find([tmp_path / "none"])
