"""Microphones of browsers: sound that arrives in numbered pieces, one request each, as a stream of blocks at 16 kHz.

Two requests belong together: one opens the session and reads what is heard, others bring the sound. Everything is
bounded: sessions, pieces that wait, bytes of a piece, seconds of silence from the browser. The surprising fact: a
piece that was lost cannot be left out, since all times after it would be wrong; a gap ends the session.
"""

from __future__ import annotations

import queue
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kws_exp.errors import KwsError
from kws_exp.stream import recording

MOST = 8  # sessions at once, files included
PIECE_BYTES = 1 << 18  # 1.4 s at 96 kHz; the page sends a second at most
WAITING = 16  # pieces
PATIENCE_SECONDS = 5.0
RATES = (8_000, 192_000)  # Hz
BLOCK_SECONDS = 0.05  # that are resampled at once


@dataclass
class Session:
    """One microphone."""

    rate: int
    key: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    _pieces: queue.Queue[bytes] = field(default_factory=lambda: queue.Queue(WAITING))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _next: int = 0

    def put(self, number: int, piece: bytes) -> None:
        """Take the next piece, 16-bit samples, little-endian; an empty one is the last.

        Raises:
            KwsError: It is not the next one, half a sample, or the network does not keep up.
        """
        with self._lock:
            if number != self._next or len(piece) % 2:
                raise KwsError(f"pieces of 16-bit sound must come in order, but {number} is not {self._next}: reload")
            try:
                self._pieces.put(piece, timeout=PATIENCE_SECONDS)
            except queue.Full:
                raise KwsError("the network does not keep up with the microphone: stop other programs") from None
            self._next += 1

    def blocks(self) -> Iterator[NDArray[np.int16]]:
        """Yield what arrives, at 16 kHz, until the last piece.

        Raises:
            KwsError: Nothing arrives for a while.
        """
        for block in recording.resampled(self._arriving(), self.rate, BLOCK_SECONDS):
            yield np.clip(np.round(block), -32768, 32767).astype(np.int16)

    def _arriving(self) -> Iterator[NDArray[np.float64]]:
        while True:
            try:
                piece = self._pieces.get(timeout=PATIENCE_SECONDS)
            except queue.Empty:
                raise KwsError(f"no sound came from the browser for {PATIENCE_SECONDS:g} s: listen again") from None
            if not piece:
                return
            yield np.frombuffer(piece, "<i2").astype(np.float64)


class Sessions:
    """All that listens at the moment."""

    def __init__(self) -> None:
        self._places = threading.BoundedSemaphore(MOST)
        self._open: dict[str, Session] = {}

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take one of the places as long as the block lasts.

        Raises:
            KwsError: All are taken.
        """
        if not self._places.acquire(blocking=False):
            raise KwsError(f"at most {MOST} pages or files can be heard at once, but all places are taken: close one")
        try:
            yield
        finally:
            self._places.release()

    @contextmanager
    def opened(self, rate: int) -> Iterator[Session]:
        """Give a session for a microphone of this rate, in Hz.

        Raises:
            KwsError: All places are taken, or no microphone has this rate.
        """
        low, high = RATES
        if not low <= rate <= high:
            raise KwsError(f"a microphone's rate must be from {low} to {high} Hz, but is {rate}: give 48000")
        with self.place():
            session = Session(rate)
            self._open[session.key] = session
            try:
                yield session
            finally:
                del self._open[session.key]

    def find(self, key: str) -> Session:
        """Return an open session.

        Raises:
            KwsError: There is none with this key.
        """
        try:
            return self._open[key]
        except KeyError:
            raise KwsError("this session has ended: listen again") from None
