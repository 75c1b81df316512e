"""Where a study lies: names in, addresses out; what cannot be opened is told in one sentence."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.study import StudyDirection

from kws_exp.errors import KwsError
from kws_exp.sweep import storage


@pytest.mark.parametrize(
    ("given", "resolved"),
    [
        (None, "{cwd}/out/optuna.journal"),
        ("mine.journal", "{cwd}/mine.journal"),
        ("/mine.journal", "/mine.journal"),
        ("sqlite:///mine.db", "sqlite:///mine.db"),
        ("postgresql://me:pw@host/db", "postgresql+psycopg://me:pw@host/db"),
        ("postgresql+psycopg2://me@host/db", "postgresql+psycopg2://me@host/db"),
        ("mysql://me@host/mysql", "mysql+pymysql://me@host/mysql"),
        ("mariadb://me@host/db", "mariadb+pymysql://me@host/db"),
        ("grpc://host:13001", "grpc://host:13001"),
    ],
)
def test_resolve(given: str | None, resolved: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert storage.resolve(given, "out") == resolved.format(cwd=tmp_path)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("postgres://me:secret@host/db", "did you mean 'postgresql'.*: give a file, sqlite:///FILE"),
        ("http://me:secret@host/db", "of no known kind"),
        ("redis://:secret@host", "of no known kind"),
    ],
)
def test_an_unknown_kind(given: str, sentence: str) -> None:
    with pytest.raises(KwsError) as caught:
        storage.resolve(given, "out")
    assert re.search(sentence, str(caught.value)), caught.value
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("postgresql://me:pw@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("postgresql://me:p:w/x@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:p@w@host/db", "postgresql://me:***@host/db"),
        ("postgresql://:pw@host/db", "postgresql://:***@host/db"),
        ("postgresql://host/db?password=pw&x=1", "postgresql://host/db?password=***&x=1"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("grpc://host:1", "grpc://host:1"),
        ("/a:b@c/optuna.journal", "/a:b@c/optuna.journal"),
        ("no route to postgresql://me:pw@host/db today", "no route to postgresql://me:***@host/db today"),
    ],
)
def test_passwords_are_hidden(written: str, shown: str) -> None:
    assert storage.shown(written) == shown


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A port that takes connections and never answers, and as little patience as a PostgreSQL driver has."""
    monkeypatch.setattr(storage, "PATIENCE_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def complaint(url: str) -> str:
    with pytest.raises(KwsError) as caught:
        storage.open_storage(storage.resolve(url, "out"))
    message = str(caught.value)
    assert len(message.splitlines()) == 1, message
    assert "secret" not in message
    return message


def test_a_closed_port(closed: int) -> None:
    message = complaint(f"postgresql://me:secret@127.0.0.1:{closed}/db")
    assert re.search(r"me:\*\*\*@127.0.0.1.* cannot be opened \(.*refused.*start it, or correct its address", message)


def test_an_unknown_host() -> None:
    assert "cannot be opened" in complaint("postgresql://me:secret@no-such-host.invalid/db")


@pytest.mark.parametrize("scheme", ["postgresql", "grpc"])
def test_a_server_that_does_not_answer(scheme: str, silent: int) -> None:
    assert "cannot be opened" in complaint(f"{scheme}://127.0.0.1:{silent}/db")


def test_a_proxy_that_is_not_there(closed: int, silent: int) -> None:
    assert f"grpc://127.0.0.1:{closed} cannot be opened" in complaint(f"grpc://127.0.0.1:{closed}")


def test_a_driver_that_is_missing() -> None:
    assert re.search(r"needs a driver .*kws-exp\[sql\]", complaint("mysql+mysqldb://me:secret@host/db"))


def test_a_proxy_s_driver_that_is_missing(tmp_path: Path) -> None:
    code = (
        "import sys\nsys.modules['grpc'] = None\nfrom kws_exp.sweep import storage\n"
        "storage.open_storage('grpc://localhost:1')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert re.search(r"KwsError: .*needs a driver \(.*\): pip install 'kws-exp\[grpc\]'", done.stderr), done.stderr


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"hello", "must be a journal, but is another kind of file: name one that does not exist"),
        (b'{"a": 1}\n', "but is another kind of file"),
        (b"\xff\x00", "but is another kind of file"),
        (b"SQLite format 3\0...", "but is an SQLite database: write sweeper.storage=sqlite:///"),
    ],
)
def test_a_file_that_is_no_journal(content: bytes, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "there"
    path.write_bytes(content)
    with pytest.raises(KwsError, match=sentence):
        storage.resolve(str(path), "out")
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"{", b'{"op_code"', b'{"op_code":0,"worker_id":"x"'])
def test_a_journal_whose_first_line_was_cut_short_is_one(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(content)
    assert storage.resolve(str(tmp_path / "there"), "out") == str(tmp_path / "there")


def test_a_journal_is_taken_for_one(tmp_path: Path) -> None:
    path = str(tmp_path / "mine.journal")
    storage.open_storage(path).create_new_study([StudyDirection.MINIMIZE], "x")
    assert storage.resolve(path, "out") == path


def test_a_folder_in_the_place_of_a_journal(tmp_path: Path) -> None:
    with pytest.raises(KwsError, match=r"must be a file, but is a folder: write sweeper.storage=.*/optuna.journal"):
        storage.resolve(str(tmp_path), "out")


@pytest.mark.parametrize("scheme", ["", "sqlite:///"])
def test_a_folder_that_cannot_be_written(scheme: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be opened" in complaint(f"{scheme}{tmp_path}/file/study")


@pytest.mark.parametrize("name", ["my optuna.journal", "sqlite:///my optuna.db"])
def test_four_processes_make_a_storage_at_once(name: str, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom kws_exp.sweep import storage\nfrom optuna.study import StudyDirection\n"
        "input()\nopened = storage.open_storage(storage.resolve(sys.argv[1], 'out'))\n"
        "opened.create_new_study([StudyDirection.MINIMIZE], sys.argv[2])"
    )
    command = (sys.executable, "-W", "error", "-c", code, name)
    processes = [
        subprocess.Popen((*command, f"study {i}"), stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path)
        for i in range(4)
    ]
    for process in processes:
        assert process.stdin
        process.stdin.write(b"\n")
        process.stdin.flush()
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, errors
    path = name if "://" in name else str(tmp_path / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        studies = storage.open_storage(path).get_all_studies()
    assert sorted(study.study_name for study in studies) == [f"study {i}" for i in range(4)]
