from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from kws_exp.c99.settings import c_string


@given(st.text(max_size=80))
def test_c_string_gives_back_the_text(text: str) -> None:
    literal = c_string(text)
    assert literal.isascii()
    inner = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), literal[1:-1])
    assert inner.encode("latin-1").decode() == text
    assert not set(literal[1:-1]) & set('"\n?')  # ?: no trigraphs
