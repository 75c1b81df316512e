"""Headless Chromium, told what to do over its DevTools protocol on two pipes: no port, no other library."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

PROGRAM = next(filter(shutil.which, ("chromium", "chromium-browser", "google-chrome")), None)
_START = """import os, sys
for number, given in enumerate(sys.argv[1:3], 3):
    os.dup2(int(given), number)
os.execvp(sys.argv[3], sys.argv[3:])
"""
_PATIENCE_SECONDS = 60.0  # the machine's speed is no property


class Page:
    """A tab."""

    def __init__(self, commands: BinaryIO, answers: BinaryIO) -> None:
        self._commands, self._answers = commands, answers
        self._number = 0
        self._session: str | None = None
        target = self.tell("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.tell("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Log", "DOM"):
            self.tell(f"{domain}.enable")

    def tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._commands.write(json.dumps(message).encode() + b"\0")
        self._commands.flush()
        while True:
            answer = json.loads(self._read())
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            if answer.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.complaints.append(json.dumps(answer["params"]))

    def _read(self) -> bytes:
        read = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            assert byte, "the browser has ended"
            read += byte
        return bytes(read)

    def open(self, url: str) -> None:
        self.tell("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def ask(self, expression: str) -> Any:
        found = self.tell("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, expression: str) -> Any:
        """Wait for an expression to be true."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while not (value := self.ask(expression)):
            assert time.monotonic() < end, f"never: {expression}; {self.ask('document.body.innerText')}"
            time.sleep(0.1)
        return value

    def press(self, key: str, code: int, text: str = "") -> None:
        for kind in ("keyDown", "keyUp"):
            self.tell("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, text=text)

    def choose(self, selector: str, path: Path) -> None:
        """Put a file into a field."""
        root = self.tell("DOM.getDocument")["root"]["nodeId"]
        field = self.tell("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.tell("DOM.setFileInputFiles", nodeId=field, files=[str(path)])

    def drop(self, path: Path) -> None:
        """Drop a file near the top of the page."""
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.tell("Input.dispatchDragEvent", type=kind, x=100, y=20, data=data)

    def look(self, width: int, height: int, dark: bool = False) -> None:
        self.tell(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.tell("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.tell("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def opened(scratch: Path, microphone: Path | None = None) -> Iterator[Page]:
    """Give a tab of a browser whose microphone plays a wav file over and over."""
    assert PROGRAM
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    # above the 3 and 4 that the browser takes them for
    given = [fcntl.fcntl(number, fcntl.F_DUPFD, 20) for number in (theirs_in, theirs_out)]
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    flags += [f"--user-data-dir={scratch / 'browser'}", "--remote-debugging-pipe", "--use-fake-ui-for-media-stream"]
    flags += ["--use-fake-device-for-media-stream"] if microphone else []
    flags += [f"--use-file-for-fake-audio-capture={microphone}"] if microphone else []
    command = [sys.executable, "-c", _START, *map(str, given), PROGRAM, *flags]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, pass_fds=given, stdout=quiet, stderr=quiet) as process:
        for number in (theirs_in, theirs_out, *given):
            os.close(number)
        with os.fdopen(ours_out, "wb") as commands, os.fdopen(ours_in, "rb") as answers:
            try:
                yield Page(commands, answers)
            finally:
                process.terminate()
                process.wait()
