"""The page in headless Chromium, whose microphone plays a recording of words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws_exp.demo.server import Server
from tests.demo import browser
from tests.demo.conftest import SPOKEN

pytestmark = [pytest.mark.slow, pytest.mark.skipif(browser.PROGRAM is None, reason="no Chromium")]
WORDS = "[...document.querySelectorAll('.chip b')].map((word) => word.textContent)"
STATUS = "document.getElementById('status').textContent"
ERROR = "document.getElementById('error').textContent"
READY = "document.title !== 'Keyword spotter'"


def test_words_fire_as_they_are_spoken(served: Server, recording: Path, tmp_path: Path) -> None:
    with browser.opened(tmp_path, recording) as page:
        page.open(served.url)
        page.until(READY)
        assert page.ask("document.title") == "tiny_conv: yes, no"
        page.press("Tab", 9)
        assert page.ask("document.activeElement.textContent") == "Listen"
        page.press("Enter", 13, "\r")
        page.until("document.querySelectorAll('.chip').length >= 3")
        assert page.ask(STATUS) == "Listening."
        assert page.ask(WORDS)[::-1][:3] == SPOKEN[:3]
        assert page.ask("document.querySelectorAll('.label').length") == 4
        painted = "chart.getContext('2d').getImageData(0, 0, chart.width, chart.height).data.some((value) => value)"
        assert page.ask(f"(() => {{ const chart = document.getElementById('chart'); return {painted}; }})()")
        page.press("Enter", 13, "\r")
        page.until(f"{STATUS} === 'Stopped.'")
        page.until("document.getElementById('listen').textContent === 'Listen'")
        assert page.complaints == []


def test_a_file_shows_its_words_and_plays_from_them(served: Server, recording: Path, tmp_path: Path) -> None:
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(32_000, np.int16), 16_000)
    with browser.opened(tmp_path) as page:
        page.look(390, 844, dark=True)
        page.open(served.url)
        page.until(READY)
        page.choose("#file", recording)
        page.until(f"{STATUS} === 'words.wav, 14.0 s: 4 words.'")
        assert page.ask(WORDS) == SPOKEN
        page.drop(silence)
        page.until(f"{STATUS} === 'silence.wav, 2.0 s: 0 words.'")
        assert page.ask(WORDS) == []
        page.drop(recording)
        page.until(f"{STATUS} === 'words.wav, 14.0 s: 4 words.'")
        assert page.ask(WORDS) == SPOKEN
        assert page.ask("document.documentElement.scrollWidth") <= 390
        page.ask("document.querySelectorAll('.chip')[1].click()")
        page.until("document.getElementById('player').currentTime > 4")
        assert page.complaints == []


def test_what_is_wrong_is_told(served: Server, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no audio")
    with browser.opened(tmp_path) as page:
        page.open(served.url)
        page.until(READY)
        page.choose("#file", tmp_path / "text.wav")
        assert page.until(ERROR).startswith("this file must be a recording in wav, flac or ogg")
        page.ask("document.getElementById('listen').click()")
        assert page.until(f"{ERROR}.includes('microphone') && {ERROR}") == (
            "There is no microphone: plug one in, or open a recording."
        )
        assert page.ask("document.getElementById('listen').getAttribute('aria-pressed')") == "false"
