"""The MODEL of a command line (label, stream, listen, demo, verify): what it may be, and the export folder it means.

An export folder, a run (its folder, its id, or ``latest``), or a registered model:
``models:/NAME`` is its newest version, ``models:/NAME/2`` the second, ``models:/NAME@ALIAS`` the one so called. The
surprising fact: MLflow is asked for the last kind alone, so that a misspelt folder is told at once.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from kws_exp.errors import KwsError, nearest

REGISTERED = "models:/"


def add(parser: ArgumentParser, required: bool = True) -> None:
    """Add the argument, and the option that tells where runs are."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        nargs=None if required else "?",
        help=f"export folder; run: its folder, id or latest; registered model: {REGISTERED}NAME/VERSION",
    )
    parser.add_argument("--output-dir", default="mlruns", help="where runs are looked for (default: mlruns)")


def folder(chosen: Namespace) -> Path:
    """Return the export folder that is meant.

    Raises:
        KwsError: There is none.
    """
    return find(chosen.model, Path(chosen.output_dir))


def find(wanted: str, output_dir: Path) -> Path:
    """Return the export folder that ``wanted`` means; a registered model's is fetched if its run is not here.

    Raises:
        KwsError: There is none.
    """
    from kws_exp import run_folder  # loads YAML, which --help does without

    for place in (Path(wanted), Path(wanted) / "export"):
        if _is_export(place):
            return place
    runs = output_dir / "runs"
    found = [(one, record) for one, record in run_folder.find_all(runs) if _is_export(one.export)]
    meant = _registered(wanted, output_dir) if wanted.startswith(REGISTERED) else wanted
    for one, record in found:
        if meant in ("latest", record.run_id, record.tracking_run_id, one.path.name):
            return one.export
    if meant != wanted:
        from kws_exp.track import registry

        return registry.fetch(meant, output_dir)
    raise KwsError(
        f"'{wanted}' is no export folder (it would hold manifest.json) and no run with an export in {runs}"
        f"{nearest(wanted, [one.path.name for one, _ in found])}: give a folder, a run's id or folder name, latest, "
        f"or {REGISTERED}NAME/VERSION"
    )


def _registered(wanted: str, output_dir: Path) -> str:
    """Return the tracking run of a registered model."""
    from kws_exp.track import registry

    return registry.run_of(wanted.removeprefix(REGISTERED), output_dir)


def _is_export(place: Path) -> bool:
    return (place / "manifest.json").is_file()
