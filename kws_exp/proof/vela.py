"""What an Ethos-U would make of the model, as Arm's compiler Vela reckons it: ``pip install 'kws-exp[ethos-u]'``.

Cycles and memory are Vela's own estimates for the system configuration that it takes by default, Ethos_U55_High_End_
Embedded at 500 MHz with shared SRAM. Nothing is run: no emulator of the accelerator comes with pip.
"""

from __future__ import annotations

import csv
import importlib.util
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "ethosu"
NOT_RUN = "not run: ethos-u-vela is not installed"


@dataclass(frozen=True)
class EthosU:
    """Vela's estimate for an accelerator."""

    accelerator: str
    status: str  # "estimated", "not run: WHY" or "failed: WHY"
    cycles: int = 0
    ms: float = 0.0
    sram: int = 0  # bytes
    flash: int = 0  # bytes, off the chip
    clock_mhz: float = 0.0


def estimate(model: Path, accelerators: list[str]) -> tuple[EthosU, ...]:
    """Compile an int8 model for each accelerator, as Vela names them: ethos-u55-128, ethos-u65-256 ..."""
    installed = importlib.util.find_spec(PACKAGE) is not None
    return tuple(_estimate(model, name) if installed else EthosU(name, NOT_RUN) for name in accelerators)


def _estimate(model: Path, accelerator: str) -> EthosU:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "ethosu.vela", str(model), "--accelerator-config", accelerator]
        done = subprocess.run([*command, "--output-dir", folder], capture_output=True, text=True, errors="replace")
        found = list(Path(folder).glob("*_summary_*.csv"))
        if done.returncode or not found:
            reason = (done.stderr.strip().splitlines() or ["it printed no reason"])[-1]
            return EthosU(accelerator, f"failed: {reason}")
        with found[0].open(encoding="utf-8", newline="") as file:
            row = next(csv.DictReader(file))
    return EthosU(
        accelerator=accelerator,
        status="estimated",
        cycles=int(float(row["cycles_total"])),
        ms=1000 * float(row["inference_time"]),
        sram=round(1024 * float(row["sram_memory_used"])),
        flash=round(1024 * float(row["off_chip_flash_memory_used"])),
        clock_mhz=float(row["core_clock"]) / 1e6,
    )
