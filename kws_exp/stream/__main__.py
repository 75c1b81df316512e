"""``python -m kws_exp.stream make|score|choose``: how a model does on continuous audio, and at which settings.

``make`` composes a recording with a known ground truth from clips and noise that the run's training did not hear;
``score`` tells what a model misses and what it fires at for nothing; ``choose`` finds its operating point. Status 0 if
all went well, 2 otherwise, with one sentence. The surprising fact: ``choose`` refuses a stream of the testing
partition, for figures of a point that was chosen on the same recording would be worth nothing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from kws_exp import model_argument
from kws_exp.errors import KwsError, complain


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit status."""
    chosen = _parser().parse_args(arguments)
    try:
        from kws_exp.stream import commands

        if chosen.command != "make":
            _check("--tolerance", chosen.tolerance, 0, 60)
        if chosen.command == "choose":
            _check("--max-false-accepts-per-hour", chosen.max_false_accepts_per_hour, 0, 3600)
        {"make": commands.make, "score": commands.score, "choose": commands.choose}[chosen.command](chosen)
    except KwsError as error:
        return complain(str(error))
    return 0


def _check(key: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # written so that NaN fails as well
        near = high if value > high else low
        raise KwsError(f"{key} must be from {low} to {high}, but is {value:g}: the nearest is {key} {near}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kws_exp.stream", description=(__doc__ or "").split("\n\n")[1])
    commands = parser.add_subparsers(dest="command", required=True, metavar="make|score|choose")
    for add, name, text in (
        (_make, "make", "compose a recording with a known ground truth"),
        (_score, "score", "tell misses and false accepts of a model on recordings"),
        (_choose, "choose", "find the operating point of a model on validation recordings"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        model_argument.add(command)
        add(command)
    return parser


def _make(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", metavar="FOLDER", type=Path, help="which is made, with audio, labels and manifest")
    parser.add_argument("--partition", default="testing", help="testing (default) or validation")
    parser.add_argument("--minutes", type=float, default=30.0, help="length (default: 30)")
    parser.add_argument("--snr-db", type=float, metavar="X", help="of each word to the noise (default: as recorded)")
    parser.add_argument("--gap", type=float, default=3.0, metavar="S", help="seconds beside each word (default: 3)")
    parser.add_argument(
        "--unknown", type=float, default=30.0, metavar="PERCENT", help="of the words that are no keyword (default: 30)"
    )
    parser.add_argument("--seed", type=int, help="of the drawing (default: the run's)")
    parser.add_argument("--data", metavar="FOLDER", help="where the run's recordings are now")


def _recordings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recordings",
        metavar="RECORDING_OR_FOLDER",
        type=Path,
        nargs="+",
        help="what make wrote, or recordings with a label file of the same name beside them",
    )
    parser.add_argument("--labels", type=Path, metavar="FILE", help="label file of the only recording")
    parser.add_argument(
        "--no-keywords", action="store_true", help="no keyword is said where a recording has no label file"
    )
    parser.add_argument(
        "--tolerance", type=float, default=1.0, metavar="S", help="a hit is so long after its word at most (default: 1)"
    )


def _score(parser: argparse.ArgumentParser) -> None:
    _recordings(parser)
    parser.add_argument("--json", action="store_true", help="print all figures and events as JSON")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="for det.png, det.json, scores.json and detections")


def _choose(parser: argparse.ArgumentParser) -> None:
    _recordings(parser)
    parser.add_argument("--max-false-accepts-per-hour", type=float, default=0.5, metavar="N", help="default: 0.5")
    parser.add_argument("--write", action="store_true", help="put the point into the export: manifest and C settings")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="for the whole trade-off (default: operating_point, beside the export folder)",
    )


if __name__ == "__main__":
    sys.exit(main())
