"""A worker's share of the cores."""

import os

import pytest

from kws_exp import cpu


@pytest.mark.parametrize(("given", "expected"), [("1", 1), ("3", 3), ("", os.cpu_count()), ("0", os.cpu_count())])
def test_cores(given: str, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cpu.VARIABLE, given)
    assert cpu.cores() == expected
