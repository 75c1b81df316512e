"""Both ends of a download: an HTTP server on 127.0.0.1 that misbehaves as it is told to, and a process that fetches."""

from __future__ import annotations

import hashlib
import io
import re
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).parents[2]
FETCH = """
import logging, pathlib, sys
from kws_exp.data.download import fetch
logging.basicConfig(level="INFO")
fetch(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]))
"""
FILES = {
    f"{word}/{speaker:08x}_nohash_0.wav": np.random.Generator(np.random.Philox(speaker)).bytes(32_044)
    for word in ("yes", "no", "_background_noise_")
    for speaker in range(8)
}


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Pack members as they are, however hostile."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    """Describe one member; ``target`` is where a link points."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


ARCHIVE = tar_of(*((member(f"./{name}"), content) for name, content in FILES.items()))


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


class Server(ThreadingHTTPServer):
    """One file under every path, and the ways in which servers and lines misbehave."""

    daemon_threads = True

    def __init__(self) -> None:
        """Serve ``ARCHIVE`` faultlessly on a free port."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = ARCHIVE
        self.status = 200
        self.understands_ranges = True
        self.headers = {"ETag": '"one"'}
        self.cuts: list[int] = []  # bytes after which the next connections break
        self.stall: int | None = None  # bytes after which the first connection waits for ``go_on``
        self.go_on = threading.Event()
        self.requests: list[dict[str, str]] = []
        self.sent = 0

    @property
    def url(self) -> str:
        """Address of the archive."""
        return f"http://127.0.0.1:{self.server_port}/data/words.tar.gz"


class Handler(BaseHTTPRequestHandler):
    """GET with ``Range`` and ``If-Range`` as in RFC 9110."""

    server: Server

    def do_GET(self) -> None:
        """Answer one request and note what was asked and sent."""
        server = self.server
        server.requests.append(dict(self.headers))
        start = self.start()
        content = server.body[start or 0 :]
        if start and not content:
            self.send_error(416)
            return
        self.send_response(server.status if start is None else 206)
        for name, value in {"Content-Length": str(len(content)), **server.headers}.items():
            self.send_header(name, value)
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{len(server.body) - 1}/{len(server.body)}")
        self.end_headers()
        if server.cuts:
            content = content[: server.cuts.pop(0)]
        if server.stall is not None:
            stall, server.stall = server.stall, None
            self.send(content[:stall])
            server.go_on.wait()
            content = content[stall:]
        self.send(content)

    def start(self) -> int | None:
        """First byte to send, None for the whole file."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        current = self.headers.get("If-Range") in (
            None,
            self.server.headers.get("ETag"),
            self.server.headers.get("Last-Modified"),
        )
        return int(asked[1]) if asked and current and self.server.understands_ranges else None

    def send(self, content: bytes) -> None:
        """Send what the other side will take, counted first: the client may finish before this thread."""
        self.server.sent += len(content)
        try:
            self.wfile.write(content)
        except ConnectionError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@contextmanager
def serve() -> Iterator[Server]:
    """Run a server while the context lasts."""
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.go_on.set()
        running.shutdown()
        thread.join()


def start_client(server: Server, folder: Path) -> subprocess.Popen[str]:
    """Run ``fetch`` in a process of its own."""
    command = [sys.executable, "-c", FETCH, server.url, digest(server.body), str(folder)]
    return subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)


def wait_for_size(path: Path, size: int) -> None:
    """Return when the file has at least this size."""
    while not path.exists() or path.stat().st_size < size:
        time.sleep(0.005)
