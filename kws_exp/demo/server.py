"""The page, the model, and what the model hears, over HTTP on 127.0.0.1.

    GET  /TOKEN/                    the page; beside it its scripts and page.css
    GET  /TOKEN/model               which model it is, JSON
    POST /TOKEN/microphone/RATE     opens a session; the answer goes on as long as the session
    POST /TOKEN/sound/SESSION/N     the N-th piece of its sound, 16 bits, mono; an empty one ends it
    POST /TOKEN/file                a recording: wav, flac or ogg of any rate

What is heard is a JSON object a line: ``{"seconds", "averages"}``, where a word fires with ``word`` and ``score`` too;
errors are ``{"error"}``. No other site can use it: the token is not to be guessed, and a request under another name
than that of this machine, as one whose DNS was rebound would send, is refused. The surprising fact: the token is in the
path, not in a cookie, because cookies do not tell ports apart.
"""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from kws_exp import run_folder
from kws_exp.demo.sessions import PIECE_BYTES, Sessions
from kws_exp.errors import KwsError
from kws_exp.listen.detector import Moment, moments
from kws_exp.stream import recording
from kws_exp.stream.events import OperatingPoint, keywords
from kws_exp.stream.spotter import MODEL, Spotter

HOST = "127.0.0.1"
FILE_BYTES = 256 << 20  # two hours of 16 kHz wav
STALL_SECONDS = 30  # that a connection may say nothing
_COPY_BYTES = 1 << 20
_PAGES = {
    "": ("page.html", "text/html"),
    **{name: (name, "text/javascript") for name in ("page.js", "chart.js", "recorder.js")},
    "page.css": ("page.css", "text/css"),
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Server(ThreadingHTTPServer):
    """Serves one model, to this machine alone.

    Args:
        folder: The export.
        spotter: Its model.
        port: 0 for any that is free.
    """

    daemon_threads = True

    def __init__(self, folder: Path, spotter: Spotter, port: int = 0) -> None:
        self.spotter, self.sessions, self.token = spotter, Sessions(), secrets.token_urlsafe(16)
        self.about = about(folder, spotter)
        super().__init__((HOST, port), _Handler)

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{HOST}:{self.server_address[1]}/{self.token}/"


def about(folder: Path, spotter: Spotter) -> dict[str, Any]:
    """Return what the page tells of the model."""
    manifest = run_folder.read_json(folder / "manifest.json")
    point = OperatingPoint.of(spotter.detector, spotter.labels)
    return {
        "name": str(manifest.get("name", "model")),
        "folder": folder.resolve().parent.name if folder.name == "export" else folder.resolve().name,
        "sha256": manifest["files"][MODEL]["sha256"],
        "front_end": spotter.features.name,
        "labels": spotter.labels,
        "keywords": keywords(spotter.labels),
        "hop_ms": spotter.hop * spotter.features.stride_ms,
        "file_bytes": FILE_BYTES,
        **point.settings(),
    }


class _Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = STALL_SECONDS

    def do_GET(self) -> None:
        """Answer with the page, its parts, or the model."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """Take sound, answer with what is heard."""
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal shows the address only."""

    def _answer(self, respond: Any) -> None:
        self.answered = False
        try:
            if self.headers.get("Host") not in self._names():
                self._send(HTTPStatus.FORBIDDEN, {"error": "this page is for the machine that serves it"})
                return
            token, _, rest = self.path.removeprefix("/").partition("/")
            if not secrets.compare_digest(token.encode(), self.server.token.encode()):
                self._send(HTTPStatus.NOT_FOUND, {"error": "there is nothing here: open the whole address"})
                return
            respond(rest.split("/"))
        except KwsError as error:
            self._tell(str(error))
        except (ConnectionError, TimeoutError):
            self.close_connection = True  # the page was closed

    def _names(self) -> set[str]:
        port = self.server.server_address[1]
        return {f"{name}:{port}" for name in (HOST, "localhost")}

    def _get(self, parts: list[str]) -> None:
        match parts:
            case ["model"]:
                self._send(HTTPStatus.OK, self.server.about)
            case [name] if name in _PAGES:
                file, kind = _PAGES[name]
                self._head(HTTPStatus.OK, kind)
                self.wfile.write(Path(__file__).with_name(file).read_bytes())
            case _:
                self._send(HTTPStatus.NOT_FOUND, {"error": "there is no such page"})

    def _post(self, parts: list[str]) -> None:
        match parts:
            case ["microphone", rate] if rate.isdecimal() and len(rate) < 9:
                with self.server.sessions.opened(int(rate)) as session:
                    self._line({"session": session.key})
                    self._hear(moments(session.blocks(), self.server.spotter))
            case ["sound", key, number] if number.isdecimal() and len(number) < 16:
                self.server.sessions.find(key).put(int(number), self.rfile.read(self._length(PIECE_BYTES)))
                self._send(HTTPStatus.OK, {})
            case ["file"]:
                with self.server.sessions.place():
                    self._hear_file()
            case _:
                self._send(HTTPStatus.NOT_FOUND, {"error": "there is no such address"})

    def _hear_file(self) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "recording"
            self._save(path)
            try:
                found, spotter = recording.inspect(path), self.server.spotter
                if found.samples < spotter.samples:
                    raise KwsError(f"{path} is {found.seconds:.2f} s long, less than what the network sees at once")
                self._line({"length": found.seconds})
                self._hear(moments(recording.blocks(path), spotter, live=False))
            except KwsError as error:
                raise KwsError(str(error).replace(str(path), "this file")) from error

    def _save(self, path: Path) -> None:
        left = self._length(FILE_BYTES)
        with path.open("wb") as file:
            while left and (piece := self.rfile.read(min(left, _COPY_BYTES))):
                left -= len(piece)
                file.write(piece)

    def _length(self, most: int) -> int:
        """Return the length of the request's body in bytes."""
        given = self.headers.get("Content-Length", "")
        if not (given.isdecimal() and len(given) < 16 and int(given) <= most):
            raise KwsError(f"what is sent must be at most {most >> 10:,} KiB and say its length: take a shorter file")
        return int(given)

    def _hear(self, heard: Iterable[Moment]) -> None:
        for moment in heard:
            told: dict[str, Any] = {"seconds": moment.seconds, "averages": moment.averages.tolist()}
            if moment.detection and moment.detection.word in self.server.about["keywords"]:
                told |= {"word": moment.detection.word, "score": moment.detection.score}
            self._line(told)

    def _tell(self, sentence: str) -> None:
        """Answer with an error, as the last line if the answer has begun."""
        if self.answered:
            self._line({"error": sentence})
        else:
            self._send(HTTPStatus.BAD_REQUEST, {"error": sentence})

    def _line(self, told: dict[str, Any]) -> None:
        if not self.answered:
            self._head(HTTPStatus.OK, "application/x-ndjson")
        self.wfile.write(json.dumps(told).encode() + b"\n")

    def _send(self, status: HTTPStatus, told: dict[str, Any]) -> None:
        self._head(status, "application/json")
        self.wfile.write(json.dumps(told).encode())

    def _head(self, status: HTTPStatus, kind: str) -> None:
        self.answered = True
        self.send_response(status)
        for name, value in {"Content-Type": f"{kind}; charset=utf-8", **_HEADERS}.items():
            self.send_header(name, value)
        self.end_headers()
