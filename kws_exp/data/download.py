"""Fetch the recorded data set once: resumable download, SHA-256 check, safe extraction, atomic arrival.

The folder either does not exist or is complete, because the archive is unpacked aside and renamed.
Surprising: a resumed transfer needs ``If-Range``; without it a server whose file has changed meanwhile sends
the tail of the new one, which is noticed only by the digest, two gigabytes later.

requests rather than urllib: it follows a redirect to http(s) only (urllib also to ftp:) and brings its
certificates, which Python from python.org lacks on macOS.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kws_exp.errors import KwsError
from kws_exp.schema import Data

if TYPE_CHECKING:
    import requests

if sys.version_info >= (3, 12):
    import tarfile
else:
    from backports import tarfile  # Debian 12's Python 3.11.2 has no extraction filters

Progress = Callable[[int, int], None]  # bytes done, bytes in total (0: the server does not say)

SHA256 = {
    Data.url: Data.sha256,
    "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.01.tar.gz": (
        "743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d"
    ),
}
TIMEOUTS = (10.0, 30.0)  # seconds to connect, seconds of silence
RETRY_PAUSES: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)  # seconds; anew after each connection that helped
CHUNK = 1 << 16  # bytes; at most this much is lost when the process is killed
UNPACKED = 1.5  # disk space of the folder per byte of archive: v0.02 is 105,829 files of 32 kB from 2.43 GB

_log = logging.getLogger(__name__)


def expected_sha256(url: str, configured: str) -> str:
    """Return the digest of the archive at ``url``: the known one unless another is configured."""
    return SHA256.get(url, configured) if configured == Data.sha256 else configured


def fetch(url: str, sha256: str, folder: Path, progress: Progress = lambda done, total: None) -> Path:
    """Make ``folder`` hold the unpacked archive at ``url`` and return it; at once if it already does.

    An interrupted transfer stays beside the folder as ``ARCHIVE.part`` and the next call goes on from there.
    Processes that ask at the same time share one download. Raises :class:`KwsError` when the server cannot be
    reached, the digest differs, a member is unsafe, or the disk is full or not writable.
    """
    try:
        if _is_complete(folder):
            return folder
        part = folder.parent / f"{_archive_name(url)}.part"
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder.parent):
            if not _is_complete(folder):
                _download(url, sha256.lower(), part, progress)
                _extract(url, part, folder)
                _discard(part)
    except OSError as error:
        raise KwsError(
            f"The data set cannot be stored in {folder} ({error}); set data.cache_dir to a folder with room "
            "that you may write to, or data.dir=FOLDER to a copy of your own."
        ) from error
    return folder


def _is_complete(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _archive_name(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise KwsError(
            f"data.url must begin with https:// or http://, not '{url}'; for files on this machine, unpack "
            "them and set data.dir=FOLDER."
        )
    return PurePosixPath(parts.path).name or "archive"


@contextmanager
def _locked(parent: Path) -> Iterator[None]:
    """One download per cache folder: two data sets may come from archives of the same name."""
    from filelock import FileLock, Timeout

    lock = FileLock(parent / "download.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _log.info("Another process is downloading into %s; waiting for it.", parent)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _download(url: str, sha256: str, part: Path, progress: Progress) -> None:
    """Complete ``part``; only a connection that brought something earns retries, so offline fails at once."""
    import requests
    from urllib3.exceptions import HTTPError

    furthest = _size(part)
    pauses: Iterator[float] = iter(())
    while True:
        try:
            actual = _attempt(url, sha256, part, progress)
            break
        except (requests.RequestException, HTTPError) as error:
            if _size(part) > furthest:
                furthest, pauses = _size(part), iter(RETRY_PAUSES)
            pause = next(pauses, None)
            if pause is None:
                raise _unreachable(url, part, error) from error
            _log.info("The download stopped at %d bytes (%s); trying again.", _size(part), _reason(error))
        time.sleep(pause)
    if actual != sha256:
        _discard(part)
        raise KwsError(
            f"The archive at {url} must have SHA-256 {sha256} but has {actual}, so it was deleted; run again "
            f"to download it anew, or set data.sha256={actual} if this is the archive that you want."
        )


def _attempt(url: str, sha256: str, part: Path, progress: Progress) -> str:
    """Bring what ``part`` lacks over one connection and return the digest of the whole."""
    hasher = _hash(part)
    if hasher.hexdigest() == sha256:  # killed between download and extraction: nothing to ask for
        return sha256
    with _request(url, part) as response:
        response.raise_for_status()
        if response.status_code != 206:  # the whole file: no Range at this server, or another file by now
            _discard(part)
            _validator_file(part).write_text(_validator(response), encoding="utf-8")
            hasher = hashlib.sha256()
        done, missing = _size(part), response.raw.length_remaining or 0
        total = done + missing if missing else 0
        _require_space(part.parent, missing + UNPACKED * total)
        with part.open("ab") as file:
            progress(done, total)
            while chunk := response.raw.read(CHUNK, decode_content=False):
                file.write(chunk)
                hasher.update(chunk)
                done += len(chunk)
                progress(done, total)
    return hasher.hexdigest()


def _request(url: str, part: Path) -> requests.Response:
    """Ask for what ``part`` lacks (RFC 9110, section 14), or for everything if that cannot continue it."""
    import requests

    headers, done = {"Accept-Encoding": "identity"}, _size(part)
    if done:
        headers["Range"] = f"bytes={done}-"
        if _size(_validator_file(part)):
            headers["If-Range"] = _validator_file(part).read_text(encoding="utf-8")
    response = requests.get(url, headers=headers, stream=True, timeout=TIMEOUTS)
    other_range = not response.headers.get("Content-Range", "").startswith(f"bytes {done}-")
    if done and (response.status_code == 416 or (response.status_code == 206 and other_range)):
        response.close()
        _discard(part)
        return _request(url, part)
    return response


def _validator(response: requests.Response) -> str:
    """What ``If-Range`` may hold: a strong ETag, else the date of the last change, else nothing."""
    etag = response.headers.get("ETag", "")
    return response.headers.get("Last-Modified", "") if etag.startswith("W/") or not etag else etag


def _validator_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _discard(part: Path) -> None:
    """Delete the part before its validator: the other order could leave a part that nothing vouches for."""
    part.unlink(missing_ok=True)
    _validator_file(part).unlink(missing_ok=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _hash(path: Path) -> hashlib._Hash:
    hasher = hashlib.sha256()
    if path.exists():
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                hasher.update(chunk)
    return hasher


def _require_space(folder: Path, needed: float) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise KwsError(
            f"The data set needs {needed / 1e9:.1f} GB of disk space but {folder} has {free / 1e9:.1f} GB "
            "free; make room, or set data.cache_dir to a folder on another disk."
        )


def _reason(error: BaseException) -> str:
    """Return the innermost cause ("Connection refused"): what requests wraps around it is a page long."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return str(error) or type(error).__name__


