"""The folder of a sweep, and its copy on the tracking server: what all trials come to.

``OUTPUT_DIR/sweeps/STUDY/`` holds

    sweep.json          marks it; counts and best values, which become metrics
    run.json, config.yaml, log.txt    as in a run's folder
    report.md, leaderboard.csv, figures/    refreshed as the sweep goes
    best.yaml           the best trial, complete: ``python -m kws_exp experiment=.../best.yaml`` trains it again
    workers/            what the workers printed

The surprising fact: everything but the log can be made again from the study, so several parents may write it.
"""

from __future__ import annotations

import shlex
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rich.console import RenderableType

from kws_exp import config as configuration
from kws_exp import run_folder
from kws_exp.console import Watch
from kws_exp.errors import KwsError
from kws_exp.run_folder import FINISHED, KILLED, RUNNING, RunFolder, RunRecord
from kws_exp.sweep import leaderboard, ranking, samplers, show, storage, terminal
from kws_exp.sweep.plan import Plan
from kws_exp.sweep.study import TRACKING, Study

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from kws_exp.sweep.space import Values
    from kws_exp.track.process import Tracker

REFRESH_SECONDS = 60.0  # between two drawings of the figures, which take 2 s of a core


class Group:
    """A sweep's folder while a parent is at it."""

    def __init__(self, plan: Plan, name: str) -> None:
        self.plan = plan
        self.began = self.drawn = time.monotonic()
        self.tracker: Tracker | None = None
        self.tracking_run_id: str | None = None
        self.artist: threading.Thread | None = None
        self.is_open = False
        self.best: int | None = None  # number of the trial in best.yaml
        self.folder = RunFolder(Path(plan.config.output_dir) / "sweeps" / name)
        try:
            self.folder.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise KwsError(
                f"output_dir must be a folder to write to, but {self.folder.path} fails ({error.strerror})"
            ) from error
        self.watch = Watch(plan.config.verbosity)

    def open(self, study: Study) -> None:
        """Write what identifies the sweep, and have its run on the tracking server before any trial's."""
        self.watch.log_to(self.folder.path / "log.txt")
        record = self._record(study)
        run_folder.write_text(self.folder.path / "config.yaml", configuration.to_yaml(self.plan.config))
        self.folder.write_record(record)
        self._write(study)
        if self.plan.config.tracking.enabled:
            from kws_exp.track import store
            from kws_exp.track.process import Tracker

            uri = record.tracking_uri or self.plan.config.tracking.uri
            destination = store.resolve(uri, self.plan.config.output_dir)
            tracker = Tracker(self.folder, destination)
            with study.alone("tracking"):  # else two parents would both find no run, and make one each
                is_first = study.attribute(TRACKING) is None
                if is_first:
                    study.storage.set_study_user_attr(study.id, TRACKING, tracker.open().result())
            self.tracker = tracker if is_first else tracker.open()
            self.tracking_run_id = record.tracking_run_id = tracker.result()
            record.tracking_uri = destination.uri
            self.folder.write_record(record)
            for trial in study.trials():  # those of an earlier command may not all have been sent
                self.track(trial)
        self.is_open = True

    def _record(self, study: Study) -> RunRecord:
        path = self.folder.path / "run.json"
        record = self.folder.record() if path.exists() else RunRecord(study.name, study.shared_id())
        record.status, record.overrides = RUNNING, [storage.shown(item) for item in self.plan.arguments]
        return record

    def say(self, message: RenderableType) -> None:
        """Tell the user, and the log."""
        self.watch.say(message)

    def runs(self, trial: FrozenTrial) -> list[RunFolder]:
        """Return the folders of a trial's runs that are on this machine."""
        folders = [Path(self.plan.config.output_dir) / "runs" / name for name in trial.user_attrs.get("runs", ())]
        return [RunFolder(path) for path in folders if (path / "run.json").exists()]

    def settle(self, trial: FrozenTrial, status: str) -> None:
        """Write the status of a trial's runs whose process could not, and have it sent."""
        for folder in self.runs(trial):
            record = folder.record()
            if record.status == RUNNING:
                record.status = status
                folder.write_record(record)
        self.track(trial)

    def ended(self, trial: FrozenTrial, study: Study) -> None:
        """Say how a trial ended, and bring the sweep's files up to date."""
        self.track(trial)
        if not self.watch.console.is_terminal:
            self.say(show.line(trial, self.plan.objectives))
        self._write(study)
        if time.monotonic() - self.drawn > REFRESH_SECONDS and not (self.artist and self.artist.is_alive()):
            self.drawn = time.monotonic()
            self.artist = threading.Thread(target=self._draw, args=(study,))
            self.artist.start()
        if self.tracker:
            trouble = self.tracker.sync(len(study.trials()))
            if trouble:
                self.watch.say(f"tracking: {trouble}; the sweep goes on", "warning")

    def close(self, study: Study) -> None:
        """Write everything a last time and wait until the tracking server has it."""
        if not self.is_open:
            return
        if self.artist:
            self.artist.join()
        self._draw(study)
        self._write(study)
        record = self.folder.record()
        record.status = KILLED if study.open_trials() else FINISHED
        self.folder.write_record(record)
        sentence = self.tracker.finish(record.status) if self.tracker else None
        rows = ranking.rows(study.trials(), self.plan.objectives)
        counts = ranking.counts(study.trials())
        self.say(terminal.final(rows, counts, self.plan.objectives, len(self.plan.wanted), self._seconds()))
        self.say(self._last_words(study))
        if sentence:
            print(f"kws_exp: {sentence}", file=sys.stderr)
        self.watch.close()

    def _seconds(self) -> float:
        return time.monotonic() - self.began

    def track(self, trial: FrozenTrial) -> None:
        """Have the tracking process follow a trial's runs."""
        if self.tracker:
            for folder in self.runs(trial):
                self.tracker.follow(folder.path)

    def _draw(self, study: Study) -> None:
        from kws_exp.sweep import pages

        try:
            pages.write(study.load(), self.plan.objectives, self.folder.path)
        except Exception as error:  # of Matplotlib or Plotly: pictures must not end a night's work
            self.watch.say(f"the figures could not be drawn ({type(error).__name__}: {error})", "warning")

    def _write(self, study: Study) -> None:
        """Write table, report, counts and the best trial."""
        trials, objectives, folder = study.trials(), self.plan.objectives, self.folder.path
        rows, counts = ranking.rows(trials, objectives), ranking.counts(trials)
        title, command = study.name, f"python -m kws_exp {shlex.join(map(storage.shown, sys.argv[1:]))}"
        figures = sorted(path.relative_to(folder).as_posix() for path in (folder / "figures").glob("[!.]*.*"))
        spent = sum(row.seconds or 0.0 for row in rows)
        text = leaderboard.markdown(title, command, rows, counts, objectives, spent, figures)
        run_folder.write_text(folder / "report.md", text)
        run_folder.write_text(folder / "leaderboard.csv", leaderboard.csv(rows, objectives))
        best = ranking.winner(rows)
        if best and best.number != self.best:
            self._write_best(best)
        metrics = {f"trials/{name}": float(getattr(counts, name)) for name in COUNTED}
        metrics["trials/seconds"] = spent
        metrics |= {f"best/{name}": value for name, value in _best_values(best, self.plan).items()}
        run_folder.write_json(folder / run_folder.SWEEP, {"study": study.name, "metrics": metrics})

    def _write_best(self, best: ranking.Row) -> None:
        params = cast("Values", best.params)
        config = configuration.from_hydra(configuration.compose(self.plan.overrides(params)))
        header = f"The best trial of {self.folder.path.name}: number {best.number}, {_scores(best, self.plan)}."
        config.export.enabled = True  # whoever trains the best again wants it on a device
        run_folder.write_text(self.folder.path / "best.yaml", configuration.to_experiment(config, header))
        self.best = best.number

    def _last_words(self, study: Study) -> str:
        folder = self.folder.path
        lines = [f"report: {folder / 'report.md'}; interactive: {folder / 'figures' / 'sweep.html'}"]
        if (folder / "best.yaml").exists():
            lines.append(f"train the best again: python -m kws_exp experiment={folder / 'best.yaml'}")
        left = study.open_trials()
        if left:
            several = f"{left} trials are left: the same command goes on with them"
            lines.append(several if left > 1 else "1 trial is left: the same command goes on with it")
        elif self.plan.settings.sampler not in samplers.GRIDS:
            lines.append(f"for more trials: sweeper.n_trials={2 * len(self.plan.wanted)}")
        return "\n".join(lines)


COUNTED = ("complete", "pruned", "rejected", "failed", "interrupted", "running", "waiting")


def _best_values(best: ranking.Row | None, plan: Plan) -> dict[str, float]:
    if best is None or best.values is None:
        return {}
    return dict(zip(plan.objectives, best.values, strict=True)) | best.figures


def _scores(best: ranking.Row, plan: Plan) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in zip(plan.objectives, best.values or (), strict=True))
