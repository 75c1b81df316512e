"""``misheard.html``: one file that plays the misclassified clips, wherever it is copied to, with no network.

All clips are in the page, the most confident error first; page.js groups and sorts them and plays them. The surprising
fact: MLflow shows the page in a sandbox that allows scripts but no storage, so it remembers no choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from kws_exp.misheard.clips import SPEAKER_END, Clip, Misheard

FORMS = {"int8": "the int8 model, in the device's arithmetic", "float": "the Keras model"}
# nothing is loaded from anywhere, whatever a file name or a word may hold
POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
TOOLS = """<div class="tools" role="toolbar" aria-label="order of the clips">
<label>group by <select id="group">
<option value="pair">true and predicted</option><option value="true">true word</option>
<option value="predicted">predicted word</option><option value="speaker">speaker</option>
<option value="none">nothing</option></select></label>
<label>sort by <select id="order"><option value="surest">confidence, highest first</option>
<option value="unsure">confidence, lowest first</option><option value="path">file</option></select></label>
<button id="fold" type="button">close all</button>
<span class="keys">Click or <kbd>Enter</kbd> plays; <kbd>&larr;</kbd> <kbd>&rarr;</kbd> play the neighbours</span>
</div>"""


@dataclass(frozen=True)
class Page:
    """What the page shows; the URIs are in the order of the clips."""

    run: str
    found: Misheard
    audio: Sequence[str]
    pictures: Sequence[str]


def render(page: Page) -> str:
    """Return the page."""
    here, found = Path(__file__).parent, page.found
    cards = [_card(*card) for card in zip(found.clips, page.audio, page.pictures, strict=True)]
    body = [f"<h1>Misheard: {escape(page.run)}</h1>", f"<p>{escape(_headline(found))}</p>"]
    if cards:
        script = (here / "page.js").read_text(encoding="utf-8")
        body += [TOOLS, '<main id="clips" class="grid">', *cards, "</main>", f"<script>\n{script}</script>"]
    head = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Misheard: {escape(page.run)}</title>",
        f"<style>\n{(here / 'page.css').read_text(encoding='utf-8')}</style></head><body>",
    ]
    return "\n".join([*head, *body, "</body></html>\n"])


def _headline(found: Misheard) -> str:
    scores = f"Labels and scores are those of {FORMS[found.form]}."
    if not found.tested:
        return "There are no test clips."
    if not found.misheard:
        return f"All {found.tested:,} test clips got the right label. {scores}"
    more = found.misheard - len(found.clips)
    rest = f" Here are the {len(found.clips):,} most confident errors; there are {more:,} more." if more else ""
    return f"{found.misheard:,} of {found.tested:,} test clips got the wrong label.{rest} {scores}"


def _card(clip: Clip, audio: str, picture: str) -> str:
    true, predicted = escape(clip.true), escape(clip.predicted)
    said = f" ({escape(clip.spoken)})" if clip.spoken not in ("", clip.true) else ""
    path, speaker = escape(clip.path or "background noise"), escape(clip.speaker or "no speaker known")
    who = f"speaker {speaker}" if clip.speaker else speaker
    return (
        f'<article class="clip" data-true="{true}" data-predicted="{predicted}" data-speaker="{speaker}" '
        f'data-path="{path}" data-score="{clip.score:.6f}">\n'
        f'<button type="button" aria-label="play {true}{said}, taken for {predicted}, {clip.score:.0%}">'
        f'<img alt="" src="{picture}"><span class="cursor"></span></button>\n'
        f'<audio controls preload="none" src="{audio}"></audio>\n'
        f'<p class="words"><b>{true}</b>{said} &rarr; <b>{predicted}</b></p>\n'
        f'<p class="scores"><span class="bar" style="width:{clip.score:.1%}"></span>{clip.score:.1%}, '
        f"right label {clip.true_score:.1%}</p>\n"
        f'<p class="file">{path.replace(SPEAKER_END, "<wbr>" + SPEAKER_END)}<br>{who}</p>\n</article>'
    )
