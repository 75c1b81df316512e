"""From an int8 ``.tflite`` file to the same network in C99, which needs nothing but a compiler.

:func:`write` makes four files: ``kws_kernels.h`` and ``.c``, the layers, written by hand and the same for every
network, and ``kws_model.h`` and ``.c``, the weights and the order of the layers. ``kws_model_run`` then gives what
TensorFlow Lite Micro's reference kernels give, byte for byte: every rounding of theirs is repeated, in C where it
depends on the input (``runtime``) and in Python where it does not (:mod:`kws_exp.c99.quantization`,
:mod:`kws_exp.c99.fixed_point`).

    graph          the file as it stands
    operators      from its operators to calls: convolutions, arithmetic, movements, tables
    network        the calls in order
    plan           where the tensors lie in the arena
    source         C
    host           compile and run it here
"""

from __future__ import annotations

import shutil
from pathlib import Path

from kws_exp.c99 import network, plan, source
from kws_exp.c99.network import Network

__all__ = ["RUNTIME", "Network", "write"]

RUNTIME = Path(__file__).with_name("runtime")  # the C that is not generated
KERNELS = ("kws_kernels.h", "kws_kernels.c")


def write(model: Path, folder: Path) -> Network:
    """Write the network of ``model`` as C99 into ``folder``, which exists.

    Raises:
        KwsError: The model has what the device's layers do not cover; nothing is written.
    """
    read = network.read(model)
    planned = plan.make(read)
    made = {"kws_model.h": source.header(read, planned), "kws_model.c": source.source(read, planned)}
    for name, text in made.items():
        (folder / name).write_text(text, encoding="ascii", newline="\n")
    for name in KERNELS:
        shutil.copyfile(RUNTIME / name, folder / name)
    return read
