from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kws_exp.c99 import qemu
from kws_exp.errors import KwsError
from kws_exp.features import micro
from tests.c99 import programs

pytestmark = pytest.mark.skipif(not qemu.available(), reason=f"not installed: {', '.join(qemu.missing())}")

FRONTEND_MAIN = """
#include "counter.h"
#include "kws_frontend.h"
#include "semihost.h"

static kws_frontend frontend;
static int16_t clip[16000];

int main(void)
{
    uint16_t features[KWS_FRONTEND_CHANNELS];
    size_t taken = 0;
    kws_frontend_init(&frontend);
    if (semihost_input(clip, sizeof clip) != sizeof clip)
        return 1;
    counter_start();
    while (taken < 16000) {
        int finished;
        const uint32_t start = counter_now();
        taken += kws_frontend_push(&frontend, clip + taken, 16000 - taken, features, &finished);
        if (finished) {
            semihost_count(counter_since(start));
            semihost_output(features, sizeof features);
        }
    }
    return 0;
}
"""
LOOP_MAIN = """
#include <string.h>
#include "counter.h"
#include "semihost.h"

static uint32_t initialised = 11, zero;

int main(void)
{
    char echo[5];
    const size_t size = semihost_input(echo, sizeof echo);
    counter_start();
    const uint32_t start = counter_now();
    __asm__ volatile(".syntax unified\\n"
                     "ldr r3, =500000\\n"
                     "1: subs r3, #1\\n"
                     "nop\\n"
                     "nop\\n"
                     "bne 1b\\n" ::: "r3", "cc");
    semihost_count(counter_since(start));
    semihost_output(echo, size);
    semihost_output(echo, size);
    return zero == 0 && semihost_input(echo, 1) == 0 ? (int)initialised++ : 1;
}
"""
SIZE_MAIN = "volatile char ram[1000] = {1}, more[500]; int main(void) { return ram[0] + more[0]; }"


def build(folder: Path, main: str, core: str, sources: tuple[str, ...] = ()) -> Path:
    (folder / "main.c").write_text(main)
    return qemu.build(folder, ["main.c", *sources], core, folder / f"{core}.elf")


@pytest.mark.parametrize("core", qemu.CORES)
def test_features_are_those_of_the_training(core: str, tmp_path: Path) -> None:
    programs.write_tables(tmp_path, micro.Micro())
    for name in ("kws_frontend.c", "kws_frontend.h", "kws_fft.c", "kws_fft.h"):
        (tmp_path / name).write_bytes((programs.RUNTIME / name).read_bytes())
    elf = build(tmp_path, FRONTEND_MAIN, core, ("kws_frontend.c", "kws_fft.c"))
    with np.load(programs.GOLDEN) as golden:
        clip, expected = golden["pcm"][list(qemu.CORES).index(core)], golden["features_30_20"]
    result = qemu.run(elf, core, clip.tobytes())
    assert result.status == 0
    features = np.frombuffer(result.output, "<u2").reshape(49, 40)
    np.testing.assert_array_equal(features, expected[list(qemu.CORES).index(core)])
    assert len(result.instructions) == 49
    assert np.mean(result.instructions) < (180_000 if core == "cortex-m0plus" else 85_000)  # a count, not a time


def test_counts_past_the_timers_24_bits(tmp_path: Path) -> None:
    """At 40 instructions a tick, it begins anew after 671 million."""
    elf = build(tmp_path, LOOP_MAIN.replace("=500000", "=250000000"), "cortex-m4")
    (counted,) = qemu.run(elf, "cortex-m4", b"hello").instructions
    assert abs(counted - 1_000_000_000) <= 1000


@pytest.mark.parametrize("core", qemu.CORES)
def test_counts_input_and_status(core: str, tmp_path: Path) -> None:
    result = qemu.run(build(tmp_path, LOOP_MAIN, core), core, b"hello")
    assert result.status == 11
    assert result.output == b"hellohello"
    assert len(result.instructions) == 1
    assert abs(result.instructions[0] - 2_000_000) <= 2 * 50


def test_the_same_counts_twice(tmp_path: Path) -> None:
    elf = build(tmp_path, LOOP_MAIN, "cortex-m4")
    assert qemu.run(elf, "cortex-m4", b"x") == qemu.run(elf, "cortex-m4", b"x")


def test_size(tmp_path: Path) -> None:
    elf = build(tmp_path, SIZE_MAIN, "cortex-m4")
    size = qemu.size(elf)
    assert 1500 <= size.ram < 1600
    assert 1000 + 500 < size.flash < 4000  # with the initial values of `ram`


def test_what_goes_wrong(tmp_path: Path) -> None:
    fault = build(tmp_path, "int main(void) { return *(volatile int *)0xFFFFFFF0u; }", "cortex-m4")
    with pytest.raises(KwsError, match=r"cortex-m4\.elf on an emulated cortex-m4: ran into a fault"):
        qemu.run(fault, "cortex-m4")
    endless = build(tmp_path, "int main(void) { for (;;) { } }", "cortex-m4")
    with pytest.raises(KwsError, match=r"did not end within 0\.5 s"):
        qemu.run(endless, "cortex-m4", timeout=0.5)
    with pytest.raises(KwsError, match=r"arm-none-eabi-gcc failed: .*error"):
        build(tmp_path, "int main(void) { return none; }", "cortex-m4")
    (tmp_path / "text.elf").write_text("no program")
    with pytest.raises(KwsError, match=r"text\.elf on an emulated cortex-m4: "):
        qemu.run(tmp_path / "text.elf", "cortex-m4")
