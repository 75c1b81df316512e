"""The start of a run: a new folder, or the folder of an interrupted run opened again.

A run holds a lock on its folder while it lives, so that nobody resumes a run that is still going.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from kws_exp import __version__, run_folder
from kws_exp import config as configuration
from kws_exp.data import source
from kws_exp.errors import KwsError, nearest
from kws_exp.multirun import PARENT
from kws_exp.run_folder import FINISHED, PRUNED, RUNNING, RunFolder, RunRecord
from kws_exp.schema import Config
from kws_exp.track import store
from kws_exp.validate import check_choices, check_words, complete, validate

RECORDED_PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "numba", "mlflow", "tflite-micro", "espeakng-loader")
WITH_RESUME = ("resume", "output_dir", "verbosity")  # what may be given beside resume


@dataclass(frozen=True)
class Started:
    """A run that may begin."""

    config: Config
    folder: RunFolder
    record: RunRecord
    lock: BaseFileLock


def begin(config: Config, overrides: Sequence[str]) -> Started:
    """Open the run that a configuration means: an interrupted one if it says ``resume``, else a new one."""
    return again(config, overrides) if config.resume else new(config, overrides)


def new(config: Config, overrides: Sequence[str]) -> Started:
    """Check a configuration and make the folder of its run.

    Raises:
        KwsError: a setting breaks a rule, or the data do not have a word.
    """
    check(config)
    name = config.name or f"{config.model.name}_{_words_name(config.words)}"
    folder = run_folder.create(runs(config), name)
    lock = _locked(folder)
    record = RunRecord(
        name=name,
        run_id=uuid.uuid4().hex,
        parent_run_id=os.environ.get(PARENT),
        overrides=list(overrides),
        git=_git(),
        versions=_versions(),
    )
    run_folder.write_text(folder.path / "config.yaml", configuration.to_yaml(config))
    folder.write_record(record)
    return Started(config, folder, record, lock)


def check(config: Config) -> None:
    """Fill in what depends on other settings, and refuse what breaks a rule or asks for a word that is not there."""
    found = source.find(config.data)
    complete(config, found.kind == source.SYNTHETIC)
    validate(config)
    if found.kind == source.SYNTHETIC or config.data.synthetic_per_word:
        source.check_speakable(config.words)
    else:
        check_words(config.words, found.words)
    if config.tracking.enabled:
        store.resolve(config.tracking.uri, config.output_dir)


def again(config: Config, overrides: Sequence[str]) -> Started:
    """Open the interrupted run that ``resume`` names, with the settings it was started with.

    Args:
        config: says ``resume``.
        overrides: of the command line.

    Raises:
        KwsError: there is no such run, it has finished or is still running, or other settings are given.
    """
    for override in overrides:
        key = override.lstrip("+~").partition("=")[0]
        if key not in WITH_RESUME:
            raise KwsError(f"resume goes on with the settings of the run, but '{override}' is given too: leave it out")
    check_choices(config)
    folder, _ = _find(runs(config), str(config.resume))
    lock = _locked(folder)
    record = folder.record()  # again, under the lock: it may just have finished
    if record.status == PRUNED:
        raise KwsError(
            f"resume needs an interrupted run, but {folder.path.name} was pruned by its sweep: start a new one with "
            f"its settings, which are in {folder.path / 'config.yaml'}"
        )
    if record.status == FINISHED:
        raise KwsError(f"resume needs an interrupted run, but {folder.path.name} has finished: see {folder.path}")
    stored = configuration.load(folder.path / "config.yaml")
    stored.verbosity, stored.output_dir = config.verbosity, config.output_dir
    record.status = RUNNING
    folder.write_record(record)
    return Started(stored, folder, record, lock)


def runs(config: Config) -> Path:
    """Return the folder that holds all run folders."""
    return Path(config.output_dir) / "runs"


def _find(parent: Path, wanted: str) -> tuple[RunFolder, RunRecord]:
    found = list(run_folder.find_all(parent))
    unfinished = [(folder, record) for folder, record in found if record.status not in (FINISHED, PRUNED)]
    if wanted == "latest":
        if not unfinished:
            raise KwsError(
                f"resume=latest needs an interrupted run, but {parent} has none: start one with words=[yes,no]"
            )
        # a run that failed before its first checkpoint has nothing to go on with, nor has one that is still going
        return next((item for item in unfinished if _has_checkpoint(item[0]) and not item[0].lives()), unfinished[0])
    for folder, record in found:
        if wanted in (record.run_id, record.tracking_run_id, folder.path.name):
            return folder, record
    names = [
        name for folder, record in unfinished for name in (record.tracking_run_id or record.run_id, folder.path.name)
    ]
    raise KwsError(
        f"no run '{wanted}' in {parent}{nearest(wanted, names)}: give a run's id or folder name, or resume=latest"
    )


def _has_checkpoint(folder: RunFolder) -> bool:
    return any(folder.checkpoints.glob("step-*.npz"))


def _locked(folder: RunFolder) -> BaseFileLock:
    lock = FileLock(folder.path / run_folder.LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise KwsError(f"the run in {folder.path} is still going: wait for it, or stop it first") from error
    return lock


def _words_name(words: Sequence[str]) -> str:
    return "-".join(words) if len(words) <= 6 else f"{len(words)}-words"


@functools.cache
def _git() -> dict[str, str]:
    """Return the commit of the working directory and whether it was changed; nothing outside a repository."""

    def ask(*arguments: str) -> str:
        return subprocess.run(("git", *arguments), capture_output=True, text=True, check=True).stdout.strip()

    try:
        return {
            "commit": ask("rev-parse", "HEAD"),
            "dirty": str(bool(ask("status", "--porcelain", "-uno"))).lower(),
        }
    except (OSError, subprocess.CalledProcessError):
        return {}


@functools.cache
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "kws-exp": __version__}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