def _unreachable(url: str, part: Path, error: Exception) -> KwsError:
    kept = f", {_size(part)} bytes are kept and the same command goes on from there" if _size(part) else ""
    return KwsError(
        f"The data set could not be downloaded ({_reason(error)}){kept}; set data.dir=FOLDER to a copy of "
        f"your own (fetch {url} elsewhere and unpack it), or set data=synthetic."
    )


def _extract(url: str, archive: Path, folder: Path) -> None:
    """Unpack aside, then rename: nobody ever sees half a data set."""
    _require_space(folder.parent, UNPACKED * _size(archive))
    _log.info("Unpacking %s into %s.", url, folder)
    aside = folder.with_name(f"{folder.name}.unpacking")
    shutil.rmtree(aside, ignore_errors=True)  # of a process that was killed
    aside.mkdir()
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(aside, filter=_safe_member)
        if folder.is_dir():
            folder.rmdir()  # empty; Windows does not rename over it
        os.replace(aside, folder)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        _discard(archive)
        reason = str(error).partition("\n")[0]  # tarfile lists its four guesses in as many lines
        raise KwsError(
            f"The archive at {url} must be a whole tar file of plain files and folders, but {reason}, so it "
            "was deleted; set data.url and data.sha256 to another, or data.dir=FOLDER to a copy of your own."
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _safe_member(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo:
    """Refuse what ``tarfile.data_filter`` would mend or allow (a leading /, links inside), then apply it."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise tarfile.TarError(f"its member '{member.name}' lies outside the folder")
    if not (member.isreg() or member.isdir()):
        raise tarfile.TarError(f"its member '{member.name}' is a link or a device")
    return tarfile.data_filter(member, folder)
