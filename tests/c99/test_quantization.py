"""The requantisation: in C, in Python, and as it is defined."""

from __future__ import annotations

import itertools
import math
import struct
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kws_exp import c99
from kws_exp.c99 import fixed_point, host
from kws_exp.c99.quantization import (
    LARGEST_SUM,
    activation_limits,
    mean_multiplier,
    quantize_multiplier,
    round_half_away,
)
from kws_exp.errors import KwsError
from tests.c99.compare import SANITIZED

PROGRAM = """
#include <stdio.h>
#include "kws_kernels.h"

int main(void)
{
    int32_t given[3];
    while (fread(given, sizeof given, 1, stdin) == 1) {
        const int32_t made = kws_rescale(given[0], given[1], given[2]);
        fwrite(&made, sizeof made, 1, stdout);
    }
    return 0;
}
"""


def exact(value: int, multiplier: int, shift: int) -> int:
    """Twice rounded: the high half of the doubled product, halves upwards; a shift, halves away from zero."""
    high = math.floor(Fraction(value * 2 ** max(0, shift) * multiplier, 2**31) + Fraction(1, 2))
    shifted = Fraction(abs(high), 2 ** max(0, -shift))
    return int(math.copysign(1, high)) * math.floor(shifted + Fraction(1, 2))


@st.composite
def cases(draw: st.DrawFn) -> tuple[int, int, int]:
    shift = draw(st.integers(-31, 30))
    most = LARGEST_SUM >> max(0, shift)
    near = st.sampled_from([0, 1, most, most // 2, 2 ** max(0, -shift - 1)]).flatmap(
        lambda n: st.integers(n - 2, n + 2)
    )
    value = draw((near | st.integers(0, most)).filter(lambda value: abs(value) <= most)) * draw(
        st.sampled_from([-1, 1])
    )
    return value, draw(st.sampled_from([0, 1, 2**30, 2**31 - 1]) | st.integers(0, 2**31 - 1)), shift


@given(cases())
def test_python(case: tuple[int, int, int]) -> None:
    assert fixed_point.rescale(*case) == exact(*case)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if host.compiler() is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("rescale")
    (folder / "main.c").write_text(PROGRAM)
    kernels = c99.RUNTIME / "kws_kernels.c"
    return host.compile(folder, ["main.c", kernels], folder / "rescale", (*SANITIZED, f"-I{c99.RUNTIME}"))


EXTREMES = [
    (sign * (LARGEST_SUM >> max(0, shift)), multiplier, shift)
    for shift, multiplier, sign in itertools.product(range(-31, 31), (0, 1, 2**30, 2**31 - 1), (-1, 1))
]


@settings(max_examples=50)  # of many cases each
@example(many=EXTREMES)
@given(many=st.lists(cases(), min_size=1, max_size=200))
def test_c(program: Path, many: list[tuple[int, int, int]]) -> None:
    given = b"".join(struct.pack("<3i", *case) for case in many)
    done = subprocess.run([program], input=given, capture_output=True, check=True)
    assert list(struct.unpack(f"<{len(many)}i", done.stdout)) == [exact(*case) for case in many]


@given(st.floats(2**-31, 2**29))
def test_multiplier_is_the_nearest(real: float) -> None:
    value, shift = quantize_multiplier(real)
    assert 2**30 <= value < 2**31
    assert abs(Fraction(value) * Fraction(2) ** (shift - 31) - Fraction(real)) <= Fraction(2) ** (shift - 32)


def test_multipliers_at_the_ends() -> None:
    assert quantize_multiplier(0.0) == (0, 0)
    assert quantize_multiplier(2.0**-40) == (0, 0)
    assert quantize_multiplier(1.0) == (2**30, 1)
    assert quantize_multiplier(math.nextafter(1, 0)) == (2**30, 1)
    with pytest.raises(KwsError, match=r"cannot multiply by 1\.07374e\+09"):
        quantize_multiplier(2.0**30)


@given(st.floats(1e-3, 1e3), st.integers(1, 10_000))
def test_mean(ratio: float, count: int) -> None:
    value, shift = mean_multiplier(ratio, 1.0, count)
    assert -31 <= shift <= 30
    assert 0 <= value < 2**31
    assert value * 2.0 ** (shift - 31) == pytest.approx(ratio / count, rel=1e-4)


@pytest.mark.parametrize(
    ("activation", "expected"),
    [("NONE", (-128, 127)), ("RELU", (-10, 127)), ("RELU6", (-10, 50)), ("RELU_N1_TO_1", (-20, 0)), ("TANH", None)],
)
def test_limits(activation: str, expected: tuple[int, int] | None) -> None:
    assert activation_limits(activation, 0.1, -10) == expected


def test_limits_beyond_int8() -> None:
    assert activation_limits("RELU6", 0.01, 0) == (0, 127)
    assert activation_limits("RELU_N1_TO_1", 0.001, 0) == (-128, 127)


@pytest.mark.parametrize(("value", "rounded"), [(0.5, 1), (-0.5, -1), (1.49, 1), (-2.5, -3), (0.0, 0)])
def test_halves_go_away_from_zero(value: float, rounded: int) -> None:
    assert round_half_away(value) == rounded
