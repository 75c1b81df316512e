"""The decoded-audio cache: every clip of a folder decoded once, then mapped into memory by every later run.

    CACHE/audio/KEY/index.json            names, sizes, times, digests, and what could not be read
    CACHE/audio/KEY/clips-FINGERPRINT.i16 int16 (clips, 16000)
    CACHE/audio/KEY/noise-FINGERPRINT.i16 int16 (samples,), all noise recordings end to end

The fingerprint covers the name, size and time of every file, so a changed, added or removed file is noticed; rows
of unchanged files are copied, not decoded again. A lock makes the second of two runs wait for the first.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from kws_exp.cpu import cores
from kws_exp.data import audio
from kws_exp.errors import KwsError
from kws_exp.run_folder import read_json, write_json
from kws_exp.schema import CLIP_SAMPLES

FORMAT = 2  # part of the fingerprint: raise it when what is stored changes
NOISE_FOLDER = "_background_noise_"
TASK = 64  # files of a task: 2 MB decoded
Progress = Callable[[int, int], None]
Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class AudioFile:
    """A file as the folder lists it."""

    path: str  # relative, with forward slashes: WORD/NAME
    size: int
    mtime_ns: int

    @property
    def word(self) -> str:
        """The folder it lies in."""
        return self.path.partition("/")[0]


@dataclass(frozen=True)
class AudioCache:
    """A folder's audio, decoded."""

    paths: tuple[str, ...]  # of each row of clips
    digests: tuple[str, ...]  # of the samples of each row
    clips: NDArray[np.int16]  # (clips, 16000), mapped
    noise: NDArray[np.int16]  # (samples,), mapped
    noise_ends: tuple[int, ...]  # where each noise recording ends in ``noise``
    skipped: dict[str, str]  # path -> why it could not be read


def words_in(folder: Path) -> list[str]:
    """Return the names of the sub-folders that can be words, sorted."""
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and entry.name[0] not in "_.")


def scan(folder: Path) -> list[AudioFile]:
    """List the audio files of all words and of the noise folder, sorted by path."""
    return sorted(_walk(folder), key=lambda file: file.path)


def open_cache(folder: Path, cache_dir: Path, progress: Progress = lambda done, total: None) -> AudioCache:
    """Return the decoded audio of ``folder``; decode what is not cached yet.

    Raises:
        KwsError: the cache cannot be written.
    """
    from filelock import FileLock

    key = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    place = cache_dir / "audio" / key
    try:
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place.with_suffix(".lock")):
            files = scan(folder)
            fingerprint = _fingerprint(files)
            index = _read_index(place)
            if index is None or index["fingerprint"] != fingerprint:
                index = _build(folder, place, files, fingerprint, index, progress)
            return _map(place, index)
    except OSError as error:
        raise KwsError(
            f"decoded audio must be kept in a folder with room for it, but {cache_dir} fails ({error.strerror}): free "
            "some space, or give data.cache_dir=FOLDER"
        ) from error


def _walk(folder: Path) -> Iterator[AudioFile]:
    for word in [*words_in(folder), NOISE_FOLDER]:
        if (folder / word).is_dir():
            for entry in os.scandir(folder / word):
                if entry.name.lower().endswith(audio.SUFFIXES) and not entry.name.startswith("."):
                    yield _listed(word, entry)


def _listed(word: str, entry: os.DirEntry[str]) -> AudioFile:
    """Describe a file; one that is not there (a dangling link), or whose name is not text, will not be readable."""
    try:
        entry.name.encode()
        status = entry.stat()
    except (OSError, UnicodeEncodeError):
        return AudioFile(f"{word}/{entry.name.encode(errors='replace').decode()}", -1, 0)
    return AudioFile(f"{word}/{entry.name}", status.st_size, status.st_mtime_ns)


def _fingerprint(files: Sequence[AudioFile]) -> str:
    listing = "\n".join(f"{file.path}\t{file.size}\t{file.mtime_ns}" for file in files)
    return hashlib.sha256(f"{FORMAT}\n{listing}".encode()).hexdigest()[:16]


def _read_index(place: Path) -> dict[str, Any] | None:
    try:
        index: dict[str, Any] = read_json(place / "index.json")
        complete = all(_array(place, kind, index["fingerprint"]).exists() for kind in ("clips", "noise"))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return index if complete else None


def _array(place: Path, kind: str, fingerprint: str) -> Path:
    return place / f"{kind}-{fingerprint}.i16"


