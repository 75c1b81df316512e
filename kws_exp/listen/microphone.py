"""A microphone of this computer as blocks of 16 kHz sound, through PortAudio (the extra ``mic``).

A device that cannot be opened at 16 kHz is opened at its own rate and brought to 16 kHz as recordings are. The
surprising fact: a microphone that is pulled out raises nothing, its sound just stops coming.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_exp.errors import KwsError, nearest
from kws_exp.schema import SAMPLE_RATE
from kws_exp.stream import recording

BLOCK_SECONDS = 0.05
MOST_BEHIND = 200  # blocks, ten seconds, that wait for the network before listening makes no sense
PATIENCE_SECONDS = 5.0  # without sound


@dataclass(frozen=True)
class Device:
    """A device that records."""

    number: int  # PortAudio's
    name: str
    channels: int
    rate: int  # Hz, its own


def devices() -> list[Device]:
    """Return all devices that record, the one that is used unless told otherwise first.

    Raises:
        KwsError: sounddevice or PortAudio is not installed, or there is no microphone.
    """
    sound = _sounddevice()
    found = [
        Device(number, str(one["name"]), int(one["max_input_channels"]), round(one["default_samplerate"]))
        for number, one in enumerate(sound.query_devices())
        if one["max_input_channels"] > 0
    ]
    if not found:
        raise KwsError("a microphone is needed, but this computer has none: plug one in, or give --file RECORDING")
    return sorted(found, key=lambda device: device.number != sound.default.device[0])


def choose(found: Sequence[Device], wanted: str | None) -> Device:
    """Return the device that is meant by its number or by a part of its name; None: the first.

    Raises:
        KwsError: None is meant, or several are.
    """
    if wanted is None:
        return found[0]
    for device in found:
        if wanted in (str(device.number), device.name):
            return device
    meant = [device for device in found if wanted.lower() in device.name.lower()]
    if len(meant) == 1:
        return meant[0]
    if meant:
        names = ", ".join(f"{device.number} ({device.name})" for device in meant)
        raise KwsError(f"--device must mean one device, but '{wanted}' means {names}: give its number")
    close = nearest(wanted, [device.name for device in found])
    raise KwsError(f"--device '{wanted}' is none of this computer's{close}: --list-devices shows their numbers")


@contextmanager
def blocks(device: Device) -> Iterator[Iterator[NDArray[np.int16]]]:
    """Give what a device records, at 16 kHz, until the block ends.

    Raises:
        KwsError: It cannot be opened; while it is read, that it fell silent or that the reader is too slow.
    """
    sound = _sounddevice()
    heard: queue.Queue[NDArray[np.int16]] = queue.Queue(MOST_BEHIND)
    behind: list[bool] = []

    def take(samples: NDArray[np.int16], count: int, time: object, status: object) -> None:
        try:
            heard.put_nowait(samples.copy())
        except queue.Full:
            behind.append(True)
            raise sound.CallbackStop from None

    rate, channels = _format(sound, device)
    try:
        opened = sound.InputStream(
            samplerate=rate,
            blocksize=round(rate * BLOCK_SECONDS),
            device=device.number,
            channels=channels,
            dtype="int16",
            callback=take,
        )
        with opened:
            yield _at_16_khz(_taken(heard, behind, device), rate)
    except sound.PortAudioError as error:
        raise _not_opened(device, error) from error


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise KwsError(
            "the microphone needs the package sounddevice, which is not installed: pip install 'kws-exp[mic]', or "
            "give --file RECORDING"
        ) from error
    except OSError as error:  # it brings PortAudio along for Windows and macOS only
        raise KwsError(
            f"the microphone needs the library PortAudio, which is not installed ({error}): apt install libportaudio2, "
            "or give --file RECORDING"
        ) from error
    return sounddevice


def _format(sound: Any, device: Device) -> tuple[int, int]:
    """Return the rate and the channels to open a device with: 16 kHz and one where it can."""
    reason: Exception | None = None
    for rate in (SAMPLE_RATE, device.rate):
        for channels in (1, device.channels):
            try:
                sound.check_input_settings(device.number, channels, "int16", samplerate=rate)
            except (sound.PortAudioError, ValueError) as error:
                reason = error
            else:
                return rate, channels
    assert reason is not None
    raise _not_opened(device, reason)


def _not_opened(device: Device, reason: Exception) -> KwsError:
    return KwsError(
        f"the microphone {device.number} ({device.name}) must give 16-bit sound at {SAMPLE_RATE} or {device.rate} Hz, "
        f"but does not ({reason}): close what else uses it, or give another --device"
    )


def _taken(
    heard: queue.Queue[NDArray[np.int16]], behind: Sequence[bool], device: Device
) -> Iterator[NDArray[np.float64]]:
    while not behind:
        try:
            yield heard.get(timeout=PATIENCE_SECONDS).mean(axis=1, dtype=np.float64)
        except queue.Empty:
            raise KwsError(
                f"the microphone {device.number} ({device.name}) must go on giving sound, but gave none for "
                f"{PATIENCE_SECONDS:g} s: plug it in again"
            ) from None
    raise KwsError(
        f"the network must keep up with the microphone, but is {MOST_BEHIND * BLOCK_SECONDS:g} s behind: stop other "
        "programs, or install a C compiler if there is none"
    )


def _at_16_khz(signal: Iterator[NDArray[np.float64]], rate: int) -> Iterator[NDArray[np.int16]]:
    for block in recording.resampled(signal, rate, BLOCK_SECONDS):
        yield np.clip(np.round(block), -32768, 32767).astype(np.int16)
