"""``--multirun`` as one group on the tracking server: a Hydra callback, named in ``conf/config.yaml``.

Before the first job it makes the group's run, and with it the store, which four jobs that start at once must
find ready; after the last it sends the comparison. The jobs learn the group's id from the environment. The
surprising fact: Hydra does not call ``on_multirun_end`` when a job failed, so the end is also tied to the exit.
"""

from __future__ import annotations

import atexit
import copy
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict

from kws_exp import config as configuration
from kws_exp import run_folder
from kws_exp.errors import KwsError, complain
from kws_exp.run_folder import RunFolder, RunRecord
from kws_exp.schema import Config
from kws_exp.validate import check_single

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn

    from kws_exp.track.process import Tracker

PARENT = "KWS_EXP_PARENT_RUN"  # environment variable: the group's run on the tracking server

_trackers: list[Tracker] = []  # of the group under way; not in the callback, which Hydra pickles for its workers


class MultirunParent(Callback):
    """Opens the group's run before the jobs and closes it after them."""

    def __init__(self) -> None:
        self.folder: str | None = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Make the group's folder and run, and hand its id to the jobs."""
        if not config.hydra.sweeper._target_.startswith("hydra._internal."):
            return  # another sweeper makes its own group
        composed = copy.deepcopy(config)
        with open_dict(composed):
            overrides = list(composed.pop("hydra").overrides.task)
        try:
            settings, sweeper = configuration.both(composed)
            check_single(sweeper)
            if settings.tracking.enabled:
                self.folder = str(_open(settings, overrides).path)
                atexit.register(_close)
        except KwsError as error:
            sys.exit(complain(str(error)))  # of any other exception Hydra makes a warning and goes on

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Note a job that failed, which may have been before it had a folder of its own."""
        from hydra.core.utils import JobStatus

        if self.folder and job_return.status == JobStatus.FAILED:
            error = job_return._return_value
            row = {"overrides": list(job_return.overrides or []), "error": f"{type(error).__name__}: {error}"}
            run_folder.append_lines(Path(self.folder, "jobs.jsonl"), [row])

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Compare the runs."""
        atexit.unregister(_close)
        _close()


def _open(settings: Config, overrides: list[str]) -> RunFolder:
    # parent is for _close: threads, which it imports, cannot be had any more when the interpreter ends
    from kws_exp.track import parent, store  # noqa: F401
    from kws_exp.track.process import Tracker

    output_dir = Path(settings.output_dir).resolve()
    name = settings.name or " ".join(_swept(overrides)) or "multirun"
    destination = store.resolve(settings.tracking.uri, output_dir)
    folder = run_folder.create(output_dir / "multiruns", name)
    record = RunRecord(name, os.urandom(16).hex(), overrides=overrides, tracking_uri=destination.uri)
    folder.write_record(record)
    run_folder.write_text(folder.path / "config.yaml", configuration.to_yaml(settings))
    run_folder.write_json(folder.path / "multirun.json", {"runs": "../../runs"})
    tracker = Tracker(folder, destination).open()
    os.environ[PARENT] = record.tracking_run_id = tracker.result()
    folder.write_record(record)
    _trackers.append(tracker)
    return folder


def _swept(overrides: list[str]) -> list[str]:
    """Return the overrides that make several jobs, such as ``model=tiny_conv,ds_cnn``."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_overrides(overrides)
    return [text for text, override in zip(overrides, parsed, strict=True) if override.is_sweep_override()]


def _close() -> None:
    from kws_exp.track import parent

    os.environ.pop(PARENT, None)
    while _trackers:
        tracker = _trackers.pop()
        record = tracker.folder.record()
        record.status = parent.status(tracker.folder)
        tracker.folder.write_record(record)
        sentence = tracker.finish(record.status)
        print(f"comparison: {tracker.folder.path / 'report.md'}")
        if sentence:
            print(f"kws_exp: {sentence}", file=sys.stderr)
