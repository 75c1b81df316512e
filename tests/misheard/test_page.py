from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html import escape
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kws_exp.data import Dataset
from kws_exp.misheard import clips, media, page
from kws_exp.misheard.clips import Clip, Misheard
from kws_exp.misheard.page import Page, render
from kws_exp.schema import Config

BROWSER = next(filter(shutil.which, ("chromium", "chromium-browser", "google-chrome")), None)
PROBE = """<script>
(async () => {
  const found = {groups: {}}, all = (query) => [...document.querySelectorAll(query)];
  const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
  const set = (id, value) => {
    document.getElementById(id).value = value;
    document.getElementById(id).dispatchEvent(new Event("change"));
  };
  const playing = () => all(".clip").findIndex((clip) => clip.classList.contains("playing"));
  found.seconds = await Promise.all(all("audio").map((audio) => new Promise((tell) => {
    audio.onloadedmetadata = () => tell(audio.duration);
    audio.onerror = () => tell(audio.error.message);
    audio.preload = "metadata";
  })));
  for (const name of ["true", "predicted", "speaker", "none", "pair"]) {
    set("group", name);
    found.groups[name] = all("summary").map((summary) => summary.textContent);
  }
  set("order", "unsure");
  found.unsure = all(".clip").map((clip) => Number(clip.dataset.score));
  set("order", "surest");
  found.surest = all(".clip").map((clip) => Number(clip.dataset.score));
  all(".clip button")[2].click();
  found.played = [playing()];
  all(".clip button")[2].focus();
  for (const key of ["ArrowRight", "ArrowLeft", "ArrowLeft"]) {
    press(key);
    found.played.push(playing());
  }
  document.getElementById("fold").click();
  found.open = all("details[open]").length;
  document.body.textContent = "FOUND" + JSON.stringify(found) + "END";
})();
</script></body>"""


@pytest.fixture(scope="module")
def shown(config: Config, dataset: Dataset, tested: NDArray[np.float32]) -> Page:
    outputs = np.zeros((len(tested), 4), np.float32)
    outputs[:, 3] = np.linspace(1, 2, len(tested))  # everything is "no"
    found = clips.choose(dataset, outputs)
    numbers = np.array([clip.number for clip in found.clips])
    return Page(
        "conv_yes-no", found, media.flac(clips.audio(dataset, config.seed, numbers)), media.pictures(tested[numbers])
    )


def test_the_page_is_one_file_that_refers_to_no_other(shown: Page) -> None:
    text = render(shown)
    links = re.findall(r"""(?:src|href)=["']?([^"'\s>]{0,30})""", text) + re.findall(r"url\(([^)]*)\)", text)
    assert len(links) == 36
    assert {link.partition(";")[0] for link in links} == {"data:audio/flac", "data:image/png"}
    assert "http" not in re.sub(r'src="[^"]*"|http-equiv', "", text)
    assert "18 of 26 test clips got the wrong label." in text
    assert "_silence_</b> &rarr; <b>no" in text and "_unknown_</b> (stop) &rarr; <b>no" in text
    assert "background noise<br>no speaker known" in text


def test_nothing_in_a_name_becomes_markup() -> None:
    bad = "\"'><img src=x onerror=alert(1)>&"
    clip = Clip(0, f"{bad}/{bad}_nohash_1.wav", bad, bad, f"{bad}2", 0.5, 0.4)
    text = render(Page(bad, Misheard((clip,), 1, 1, "int8"), ["data:"], ["data:"]))
    assert bad not in text
    assert text.count(escape(bad)) >= 8
    assert len(re.findall("<img", text)) == 1


def test_clips_that_are_left_out_are_counted(shown: Page) -> None:
    few = replace(shown.found, clips=shown.found.clips[:2], misheard=1018)
    text = render(Page("run", few, shown.audio[:2], shown.pictures[:2]))
    assert "Here are the 2 most confident errors; there are 1,016 more." in text


@pytest.mark.parametrize(
    ("tested", "told"), [(323, "All 323 test clips got the right label. Labels"), (0, "There are no test clips.")]
)
def test_a_page_without_errors_says_so_and_has_no_controls(tested: int, told: str) -> None:
    text = render(Page("run", Misheard((), 0, tested, "int8"), [], []))
    assert told in text
    assert "<select" not in text and "<script" not in text


@pytest.mark.skipif(BROWSER is None, reason="no Chromium")
def test_a_browser_groups_sorts_and_plays(shown: Page, tmp_path: Path) -> None:
    path = tmp_path / "misheard.html"
    path.write_text(render(shown).replace("</body>", PROBE), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    flags += ["--autoplay-policy=no-user-gesture-required", "--virtual-time-budget=20000", "--dump-dom"]
    done = subprocess.run([str(BROWSER), *flags, path.as_uri()], capture_output=True, text=True, timeout=120)
    answer = re.search("FOUND(.*)END</body>", done.stdout)
    assert answer, done.stdout[-2000:] + done.stderr[-2000:]
    found = json.loads(answer[1])
    assert found["seconds"] == [1] * 18
    assert found["groups"]["true"] == ["_unknown_ 8 clips", "yes 8 clips", "_silence_ 2 clips"]
    assert found["groups"]["predicted"] == ["no 18 clips"]
    assert found["groups"]["pair"][2] == "_silence_ → no 2 clips"
    assert found["groups"]["none"] == ["all 18 clips"]
    speakers = {clip.speaker for clip in shown.found.clips if clip.speaker}
    assert len(found["groups"]["speaker"]) == len(speakers) + 1 and "no speaker known 2 clips" in str(found)
    for part in (slice(8), slice(8, 16)):  # within each group
        assert found["unsure"][part] == sorted(found["unsure"][part])
        assert found["surest"][part] == sorted(found["surest"][part], reverse=True)
    assert found["played"] == [2, 3, 2, 1]
    assert found["open"] == 0


def test_what_a_form_of_the_model_is_called_is_known() -> None:
    assert set(page.FORMS) == {"int8", "float"}