def _map(place: Path, index: dict[str, Any]) -> AudioCache:
    def mapped(kind: str, *shape: int) -> NDArray[np.int16]:
        if not shape[0]:
            return np.zeros(shape, np.int16)  # an empty file cannot be mapped
        return np.memmap(_array(place, kind, index["fingerprint"]), np.int16, "r", shape=shape)

    ends = index["noise_ends"]
    return AudioCache(
        tuple(clip["path"] for clip in index["clips"]),
        tuple(clip["digest"] for clip in index["clips"]),
        mapped("clips", len(index["clips"]), CLIP_SAMPLES),
        mapped("noise", ends[-1] if ends else 0),
        tuple(ends),
        index["skipped"],
    )


def _build(
    folder: Path,
    place: Path,
    files: Sequence[AudioFile],
    fingerprint: str,
    old: dict[str, Any] | None,
    progress: Progress,
) -> dict[str, Any]:
    speech = [file for file in files if file.word != NOISE_FOLDER]
    noise = [file for file in files if file.word == NOISE_FOLDER]
    skipped: dict[str, str] = {}
    clips = _write_clips(folder, place, speech, fingerprint, old, skipped, progress)
    noise_ends = _write_noise(folder, place, noise, fingerprint, skipped)
    index = {"fingerprint": fingerprint, "clips": clips, "noise_ends": noise_ends, "skipped": skipped}
    write_json(place / "index.json", index)
    for stale in (*place.glob("*.i16"), *place.glob(".*.i16")):
        if fingerprint not in stale.name:
            with contextlib.suppress(OSError):  # on Windows another run may have it mapped; the next build removes it
                stale.unlink()
    return index


def _write_clips(
    folder: Path,
    place: Path,
    files: Sequence[AudioFile],
    fingerprint: str,
    old: dict[str, Any] | None,
    skipped: dict[str, str],
    progress: Progress,
) -> list[dict[str, Any]]:
    known = _known_rows(old)
    rows = _map(place, old).clips if old else None

    def load(file: AudioFile) -> tuple[NDArray[np.int16], str] | str:
        row = known.get((file.path, file.size, file.mtime_ns))
        try:
            samples = audio.fit(audio.read(folder / file.path)) if rows is None or row is None else rows[row]
        except audio.UnreadableError as error:
            return str(error)
        return samples, hashlib.blake2b(samples.data, digest_size=8).hexdigest()

    clips: list[dict[str, Any]] = []
    aside = place / f".clips-{os.getpid()}.i16"
    # libsndfile decodes without the interpreter's lock; written in order, since a full disk kills whoever writes to
    # a mapped file, but is an error for who writes to an open one
    with aside.open("wb") as output:
        for done, (file, loaded) in enumerate(zip(files, _in_order(load, files), strict=True), start=1):
            if isinstance(loaded, str):
                skipped[file.path] = loaded
            else:
                samples, digest = loaded
                output.write(samples.data)
                clips.append({"path": file.path, "size": file.size, "mtime_ns": file.mtime_ns, "digest": digest})
            progress(done, len(files))
    os.replace(aside, _array(place, "clips", fingerprint))
    return clips


def _in_order(function: Callable[[AudioFile], Loaded], files: Sequence[AudioFile]) -> Iterator[Loaded]:
    """Yield the function of each file, computed on all cores; few are held, however slow the disk that takes them."""
    waiting: deque[Future[list[Loaded]]] = deque()
    with ThreadPoolExecutor(cores()) as pool:
        for start in range(0, len(files), TASK):
            waiting.append(pool.submit(lambda part: [function(file) for file in part], files[start : start + TASK]))
            if len(waiting) > 2 * cores():
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _known_rows(old: dict[str, Any] | None) -> dict[tuple[str, int, int], int]:
    clips = old["clips"] if old else []
    return {(clip["path"], clip["size"], clip["mtime_ns"]): row for row, clip in enumerate(clips)}


def _write_noise(
    folder: Path, place: Path, files: Sequence[AudioFile], fingerprint: str, skipped: dict[str, str]
) -> list[int]:
    recordings = []
    for file in files:
        try:
            recordings.append(audio.read(folder / file.path))
        except audio.UnreadableError as error:
            skipped[file.path] = str(error)
    aside = place / f".noise-{os.getpid()}.i16"
    aside.write_bytes(b"".join(recording.tobytes() for recording in recordings))
    os.replace(aside, _array(place, "noise", fingerprint))
    return [int(end) for end in np.cumsum([len(recording) for recording in recordings])]
