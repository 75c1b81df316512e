from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kws_exp.c99 import host
from kws_exp.errors import KwsError

needs_compiler = pytest.mark.skipif(host.compiler() is None, reason="no C compiler")
ECHO = """
#include <stdio.h>

int main(void)
{
    char clip[3];
    while (fread(clip, sizeof clip, 1, stdin) == 1)
        putchar(clip[0] + clip[1]);
    return 0;
}
"""


def test_compiler_is_the_one_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "env VARIABLE=1 cc")
    assert host.compiler() == ["env", "VARIABLE=1", "cc"]
    monkeypatch.setenv("CC", "no-such-compiler")
    assert host.compiler() is None


def test_no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    assert host.compiler() is None
    with pytest.raises(KwsError, match=r"^No C compiler was found: install one as cc, gcc or clang"):
        host.compile(tmp_path, ["main.c"], tmp_path / "program")


@needs_compiler
def test_fast_leaves_out_what_the_compiler_does_not_know(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = " ".join(host.compiler() or [])
    refusing = tmp_path / "refusing"
    refusing.write_text(f'#!/bin/sh\ncase "$*" in *-march=native*) exit 1;; esac\nexec {real} "$@"\n')
    refusing.chmod(0o755)
    assert set(host.fast()) >= set(host.FAST)
    monkeypatch.setenv("CC", str(refusing))
    assert host.fast() == host.FAST


@needs_compiler
def test_run_in_parts(tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text(ECHO)
    program = host.compile(tmp_path, ["main.c"], tmp_path / "echo")
    clips = np.random.default_rng(0).integers(-60, 60, (101, 3)).astype(np.int8)
    assert np.array_equal(host.feed(program, clips), clips[:, :2].sum(1, dtype=np.int8, keepdims=True))


@needs_compiler
def test_what_does_not_compile(tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text("int main(void) { return nothing; }\n")
    with pytest.raises(KwsError, match=r"^The C compiler \S+ failed: .*main\.c:1:.* error: .*nothing"):
        host.compile(tmp_path, ["main.c"], tmp_path / "program")
    with pytest.raises(KwsError, match=r"^The C compiler no-such-compiler does not start: "):
        host.compile(tmp_path, ["main.c"], tmp_path / "program", command=["no-such-compiler"])


@needs_compiler
def test_what_fails(tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text('#include <stdio.h>\nint main(void) { fputs("no", stderr); return 3; }\n')
    program = host.compile(tmp_path, ["main.c"], tmp_path / "program")
    with pytest.raises(KwsError, match=r"^program ended with status 3: no"):
        host.feed(program, np.zeros((1, 1), np.int8))
