"""Microphones through a stand-in for sounddevice: a test has no microphone, nor need it have PortAudio."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import resample_poly

from kws_exp.errors import KwsError
from kws_exp.listen import __main__ as listen
from kws_exp.listen import microphone
from kws_exp.listen.microphone import Device

SPEAKER = {"name": "Speaker", "max_input_channels": 0, "default_samplerate": 48_000.0}
BUILT_IN = {"name": "Built-in Microphone", "max_input_channels": 2, "default_samplerate": 44_100.0}
HEADSET = {"name": "USB Headset", "max_input_channels": 1, "default_samplerate": 48_000.0}


class PortAudioError(Exception):
    pass


class CallbackStop(Exception):
    pass


class Stream:
    """Calls back with all of its sound when it is opened."""

    sound: NDArray[np.int16] = np.zeros((0, 1), np.int16)

    def __init__(self, samplerate: int, blocksize: int, device: int, channels: int, dtype: str, callback: Any) -> None:
        self._blocks = [self.sound[at : at + blocksize] for at in range(0, len(self.sound), blocksize)]
        self._callback = callback

    def __enter__(self) -> Stream:
        for block in self._blocks:
            try:
                self._callback(block, len(block), None, None)
            except CallbackStop:
                break
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stand in for sounddevice; ``formats`` are those that any device can be opened with."""
    made = SimpleNamespace(
        devices=[SPEAKER, BUILT_IN, HEADSET],
        default=SimpleNamespace(device=[2, 0]),
        formats={(16_000, 1)},
        PortAudioError=PortAudioError,
        CallbackStop=CallbackStop,
    )

    def check(device: int, channels: int, dtype: str, samplerate: float) -> None:
        if (samplerate, channels) not in made.formats:
            raise PortAudioError("Invalid sample rate")

    made.query_devices = lambda: made.devices
    made.check_input_settings = check
    made.InputStream = type("InputStream", (Stream,), {})
    monkeypatch.setitem(sys.modules, "sounddevice", made)
    return made


def tone(rate: int, channels: int, seconds: float = 1.0) -> NDArray[np.int16]:
    wave = 8000 * np.sin(np.arange(round(rate * seconds)) * 2 * np.pi * 440 / rate)
    return np.repeat(wave[:, None], channels, axis=1).astype(np.int16)


def take(device: Device, samples: int) -> NDArray[np.int16]:
    found: list[NDArray[np.int16]] = []
    with microphone.blocks(device) as blocks:
        while sum(map(len, found)) < samples:
            found.append(next(blocks))
    return np.concatenate(found)


def test_the_default_microphone_comes_first_and_others_by_number_or_name(sound: SimpleNamespace) -> None:
    found = microphone.devices()
    assert [device.name for device in found] == ["USB Headset", "Built-in Microphone"]
    assert microphone.choose(found, None) == microphone.choose(found, "2") == microphone.choose(found, "usb")
    assert microphone.choose(found, "Built-in Microphone") == Device(1, "Built-in Microphone", 2, 44_100)
    with pytest.raises(KwsError, match=r"'usb headst' is none .* \(did you mean 'USB Headset'\?\): --list-devices"):
        microphone.choose(found, "usb headst")
    with pytest.raises(KwsError, match=r"'e' means 2 \(USB Headset\), 1 \(Built-in Microphone\): give its number"):
        microphone.choose(found, "e")


def test_a_device_at_16_khz_gives_its_samples(sound: SimpleNamespace) -> None:
    sound.InputStream.sound = tone(16_000, 1)
    np.testing.assert_array_equal(take(microphone.devices()[0], 16_000), tone(16_000, 1)[:, 0])


@pytest.mark.parametrize("channels", [1, 2])
def test_a_device_at_its_own_rate_is_resampled(sound: SimpleNamespace, channels: int) -> None:
    sound.formats = {(44_100, channels)}
    sound.InputStream.sound = tone(44_100, channels, 2.0)
    found = take(microphone.choose(microphone.devices(), "1"), 16_000)
    expected = np.round(resample_poly(tone(44_100, 1, 2.0)[:, 0].astype(float), 160, 441))
    np.testing.assert_array_equal(found[:16_000], expected[:16_000])


def test_a_device_that_gives_neither(sound: SimpleNamespace) -> None:
    sound.formats = set()
    with pytest.raises(KwsError, match=r"at 16000 or 48000 Hz, but does not \(Invalid sample rate\)"):
        take(microphone.devices()[0], 1)


def test_a_device_that_falls_silent(sound: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone, "PATIENCE_SECONDS", 0.05)
    sound.InputStream.sound = tone(16_000, 1)
    with pytest.raises(KwsError, match=r"2 \(USB Headset\) must go on giving sound, but gave none for 0.05 s"):
        take(microphone.devices()[0], 17_000)


def test_a_network_that_does_not_keep_up(sound: SimpleNamespace) -> None:
    sound.InputStream.sound = tone(16_000, 1, 11.0)
    with pytest.raises(KwsError, match="must keep up with the microphone, but is 10 s behind"):
        take(microphone.devices()[0], 1)


def test_no_microphone_no_package_and_no_library(
    sound: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert listen.main(["--list-devices"]) == 0
    assert capsys.readouterr().out == "  2  USB Headset, 48000 Hz\n  1  Built-in Microphone, 44100 Hz\n"
    sound.devices = [SPEAKER]
    assert listen.main(["--list-devices"]) == 2
    assert "a microphone is needed, but this computer has none" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert listen.main(["--list-devices"]) == 2
    assert "not installed: pip install 'kws-exp[mic]'" in capsys.readouterr().err
