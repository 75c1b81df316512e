"""What ``--help`` prints: the commands, and every choice with the first line of its file in ``conf/``.

Hydra's own help takes a second, because it copies all known types once for every group, and tells less.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

COMMANDS = """\
Train, track and prove a keyword spotter for a microcontroller.

  python -m kws_exp words=[yes,no,left]                    train, export and track one
  python -m kws_exp data.dir=FOLDER                        on your own recordings, FOLDER/WORD/*.wav|flac|ogg
  python -m kws_exp experiment=classic                     TensorFlow's speech_commands recipe
  python -m kws_exp --multirun model=tiny_conv,ds_cnn      several, compared
  python -m kws_exp sweeps=compare_models                  all architectures, compared with three seeds each
  python -m kws_exp sweeps=pareto sweeper.constraints.flash_kb=32    what accuracy costs, within a budget
  python -m kws_exp resume=latest                          go on with an interrupted run

Give any setting as KEY=VALUE, as in train.steps=[5000] or seed=1. These show them all, with their values:

  python -m kws_exp --cfg job
  python -m kws_exp --cfg job model=ds_cnn features=mfcc

Choices, as in model=ds_cnn (your own: add --config-dir DIR with files of the same form, such as DIR/model/mine.yaml):
"""
WIDTH = 90  # characters of a choice's description
FURTHER = "Other options of Hydra, such as --info and --shell-completion: python -m kws_exp --hydra-help"


def text(root: Path, groups: Sequence[str]) -> str:
    """Return the help for the configuration below ``root``, which holds ``conf/`` and ``sweeps/``."""
    lines = [line for group in groups for line in _choices(root, group)]
    return "\n".join([COMMANDS, *lines, "", FURTHER])


def _choices(root: Path, group: str) -> Iterator[str]:
    folder = root / group if group == "sweeps" else root / "conf" / group
    for path in sorted(folder.glob("*.yaml")):
        yield f"  {f'{group}={path.stem}':<27} {_summary(path)}"


def _summary(path: Path) -> str:
    """Return the first sentence of a file's header."""
    header = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if "@package" not in line:
            header.append(line.lstrip("# "))
    sentence = re.split(r"[.:?;] |  | python -m", " ".join(header))[0]
    return textwrap.shorten(sentence.rstrip("."), WIDTH, placeholder=" ...")
