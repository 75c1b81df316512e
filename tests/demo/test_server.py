"""What is served, to whom, and that what is heard over HTTP is what the batch path hears."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from kws_exp.demo import __main__ as demo
from kws_exp.demo import server as serving
from kws_exp.demo import sessions
from kws_exp.demo.server import Server
from kws_exp.stream import detect, scores
from kws_exp.stream.events import OperatingPoint, keywords
from tests.demo.conftest import SPOKEN

pytestmark = pytest.mark.slow
Line = dict[str, Any]


def ask(
    server: Server,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    token: str | None = None,
) -> HTTPResponse:
    connection = HTTPConnection("127.0.0.1", server.server_address[1], timeout=60)
    connection.request(method, f"/{server.token if token is None else token}/{path}", body, dict(headers or {}))
    return connection.getresponse()


def lines(answer: HTTPResponse) -> Iterator[Line]:
    with closing(answer):
        yield from map(json.loads, answer)


def send(server: Server, path: str, body: bytes = b"") -> tuple[int, Line]:
    with closing(ask(server, "POST", path, body)) as answer:
        return answer.status, json.loads(answer.read())


def batch(server: Server, recording: Path) -> tuple[list[float], list[tuple[str, float, int]]]:
    """Return the times of all runs, and the keywords."""
    model = server.spotter
    found = scores.score(recording, model)
    fired = detect.detect(found, OperatingPoint.of(model.detector, model.labels))
    words = [(one.word, one.seconds, one.score) for one in fired if one.word in keywords(model.labels)]
    return (detect.clock(found.seconds) / 1000).tolist(), words


def words_of(heard: list[Line]) -> list[tuple[str, float, int]]:
    return [(one["word"], one["seconds"], one["score"]) for one in heard if "word" in one]


def test_a_file_is_heard_as_in_the_batch_path(served: Server, recording: Path) -> None:
    length, *heard = lines(ask(served, "POST", "file", recording.read_bytes()))
    seconds, words = batch(served, recording)
    assert length == {"length": 14.0}
    assert [one["seconds"] for one in heard] == seconds
    assert words_of(heard) == words
    assert [word for word, *_ in words] == SPOKEN
    assert all(len(one["averages"]) == 4 and max(one["averages"]) <= 255 for one in heard)


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_pieces_of_a_microphone_are_heard_as_in_the_batch_path(
    served: Server, recording: Path, tmp_path: Path, rate: int
) -> None:
    samples = np.repeat(soundfile.read(recording, dtype="int16")[0], rate // 16_000)
    soundfile.write(tmp_path / "same.wav", samples, rate)
    answer = ask(served, "POST", f"microphone/{rate}")
    told = lines(answer)
    session = next(told)["session"]
    pieces = [samples[at : at + rate // 10].astype("<i2").tobytes() for at in range(0, len(samples), rate // 10)]

    def bring() -> None:
        for number, piece in enumerate([*pieces, b""]):
            assert send(served, f"sound/{session}/{number}", piece) == (200, {})

    thread = threading.Thread(target=bring)
    thread.start()
    heard = list(told)
    thread.join()
    seconds, words = batch(served, tmp_path / "same.wav")
    assert [one["seconds"] for one in heard] == seconds
    assert words_of(heard) == words and len(words) >= 3


def test_pieces_out_of_order_and_sessions_that_ended(served: Server) -> None:
    told = lines(ask(served, "POST", "microphone/16000"))
    session = next(told)["session"]
    assert send(served, f"sound/{session}/0", b"\0\0")[0] == 200
    for number, piece in ((0, b"\0\0"), (2, b"\0\0"), (1, b"\0")):
        status, answer = send(served, f"sound/{session}/{number}", piece)
        assert status == 400 and "must come in order" in answer["error"]
    assert send(served, f"sound/{session}/1")[0] == 200
    assert list(told) == []
    assert "this session has ended" in send(served, f"sound/{session}/2")[1]["error"]


def test_a_browser_that_falls_silent(served: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "PATIENCE_SECONDS", 0.05)
    *_, last = lines(ask(served, "POST", "microphone/48000"))
    assert last == {"error": "no sound came from the browser for 0.05 s: listen again"}


def test_places_are_few_and_given_back(served: Server) -> None:
    open_ = [lines(ask(served, "POST", "microphone/16000")) for _ in range(sessions.MOST)]
    keys = [next(told)["session"] for told in open_]
    assert "all places are taken" in send(served, "file", b"x")[1]["error"]
    for key in keys:
        send(served, f"sound/{key}/0")
    assert [list(told) for told in open_] == [[]] * sessions.MOST
    assert "cannot be read" in send(served, "file", b"x")[1]["error"]


def test_files_that_are_none(served: Server, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", np.zeros(8_000, np.int16), 16_000)
    status, answer = send(served, "file", (tmp_path / "short.wav").read_bytes())
    assert status == 400
    assert answer["error"] == "this file is 0.50 s long, less than what the network sees at once"
    status, answer = send(served, "file", b"no audio")
    assert status == 400
    assert answer["error"].startswith("this file must be a recording in wav, flac or ogg, but cannot be read (")


@pytest.mark.parametrize("length", ["", "-1", "x", str(serving.FILE_BYTES + 1)])
def test_bodies_of_no_length_or_too_great(served: Server, length: str) -> None:
    connection = HTTPConnection("127.0.0.1", served.server_address[1], timeout=60)
    connection.putrequest("POST", f"/{served.token}/file")
    connection.putheader("Content-Length", length)
    connection.endheaders()
    with closing(connection.getresponse()) as answer:
        assert answer.status == 400
        assert b"must be at most 262,144 KiB" in answer.read()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "evil.example:{port}", "localhost", ""])
def test_requests_under_another_name_are_refused(served: Server, host: str) -> None:
    name = host.format(port=served.server_address[1])
    for method, path in (("GET", "model"), ("POST", "file")):
        with closing(ask(served, method, path, headers={"Host": name})) as answer:
            assert answer.status == 403


def test_nothing_without_the_token_and_no_other_file(served: Server) -> None:
    for token in ("", "x", served.token[:-1], "%C3%BC"):
        with closing(ask(served, "GET", "model", token=token)) as answer:
            assert answer.status == 404
    for path in ("server.py", "../server.py", "..%2fserver.py", "/etc/passwd", "page.html", "model/"):
        with closing(ask(served, "GET", path)) as answer:
            assert answer.status == 404
    for path in ("", "microphone/x", "microphone", "sound/a", "sound/a/-1", "microphone/1e4"):
        with closing(ask(served, "POST", path)) as answer:
            assert answer.status == 404
    assert "must be from 8000 to 192000 Hz" in send(served, "microphone/7999")[1]["error"]


def test_the_page_may_load_nothing_from_elsewhere(served: Server) -> None:
    assert served.server_address[0] == "127.0.0.1"
    for path in ("", "page.js", "chart.js", "recorder.js", "page.css"):
        with closing(ask(served, "GET", path, headers={"Host": f"localhost:{served.server_address[1]}"})) as answer:
            text = answer.read().decode()
            policy = answer.headers["Content-Security-Policy"]
        assert answer.status == 200 and answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "unsafe" not in policy and "default-src 'none'" in policy
        assert "http:" not in text and "https:" not in text and "innerHTML" not in text


def test_the_model_is_named(served: Server, exported: Path) -> None:
    with closing(ask(served, "GET", "model")) as answer:
        told = json.loads(answer.read())
    assert told["keywords"] == ["yes", "no"] and told["thresholds"] == [160] * 4
    assert (
        told["sha256"] == json.loads((exported / "manifest.json").read_text())["files"]["model_int8.tflite"]["sha256"]
    )
    assert told["folder"] == exported.parent.name


def test_the_command_prints_the_address_and_ends_quietly(exported: Path) -> None:
    import signal
    from urllib.request import urlopen

    command = [sys.executable, "-m", "kws_exp.demo", str(exported)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stderr
        with urlopen(process.stdout.readline().split()[0]) as answer:
            assert b"<title>Keyword spotter</title>" in answer.read()
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == ""
        assert process.wait() == 0


def test_mistakes(served: Server, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def told(*arguments: str) -> str:
        assert demo.main([*arguments, "--output-dir", str(tmp_path)]) == 2
        captured = capsys.readouterr()
        assert captured.err.count("\n") == 1 and not captured.out
        return captured.err

    assert "is no export folder" in told("latest")
    assert "--port must be from 0 to 65535, but is 65536" in told(str(exported), "--port", "65536")
    assert "must be free, but cannot be had (Address already in use)" in told(
        str(exported), "--port", str(served.server_address[1])
    )
