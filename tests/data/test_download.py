"""The downloader against a real HTTP server on 127.0.0.1: cut, killed, corrupted, hostile, simultaneous."""

from __future__ import annotations

import re
import socket
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kws_exp.data import download
from kws_exp.data.download import CHUNK, expected_sha256, fetch
from kws_exp.errors import KwsError
from kws_exp.schema import Data
from tests.data.http_server import ARCHIVE, FILES, Server, digest, member, serve, start_client, tar_of, wait_for_size


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A running server; retries do not pause."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "RETRY_PAUSES", (0.0, 0.0, 0.0))
    with serve() as running:
        yield running


def part_of(folder: Path) -> Path:
    """Where the unfinished archive lies."""
    return folder.parent / "words.tar.gz.part"


def assert_complete(folder: Path) -> None:
    """Every file is there, nothing else is, and nothing but the lock is left beside the folder."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in found.items()} == FILES
    assert {path.name for path in folder.parent.iterdir()} <= {folder.name, "download.lock"}


def test_whole_download_reports_progress_and_is_not_repeated(server: Server, tmp_path: Path) -> None:
    """A second call asks the server nothing; the digest may be in capitals."""
    calls: list[tuple[int, int]] = []
    folder = tmp_path / "cache" / "words"
    assert fetch(server.url, digest(ARCHIVE).upper(), folder, lambda *call: calls.append(call)) == folder
    assert_complete(folder)
    assert calls[0] == (0, len(ARCHIVE)) and calls[-1] == (len(ARCHIVE), len(ARCHIVE))
    assert calls == sorted(calls)
    assert fetch(server.url, digest(ARCHIVE), folder) == folder
    assert len(server.requests) == 1


def test_empty_folder_and_killed_extraction_do_not_count(server: Server, tmp_path: Path) -> None:
    """Neither passes for a data set."""
    folder = tmp_path / "words"
    folder.mkdir()
    (tmp_path / "words.unpacking" / "yes").mkdir(parents=True)
    (tmp_path / "words.unpacking" / "yes" / "half.wav").write_bytes(b"RIFF")
    fetch(server.url, digest(ARCHIVE), folder)
    assert_complete(folder)


def test_content_encoding_does_not_unpack_the_archive(server: Server, tmp_path: Path) -> None:
    """Some servers call a .tar.gz a gzip-encoded .tar; the digest is that of the bytes as stored."""
    server.headers["Content-Encoding"] = "gzip"
    fetch(server.url, digest(ARCHIVE), tmp_path / "words")
    assert_complete(tmp_path / "words")


@pytest.mark.parametrize("headers", [{"ETag": '"one"'}, {"ETag": 'W/"one"', "Last-Modified": "then"}, {}])
def test_cut_connections_resume_where_they_broke(server: Server, tmp_path: Path, headers: dict[str, str]) -> None:
    """Not a byte is sent twice, and a weak ETag is not used for If-Range."""
    server.headers = headers
    server.cuts = [300_000, 100_000, 1]
    fetch(server.url, digest(ARCHIVE), tmp_path / "words")
    assert_complete(tmp_path / "words")
    assert [request.get("Range") for request in server.requests] == [
        None,
        "bytes=300000-",
        "bytes=400000-",
        "bytes=400001-",
    ]
    validator = {1: '"one"', 2: "then", 0: None}[len(headers)]
    assert [request.get("If-Range") for request in server.requests] == [None, *[validator] * 3]
    assert server.sent == len(ARCHIVE)


def test_killed_process_is_continued_by_the_next(server: Server, tmp_path: Path) -> None:
    """SIGKILL in the middle of the transfer costs nothing that had arrived."""
    folder = tmp_path / "words"
    server.stall = 5 * CHUNK
    process = start_client(server, folder)
    wait_for_size(part_of(folder), 5 * CHUNK)
    process.kill()
    process.communicate()
    assert not folder.exists()
    server.sent = 0
    fetch(server.url, digest(ARCHIVE), folder)
    assert_complete(folder)
    assert server.requests[1]["Range"] == f"bytes={5 * CHUNK}-"
    assert server.sent == len(ARCHIVE) - 5 * CHUNK


def test_two_processes_at_once_share_one_download(server: Server, tmp_path: Path) -> None:
    """The second says that it waits, and both succeed."""
    folder = tmp_path / "words"
    server.stall = CHUNK
    first = start_client(server, folder)
    wait_for_size(part_of(folder), CHUNK)
    second = start_client(server, folder)
    assert second.stderr is not None
    assert "Another process is downloading" in second.stderr.readline()
    server.go_on.set()
    for process in (first, second):
        errors = process.communicate()[1]
        assert process.returncode == 0, errors
    assert_complete(folder)
    assert len(server.requests) == 1


def test_complete_part_needs_no_server(tmp_path: Path) -> None:
    """A process killed between download and extraction leaves the whole archive."""
    folder = tmp_path / "words"
    part_of(folder).write_bytes(ARCHIVE)
    fetch("http://127.0.0.1:9/words.tar.gz", digest(ARCHIVE), folder)
    assert_complete(folder)


@pytest.mark.parametrize("change", ["no ranges", "new file", "part too long", "wrong range"])
def test_starts_over_when_the_part_cannot_be_continued(server: Server, tmp_path: Path, change: str) -> None:
    """Range ignored, ETag changed, range past the end (416), another range than asked: from byte 0 again."""
    part = part_of(tmp_path / "words")
    part.write_bytes(b"x" * (len(ARCHIVE) if change == "part too long" else 300_000))
    part.with_name(f"{part.name}.etag").write_text('"old"' if change == "new file" else '"one"')
    server.understands_ranges = change != "no ranges"
    if change == "wrong range":
        server.headers["Content-Range"] = "bytes 7-8/9"
    fetch(server.url, digest(ARCHIVE), tmp_path / "words")
    assert_complete(tmp_path / "words")
    assert server.requests[0]["Range"] == f"bytes={len(ARCHIVE) if change == 'part too long' else 300_000}-"


def test_server_without_ranges_that_always_breaks_is_given_up(server: Server, tmp_path: Path) -> None:
    """Starting over is no progress, so the retries run out."""
    server.understands_ranges = False
    server.cuts = [300_000] * 10
    with pytest.raises(KwsError, match=r"300000 bytes are kept and the same command goes on"):
        fetch(server.url, digest(ARCHIVE), tmp_path / "words")
    assert len(server.requests) == 1 + len(download.RETRY_PAUSES)


def test_line_that_breaks_for_good_keeps_its_bytes(server: Server, tmp_path: Path) -> None:
    """The retries are spent on a server that announces more than it has; the part stays for later."""
    server.cuts = [300_000, *[0] * 10]
    with pytest.raises(KwsError, match=r"300000 bytes are kept.*data\.dir=FOLDER.*data=synthetic"):
        fetch(server.url, digest(ARCHIVE), tmp_path / "words")
    assert part_of(tmp_path / "words").stat().st_size == 300_000


@pytest.mark.parametrize("body", [ARCHIVE[:-5000], ARCHIVE[:5000] + b"?" + ARCHIVE[5001:], b"<html>"])
def test_wrong_content_is_deleted_and_named(server: Server, tmp_path: Path, body: bytes) -> None:
    """Truncated, corrupted or something else: both digests, and the part is gone."""
    server.body = body
    with pytest.raises(KwsError, match=f"{digest(ARCHIVE)}.*{digest(body)}.*run again.*data.sha256="):
        fetch(server.url, digest(ARCHIVE), tmp_path / "words")
    assert {path.name for path in tmp_path.iterdir()} <= {"download.lock"}
    server.body = ARCHIVE
    fetch(server.url, digest(ARCHIVE), tmp_path / "words")
    assert_complete(tmp_path / "words")


@pytest.mark.parametrize(
    "hostile",
    [
        member("../outside"),
        member("yes/../../outside"),
        member("/outside"),
        member("outside", tarfile.SYMTYPE, "../.."),
        member("inside", tarfile.SYMTYPE, "yes/0.wav"),
        member("inside", tarfile.LNKTYPE, "yes/0.wav"),
        member("outside", tarfile.CHRTYPE),
        member("outside", tarfile.BLKTYPE),
        member("outside", tarfile.FIFOTYPE),
    ],
    ids=lambda info: f"{info.type.decode()}-{info.name}",
)
def test_hostile_members_are_refused(server: Server, tmp_path: Path, hostile: tarfile.TarInfo) -> None:
    """One bad member spoils the archive: no folder, no part, nothing outside."""
    server.body = tar_of((member("yes/0.wav"), b"RIFF"), (hostile, b""))
    folder = tmp_path / "a" / "cache" / "words"
    with pytest.raises(KwsError, match=f"member '{re.escape(hostile.name)}'.*data.dir=FOLDER"):
        fetch(server.url, digest(server.body), folder)
    assert {path.name for path in tmp_path.rglob("*")} <= {"a", "cache", "download.lock"}


MEMBERS = st.tuples(
    st.lists(st.sampled_from(["", ".", "..", "a", "b", "~", "C:"]), min_size=1, max_size=5).map("/".join),
    st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE]),
    st.sampled_from(["..", "a", "../../b", "/"]),
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(members=st.lists(MEMBERS, min_size=1, max_size=4))
def test_no_archive_writes_outside_its_folder(members: list[tuple[str, bytes, str]]) -> None:
    """Whatever the members are called and link to, nothing appears but the folder (and lock and part)."""
    archive = tar_of(*((member(*described), b"") for described in members))
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "cache" / "words"
        folder.parent.mkdir()
        part_of(folder).write_bytes(archive)
        try:
            fetch("http://127.0.0.1:9/words.tar.gz", digest(archive), folder)
        except KwsError:
            assert not folder.exists()
        assert {path.name for path in folder.parent.iterdir()} <= {
            "words",
            "download.lock",
            "words.tar.gz.part",
        }
        assert {path.name for path in Path(parent).iterdir()} == {"cache"}


@pytest.mark.parametrize("body", [ARCHIVE[:-5000], b"not a tar file"])
def test_unreadable_archive_with_the_right_digest(server: Server, tmp_path: Path, body: bytes) -> None:
    """The user's own archive and digest, but no whole tar file."""
    server.body = body
    with pytest.raises(KwsError, match=r"must be a whole tar file.*data\.sha256"):
        fetch(server.url, digest(body), tmp_path / "words")
    assert {path.name for path in tmp_path.iterdir()} <= {"download.lock"}


