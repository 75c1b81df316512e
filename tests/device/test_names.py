from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws_exp.device import names

ANY = st.text(max_size=80)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("tiny_conv", "tiny_conv_kws"),
        ("my run: yes/no", "my_run_yes_no_kws"),
        ("1st", "run_1st_kws"),
        ("../../x", "x_kws"),
        ("C:\\x\n", "C_x_kws"),
        ("für dich", "fur_dich_kws"),
        ("", "unnamed_kws"),
        ("日本", "unnamed_kws"),
        ("kws.h", "kws_h_kws"),
    ],
)
def test_stem(name: str, stem: str) -> None:
    assert names.stem(name) == stem


@given(ANY)
def test_stem_is_an_identifier_and_a_file_name_whatever_the_name(name: str) -> None:
    stem = names.stem(name)
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*_kws", stem)
    assert len(stem) <= 63
    assert names.stem(stem) == f"{stem[:40].rstrip('_')}_kws"


@given(st.lists(ANY, max_size=5))
def test_title_means_nothing_to_yaml_and_kconfig(labels: list[str]) -> None:
    title = names.title(labels)
    assert title.startswith("Keyword spotter for ") or title == "Keyword spotter for"
    assert not set(title) & set("\"'\\$#:{}[]()\n\r\t")


@given(ANY)
def test_markdown_keeps_to_its_line_and_its_cell(text: str) -> None:
    shown = names.markdown(text)
    assert "\n" not in shown and "\r" not in shown
    assert not re.search(r"(?<!\\)(\\\\)*[|`<>\[\]]", shown)
