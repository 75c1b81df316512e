"""``python -m kws_exp.listen MODEL``: the words that a model hears from the microphone, as they are said.

Give a run (its folder, its id, or ``latest``), an export folder or a registered model. On a terminal the averaged score
of each label is a bar, with a mark at its threshold; each word that fires is printed with its time, from the start, and
its score. Ctrl-C ends it. ``--file`` plays a recording through the same path at the speed at which it was made,
``--no-wait`` as fast as it can. Status 0, or 2 with the reason.

The surprising fact: the first word may be missed, for a network that sees a second needs a second of sound first.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kws_exp import model_argument
from kws_exp.errors import KwsError, complain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from kws_exp.stream.spotter import Spotter

    Blocks = Iterator[NDArray[np.int16]]

PACE_SECONDS = 0.05  # length of a block of a recording that is played


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit status."""
    chosen = _parser().parse_args(arguments)
    try:
        if chosen.list_devices:
            _list_devices()
            return 0
        _listen(chosen)
    except KwsError as error:
        return complain(str(error))
    except KeyboardInterrupt:
        pass
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kws_exp.listen", description=(__doc__ or "").split("\n\n")[1])
    model_argument.add(parser, required=False)
    parser.add_argument("--file", type=Path, metavar="RECORDING", help="wav, flac or ogg in place of the microphone")
    parser.add_argument("--no-wait", action="store_true", help="with --file: as fast as possible")
    parser.add_argument("--device", metavar="NAME", help="microphone: its number, or a part of its name")
    parser.add_argument("--list-devices", action="store_true", help="show all microphones, the default one first")
    return parser


def _list_devices() -> None:
    from kws_exp.listen import microphone

    for device in microphone.devices():
        print(f"{device.number:3}  {device.name}, {device.rate} Hz")


def _listen(chosen: argparse.Namespace) -> None:
    if chosen.model is None:
        raise KwsError(
            "a model is needed, but none is given: name a run, an export folder, a registered model or latest"
        )
    if chosen.no_wait and not chosen.file:
        raise KwsError("--no-wait goes with a recording, but none is given: add --file RECORDING, or leave it out")
    if chosen.file and chosen.device:
        raise KwsError(
            f"--file and --device exclude each other, but both are given: leave out --device {chosen.device}"
        )
    folder = model_argument.folder(chosen)
    from kws_exp.console import Watch
    from kws_exp.listen import screen
    from kws_exp.listen.detector import moments
    from kws_exp.stream import spotter
    from kws_exp.stream.events import OperatingPoint

    console = Watch().console
    with spotter.opened(folder, threads=1) as model, _sound(chosen, model, console) as blocks:
        point = OperatingPoint.of(model.detector, model.labels)
        fired = screen.show(moments(blocks, model), model.labels, point.thresholds, console)
    if not fired:
        console.print("no keyword")


@contextmanager
def _sound(chosen: argparse.Namespace, model: Spotter, console: Console) -> Iterator[Blocks]:
    """Give the sound to listen to, and say which it is."""
    if chosen.file:
        yield _played(chosen.file, model, wait=not chosen.no_wait)
        return
    from kws_exp.listen import microphone

    device = microphone.choose(microphone.devices(), chosen.device)
    with microphone.blocks(device) as blocks:
        console.print(f"listening to {device.name}; Ctrl-C ends", markup=False)
        yield blocks


def _played(path: Path, model: Spotter, wait: bool) -> Blocks:
    from kws_exp.schema import SAMPLE_RATE
    from kws_exp.stream import recording

    found = recording.inspect(path)
    if found.samples < model.samples:
        raise KwsError(
            f"a recording must be at least {model.samples / SAMPLE_RATE:g} s long, which is what the network sees at "
            f"once, but {path} has {found.seconds:.2f} s: take a longer one"
        )
    return _paced(recording.blocks(path, PACE_SECONDS)) if wait else recording.blocks(path)


def _paced(blocks: Iterable[NDArray[np.int16]]) -> Blocks:
    """Yield each block when its last sample would have been recorded."""
    from kws_exp.schema import SAMPLE_RATE

    start, done = time.monotonic(), 0
    for block in blocks:
        done += len(block)
        time.sleep(max(0.0, start + done / SAMPLE_RATE - time.monotonic()))
        yield block


if __name__ == "__main__":
    sys.exit(main())
