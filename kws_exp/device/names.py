"""From what the user typed, a run's name and the words, to what a file system, C and Markdown take.

A run may be called ``../../x``, ``my run: yes/no`` or ``1st``. The surprising fact: ending in ``_kws`` is what makes
any of them safe. No word of C, no device of Windows (``con``, ``nul``) and none of the exported files ends so.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_LONGEST = 40  # characters; Arduino takes 63 for the name of a library
_MARKUP = re.compile(r"([\\`*_\[\]<>|~])")


def stem(name: str) -> str:
    """Return the name of the libraries: a C identifier that is also a file name and a CMake target."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_")[:_LONGEST].strip("_")
    if not words:
        return "unnamed_kws"
    return f"run_{words}_kws" if words[0].isdigit() else f"{words}_kws"


def one_line(text: str) -> str:
    """Return ``text`` with every run of white space, control characters included, as one space."""
    printable = (character if character.isprintable() else " " for character in text)
    return " ".join("".join(printable).split())


def title(labels: Sequence[str]) -> str:
    """Return a line that names the keywords, of characters that mean nothing to YAML, Kconfig and CMake."""
    words = ["".join(c if c.isalnum() or c in "-_." else " " for c in label) for label in labels]
    return f"Keyword spotter for {one_line(', '.join(words))}"


def markdown(text: str) -> str:
    """Return ``text`` as Markdown that shows it as it is, in one line."""
    return _MARKUP.sub(r"\\\1", one_line(text))
