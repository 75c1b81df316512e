"""From instructions to milliseconds: an estimate, given as a range, with its source.

Cycles per instruction come from dividing the cycles of published MLPerf Tiny results (TVM's code with CMSIS-NN's
kernels: NUCLEO-L4R5ZI, Cortex-M4 at 120 MHz, and nRF5340, Cortex-M33 at 128 MHz, tiny_results_v1.0) by the
instructions of the same four networks with the same kernels, counted under QEMU: 1.50 to 1.77 on the M4 and 1.23 to
1.38 on the M33. The other cores have no such pair of figures. Their ranges are wider and follow from these: M3 as M4,
with which it shares its pipeline; M7 half to two thirds of M4 (X-CUBE-AI takes 0.52 to 0.56 of the M4's cycles); M0+
from its two-stage pipeline without wait states to the M4's figure; M55 from half to one and a half.
"""

from __future__ import annotations

from typing import NamedTuple

METHOD = (
    "estimate: instructions counted under QEMU x cycles per instruction (M4 and M33 from MLPerf Tiny results, other "
    "cores inferred from them) / clock; not measured on hardware"
)


class Range(NamedTuple):
    """Lowest and highest, in milliseconds."""

    low: float
    high: float


class Clock(NamedTuple):
    """A usual clock of a core, and its cycles per instruction."""

    mhz: int
    low: float
    high: float


CLOCKS = {
    "cortex-m0plus": Clock(64, 1.1, 1.8),
    "cortex-m3": Clock(72, 1.4, 1.8),
    "cortex-m4": Clock(120, 1.5, 1.8),
    "cortex-m7": Clock(216, 0.7, 1.1),
    "cortex-m33": Clock(128, 1.2, 1.4),
    "cortex-m55": Clock(160, 0.5, 1.5),
}


def estimate(core: str, instructions: int) -> Range:
    """Return how long so many instructions may take at the core's usual clock."""
    clock = CLOCKS[core]
    low, high = (instructions * cycles / clock.mhz / 1000 for cycles in (clock.low, clock.high))
    return Range(low, high)
