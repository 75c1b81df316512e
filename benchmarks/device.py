"""What each architecture takes and gives on the device: ``python -m benchmarks.device ../shared/speech_commands``.

Trains every architecture for a few hundred steps on yes and no with the default settings, exports and proves it, and
prints the table of ``docs/device.md``. Flash, RAM and instructions are those of the generated C for a Cortex-M4 (gcc
-O2, RAM without the stack, the front end included); the arena is TensorFlow Lite Micro's on the host. Ten minutes on
two cores, most of it ``conv`` in TensorFlow Lite Micro's interpreter.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from kws_exp import run_folder
from kws_exp.models import ARCHITECTURES

# of training: batch normalisation needs a thousand to settle
STEPS = dict.fromkeys(ARCHITECTURES, 300) | {"ds_cnn": 1000}
HEAD = (
    "| model | steps | accuracy Keras | int8 | clips | bytes equal, host | cores | flash | RAM | arena | instructions |"
)


def main(folder: str, *names: str) -> None:
    """Print a row for each architecture, or for those named."""
    print(f"{HEAD}\n|{'---|' * HEAD.count(' | ')}---|")
    for name in names or ARCHITECTURES:
        with tempfile.TemporaryDirectory() as scratch:
            command = [sys.executable, "-m", "kws_exp", f"data.dir={folder}", "words=[yes,no]", f"model={name}"]
            command += [f"train.steps=[{STEPS[name]}]", "tracking=off", f"output_dir={scratch}"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            (proof,) = Path(scratch).glob("runs/*/export/proof.json")
            print(_row(name, run_folder.read_json(proof)), flush=True)


def _row(name: str, proof: dict[str, Any]) -> str:
    forms, device = proof["forms"], proof["device"]
    equal = sum(device["compared"].values()) - sum(device["different"].values())
    cores = ", ".join(f"{core['name'].removeprefix('cortex-')} {core['status']}" for core in device["cores"])
    main_core = device["cores"][0]
    cells = [
        *(f"`{name}`", f"{STEPS[name]}"),
        *(f"{forms['accuracy'][form]:.1%}" for form in ("keras", "int8_tflm")),
        *(f"{forms['clips']}", f"{equal:,} of {sum(device['compared'].values()):,}", cores),
        *(f"{main_core['flash']:,}", f"{main_core['ram']:,}", f"{forms['arena']['host_bisect']:,}"),
        f"{main_core['inference_instructions']:,}",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main(*sys.argv[1:])
