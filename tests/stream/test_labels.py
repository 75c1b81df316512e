from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kws_exp.errors import KwsError
from kws_exp.schema import SILENCE, UNKNOWN
from kws_exp.stream.events import Utterance
from kws_exp.stream.labels import read, write, write_classic

LABELS = (SILENCE, UNKNOWN, "yes", "no", "größer")


def file(folder: Path, text: str) -> Path:
    path = folder / "labels.txt"
    path.write_bytes(text.encode())
    return path


gaps = st.lists(
    st.tuples(st.floats(0, 100), st.floats(0, 100), st.sampled_from(LABELS)), max_size=20
)  # before, how long, what


@settings(max_examples=30)
@given(words=gaps)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, words: list[tuple[float, float, str]]
) -> None:
    utterances, time = [], 0.0
    for gap, length, word in words:
        utterances.append(Utterance(word, round(time + gap, 6), round(time + gap + length, 6)))
        time = utterances[-1].end + 0.002
    path = tmp_path_factory.mktemp("labels") / "labels.txt"
    write(path, utterances)
    assert read(path, LABELS, time) == utterances
    assert [child.name for child in path.parent.iterdir()] == ["labels.txt"]


def test_audacity(tmp_path: Path) -> None:
    # a byte-order mark, the line ends of Windows, frequencies of a selection, a point, an order of its own
    text = "\ufeff12.500000\t13.000000\tno\r\n\\\t200.0\t3000.0\r\n1.250000\t1.250000\tgrößer\r\n\r\n"
    assert read(file(tmp_path, text), LABELS, 13) == [Utterance("größer", 1.25, 1.25), Utterance("no", 12.5, 13.0)]


def test_the_tutorial_s_lines(tmp_path: Path) -> None:
    path = file(tmp_path, "yes, 1500.000000\n_unknown_,4000\nno, 4600.5\nyes, 9200\n")
    expected = [
        Utterance("yes", 1.5, 2.5),
        Utterance(UNKNOWN, 4.0, 4.6005),  # to the next word
        Utterance("no", 4.6005, 5.6005),
        Utterance("yes", 9.2, 9.7),  # to the end
    ]
    assert read(path, LABELS, 9.7) == expected
    write_classic(path, expected)
    assert path.read_text() == "yes, 1500.000000\n_unknown_, 4000.000000\nno, 4600.500000\nyes, 9200.000000\n"
    assert [one.begin for one in read(path, LABELS)] == [one.begin for one in expected]


def test_no_lines_no_words(tmp_path: Path) -> None:
    assert read(file(tmp_path, "\n"), LABELS) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1\t2\tyes\n3\t4\tYess\n", "line 2: 'Yess' is not a label of this network (did you mean 'yes'?): its labels"),
        ("1\t2\t\n", "line 1: '' is not a label of this network: its labels are _silence_, _unknown_, yes, no, größer"),
        ("1\t2\n", "line 1: a line is 'begin<tab>end<tab>word' in seconds, as Audacity exports labels, or"),
        ("yes\n", "'word, milliseconds', but this is 'yes': write it so"),
        ("0,5\t2\tyes\n", "line 1: a time must be a number from 0, but is '0,5': write one like 12.5"),
        ("nan\t2\tyes\n", "must be a number from 0, but is 'nan'"),
        ("-1\t2\tyes\n", "must be a number from 0, but is '-1'"),
        ("yes, 1e400\n", "must be a number from 0, but is '1e400'"),
        ("\n3\t2\tyes\n", "line 2: 'yes' must not end before it begins, but is from 3 to 2 s: swap the two times"),
        ("3\t9.5\tno\n", "line 1: 'no' must end within the recording of 9 s, but ends at 9.5 s: take the label file"),
        ("no, 9500\n", "line 1: 'no' must end within the recording of 9 s, but ends at 9.5 s"),
        (
            "5\t6\tno\n1\t5.1\tyes\n",
            "lines 2 and 1: two words must not overlap, but 'yes' ends at 5.1 s and 'no' begins",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(KwsError) as caught:
        read(file(tmp_path, text), LABELS, 9)
    assert sentence in str(caught.value)
    assert str(tmp_path / "labels.txt") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_text_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    with pytest.raises(KwsError, match=r"the label file .*labels\.txt cannot be read: No such file or directory"):
        read(path, LABELS)
    path.write_bytes(b"RIFF\xff\xfe")
    with pytest.raises(KwsError, match=r"labels\.txt is no label file: it must be text in UTF-8"):
        read(path, LABELS)