@pytest.mark.parametrize("status", [403, 404, 416, 500, 503])
def test_http_errors_name_the_ways_out(server: Server, tmp_path: Path, status: int) -> None:
    """One request, one sentence."""
    server.status = status
    with pytest.raises(KwsError, match=rf"{status} .*data\.dir=FOLDER.*{server.url}.*data=synthetic"):
        fetch(server.url, digest(ARCHIVE), tmp_path / "words")
    assert len(server.requests) == 1


def test_unreachable_server_names_the_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port where nobody listens: told at once, without retries and without requests' wrapping."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/words.tar.gz"
        with pytest.raises(KwsError, match=r"refused.*\); set data\.dir=FOLDER.*data=synthetic\.$"):
            fetch(url, digest(ARCHIVE), tmp_path / "words")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x.tar.gz", "words.tar.gz", "http://"])
def test_other_schemes_are_refused(tmp_path: Path, url: str) -> None:
    """Also without touching the disk."""
    with pytest.raises(KwsError, match=r"must begin with https:// or http://.*data\.dir=FOLDER"):
        fetch(url, digest(ARCHIVE), tmp_path / "words")
    assert not list(tmp_path.iterdir())


def test_redirect_to_another_scheme_is_refused(server: Server, tmp_path: Path) -> None:
    """A server cannot make the downloader read this machine's files."""
    server.status, server.headers["Location"] = 302, "file:///etc/passwd"
    with pytest.raises(KwsError, match=r"data=synthetic"):
        fetch(server.url, digest(ARCHIVE), tmp_path / "words")


def test_too_little_disk_space_is_known_before_the_download(server: Server, tmp_path: Path) -> None:
    """An archive of 10^18 bytes fits nowhere."""
    server.headers["Content-Length"] = str(10**18)
    with pytest.raises(KwsError, match=r"needs 2500000000\.0 GB.*data\.cache_dir"):
        fetch(server.url, digest(ARCHIVE), tmp_path / "words")
    assert not (tmp_path / "words").exists()


def test_cache_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    """The parent is a file."""
    (tmp_path / "cache").write_text("")
    with pytest.raises(KwsError, match=r"cannot be stored.*data\.cache_dir"):
        fetch(server.url, digest(ARCHIVE), tmp_path / "cache" / "words")


def test_expected_digest_follows_the_url_unless_configured() -> None:
    """A known URL brings its digest; a configured one always wins."""
    older = Data.url.replace("v0.02", "v0.01")
    assert expected_sha256(Data.url, Data.sha256).startswith("af14739e")
    assert expected_sha256(older, Data.sha256).startswith("74393542")
    assert expected_sha256(older, "00" * 32) == "00" * 32
    assert expected_sha256("https://example.org/own.tar.gz", "11" * 32) == "11" * 32
