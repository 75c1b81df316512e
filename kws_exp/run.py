"""One run, from what ``kws_exp.start`` has opened to its report and its place in MLflow.

Called by ``kws_exp.__main__``, and for each trial of a sweep; what it does is in :mod:`kws_exp.stages`.
"""

from __future__ import annotations

import time

from kws_exp import budget, report, summary
from kws_exp.console import Watch
from kws_exp.run_folder import FAILED, FINISHED, KILLED, PRUNED
from kws_exp.signals import Pruned
from kws_exp.stages import InSweep, Line
from kws_exp.start import Started
from kws_exp.track import process, store


def run(started: Started, sweep: InSweep | None = None, since: float | None = None) -> dict[str, float]:
    """Do one run, or finish an interrupted one; return its scores (:func:`kws_exp.summary.scores`).

    Args:
        started: the run.
        sweep: of which it is a trial.
        since: ``time.monotonic()`` from which on its time counts, if it began before this call.

    Raises:
        KwsError: a mistake of the user.
        KeyboardInterrupt: after Ctrl-C; the run can be resumed.
        Pruned: by the sweep.
    """
    watch = Watch(started.config.verbosity)
    watch.log_to(started.folder.path / "log.txt")
    tracker = None if sweep else _open_tracker(started)
    status = FAILED
    if since is not None:
        started.record.seconds["imports"] = started.record.seconds.get("imports", 0.0) + time.monotonic() - since
    try:
        Line(started, watch, tracker, sweep).go()
        status = FINISHED
        return summary.scores(started.folder, started.config.train.select)
    except Pruned:
        status = PRUNED
        raise
    except KeyboardInterrupt:
        status = KILLED
        elsewhere = "" if started.config.output_dir == "mlruns" else f" output_dir={started.config.output_dir}"
        watch.say(f"stopped; go on with: python -m kws_exp resume={started.folder.path.name}{elsewhere}")
        raise
    finally:
        _close(started, watch, tracker, status, sweep)


def _open_tracker(started: Started) -> process.Tracker | None:
    settings = started.config.tracking
    if not settings.enabled:
        return None
    uri = started.record.tracking_uri or settings.uri  # a resumed run goes back to its store, whatever is set now
    return process.Tracker(started.folder, store.resolve(uri, started.config.output_dir)).open()


def _close(started: Started, watch: Watch, tracker: process.Tracker | None, status: str, sweep: InSweep | None) -> None:
    """Write the report and the final state, and wait for the tracking process to have it all."""
    folder, record = started.folder, started.record
    record.status = status
    folder.write_record(record)
    if status == FINISHED and not (sweep and started.config.tracking.enabled):  # else whoever tracks it writes it
        with budget.stage(record.seconds, "report"):
            report.write(folder)
        folder.write_record(record)
    trouble = _finish(started, tracker, status) if tracker else None
    if status == FINISHED and not sweep:
        watch.say(summary.terminal(folder))
    if trouble:
        watch.say(f"kws_exp: {trouble}", "error")
    watch.close()
    started.lock.release()


def _finish(started: Started, tracker: process.Tracker, status: str) -> str | None:
    """End the tracking process, and write down how long that took."""
    with budget.stage(started.record.seconds, "tracking"):
        trouble = tracker.finish(status)
    started.folder.write_record(started.record)
    return trouble
