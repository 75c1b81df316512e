"""Jobs of a launcher: what is told of those that end well, that fail and that are known; clusters are in test_scale."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest
from hydra.core.utils import JobReturn, JobStatus
from optuna.trial import TrialState

from kws_exp.errors import KwsError
from kws_exp.run_folder import FAILED, RUNNING, RunFolder, RunRecord, find_all
from kws_exp.sweep import launch, loop, plan, remote
from kws_exp.sweep.group import Group
from kws_exp.sweep.outcome import COMPLETE, STOPPED, Outcome
from kws_exp.sweep.plan import Plan
from kws_exp.sweep.study import BEAT, OUTCOME, PARENT, Study
from kws_exp.sweep.teller import Teller

pytestmark = pytest.mark.usefixtures("hydra_ready")
SWEEP = ("data=synthetic", "words=[yes,no]", "tracking=off", "sweeper.sampler=random", "sweeper.workers=2")
Opened = tuple[Plan, Study, Group]
DONE = Outcome(COMPLETE, (0.5,), figures={"flash_kb": 20.0})


@pytest.fixture
def opened(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KWS_EXP_CACHE", str(tmp_path / "cache"))
    read = plan.read([*SWEEP, *request.param])
    with loop.opened(read) as (study, group):
        yield read, study, group


@dataclass
class Launcher:
    """The least that Hydra asks of a launcher: here each job is a call of a function."""

    job: Callable[[int], Outcome]  # number of its trial -> how it ended; may raise
    batches: list[int] = field(default_factory=list)  # their sizes

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        assert initial_job_idx == sum(self.batches)
        self.batches.append(len(job_overrides))
        return [self._ended(int(overrides[-1].removeprefix("sweeper.trial="))) for overrides in job_overrides]

    def _ended(self, number: int) -> JobReturn:
        try:
            return JobReturn(status=JobStatus.COMPLETED, _return_value=self.job(number))
        except ValueError as error:
            return JobReturn(status=JobStatus.FAILED, _return_value=error)


def run(launcher: Launcher, opened: Opened) -> None:
    """Run a sweep on a launcher."""
    read, study, group = opened
    launch.run(launcher, read, study, Teller(study, group, read.settings.max_failures))


@pytest.mark.parametrize("opened", [("seed=7,8", "sweeper.n_trials=8")], indirect=True)
def test_what_is_known_is_not_launched_again(opened: Opened) -> None:
    launcher = Launcher(lambda number: Outcome(COMPLETE, (0.5,)))
    run(launcher, opened)
    trials = opened[1].trials()
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 8
    again = [trial for trial in trials if "same_as" in trial.user_attrs]
    assert sum(launcher.batches) == 8 - len(again) and len(again) >= 4  # of two points
    assert "8 complete" in (opened[2].folder.path / "report.md").read_text()


@pytest.mark.parametrize(
    "opened", [("augment.gain_db=interval(0,9)", "sweeper.n_trials=6", "sweeper.max_failures=3")], indirect=True
)
def test_failed_jobs_are_settled_and_end_a_hopeless_sweep(
    opened: Opened, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    study = opened[1]

    def lost(number: int) -> Outcome:
        """A job that has begun its run, and whose machine then went away."""
        folder = RunFolder(tmp_path / "mlruns" / "runs" / f"run-{number}")
        folder.path.mkdir(parents=True)
        folder.write_record(RunRecord(f"trial-{number}", f"{number:032x}"))
        study.storage.set_trial_user_attr(study.frozen(number)._trial_id, "runs", [folder.path.name])
        assert folder.record().status == RUNNING
        raise ValueError(f"job {number} is lost\nwhere it was")

    with pytest.raises(
        KwsError, match=r"^4 trials failed, .*, the last with: trial 3: ValueError: job 3 is lost; mend"
    ):
        run(Launcher(lost), opened)
    capfd.readouterr()  # Hydra says of each job that it failed
    assert [record.status for _, record in find_all(tmp_path / "mlruns" / "runs")] == [FAILED] * 4
    assert [trial.state.name for trial in study.trials()] == ["FAIL"] * 4 + ["WAITING"] * 2


@pytest.mark.parametrize("opened", [("augment.gain_db=interval(0,9)", "sweeper.n_trials=3")], indirect=True)
def test_ctrl_c_gives_back_what_has_not_ended(opened: Opened) -> None:
    study = opened[1]

    def job(number: int) -> Outcome:
        if number == 1:
            raise KeyboardInterrupt
        study.storage.set_trial_system_attr(study.frozen(number)._trial_id, OUTCOME, asdict(DONE))
        return DONE

    with pytest.raises(KeyboardInterrupt):
        run(Launcher(job), opened)
    states = [trial.state.name for trial in study.trials()]
    assert states == ["COMPLETE", "FAIL", "WAITING", "WAITING"]


@pytest.mark.parametrize("opened", [("augment.gain_db=interval(0,9)", "sweeper.n_trials=3")], indirect=True)
def test_a_job_that_was_stopped_is_made_again(opened: Opened) -> None:
    stopped = [0]
    run(Launcher(lambda number: Outcome(STOPPED) if stopped and stopped.pop() == number else DONE), opened)
    assert Counter(trial.state.name for trial in opened[1].trials()) == {"FAIL": 1, "COMPLETE": 3}


@pytest.mark.parametrize(
    "opened", [("augment.gain_db=interval(0,9)", "sweeper.n_trials=2", "sweeper.max_failures=2")], indirect=True
)
def test_a_job_may_be_stopped_as_long_as_it_comes_further(opened: Opened) -> None:
    study, reached = opened[1], iter([0, 10, 20, 20, 20])

    def stopped(number: int) -> Outcome:
        """As by a limit of time."""
        before = study.frozen(number).user_attrs.get("retry_of")
        if number == 0 or before is not None:
            study.storage.set_trial_intermediate_value(study.frozen(number)._trial_id, next(reached), 0.5)
            return Outcome(STOPPED)
        return DONE

    with pytest.raises(KwsError, match=r"^2 trials failed, .* its job was stopped, as by scancel, before it came any"):
        run(Launcher(stopped), opened)
    assert Counter(trial.state.name for trial in study.trials()) == {"FAIL": 4, "COMPLETE": 1, "WAITING": 1}


@pytest.mark.parametrize("opened", [("augment.gain_db=interval(0,9)", "sweeper.n_trials=3")], indirect=True)
def test_what_the_job_of_a_dead_parent_has_left_is_told_and_tracked(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, tracked, launcher = opened[1], [], Launcher(lambda number: DONE)
    monkeypatch.setattr(opened[2], "track", lambda trial: tracked.append(trial.number))
    for _ in range(2):
        trial = study.claim()
        assert trial is not None
        study.storage.set_trial_user_attr(trial._trial_id, "parent", "gone")
    study.storage.set_study_user_attr(study.id, PARENT + "gone", {"closed": True})
    remote.leave(study.storage, study.frozen(0)._trial_id, DONE)
    run(launcher, opened)
    trials = study.trials()
    assert [trial.state.name for trial in trials] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert trials[3].user_attrs["retry_of"] == 1 and sum(launcher.batches) == 2
    assert {0, 1, 2, 3} == set(tracked)


@pytest.mark.parametrize("opened", [("augment.gain_db=interval(0,9)", "sweeper.n_trials=2")], indirect=True)
def test_a_later_seed_is_progress(opened: Opened) -> None:
    study, runs = opened[1], iter([["a"], ["a", "b"], ["a", "b", "c"]])

    def stopped(number: int) -> Outcome:
        """In the first trial three times, each in another seed, of which the first alone reports."""
        found = next(runs, None) if number == 0 or "retry_of" in study.frozen(number).user_attrs else None
        if found is None:
            return DONE
        trial_id = study.frozen(number)._trial_id
        study.storage.set_trial_user_attr(trial_id, "runs", found)
        study.storage.set_trial_intermediate_value(trial_id, 100, 0.5)
        return Outcome(STOPPED)

    teller = Teller(study, opened[2], 1)
    launch.run(Launcher(stopped), opened[0], study, teller)
    assert not teller.failures
    assert Counter(trial.state.name for trial in study.trials()) == {"FAIL": 3, "COMPLETE": 2}


class Lossy(Launcher):
    """A launcher that tells of no job once it has lost one."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        returned = super().launch(job_overrides, initial_job_idx)
        if any(one.status == JobStatus.FAILED for one in returned):
            raise RuntimeError("job 0 has not produced any output")
        return returned


@pytest.mark.parametrize(
    "opened", [("augment.gain_db=interval(0,9)", "sweeper.n_trials=5", "sweeper.workers=5")], indirect=True
)
def test_a_lost_job_costs_its_own_trial_alone(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of five jobs one is lost, one has ended, one lives on, one begins later, and one never does."""
    monkeypatch.setattr(launch, "SILENT_SECONDS", 1.0)
    monkeypatch.setattr(launch, "LOOK_SECONDS", 0.1)
    study, threads = opened[1], []

    def keep(number: int, key: str, value: object) -> None:
        study.storage.set_trial_system_attr(study.frozen(number)._trial_id, key, value)  # type: ignore[arg-type]

    def live(number: int, late: float) -> None:
        time.sleep(late)
        for beat in range(20):
            keep(number, BEAT, float(beat + 1))
            time.sleep(0.1)
        keep(number, OUTCOME, asdict(DONE))

    def job(number: int) -> Outcome:
        if number > 4:  # the one that never began, made again
            return DONE
        if number < 2:
            keep(number, BEAT, 1.0)
        if number == 1:
            keep(number, OUTCOME, asdict(DONE))
        if number in (2, 3):
            threads.append(threading.Thread(target=live, args=(number, 1.5 * (number - 2))))
            threads[-1].start()
        raise ValueError("lost")

    run(Lossy(job), opened)
    for thread in threads:
        thread.join()
    trials = study.trials()
    assert [trial.state.name for trial in trials] == ["FAIL", *["COMPLETE"] * 3, "FAIL", "COMPLETE"]
    assert trials[0].user_attrs["reason"] == "the launcher failed: RuntimeError: job 0 has not produced any output"
    assert "interrupted" not in trials[0].user_attrs and trials[4].user_attrs["interrupted"]
    assert trials[5].user_attrs["retry_of"] == 4


@pytest.mark.parametrize("opened", [("augment.gain_db=interval(0,9)", "sweeper.n_trials=6")], indirect=True)
def test_a_launcher_that_begins_nothing_ends_the_sweep(opened: Opened) -> None:
    def none(number: int) -> Outcome:
        raise ValueError("no such partition")

    sentence = (
        "the launcher failed: RuntimeError: job 0 has not produced any output, before any of its 2 jobs began: mend it "
        "and give the same command again"
    )
    with pytest.raises(KwsError, match=f"^{sentence}$"):
        run(Lossy(none), opened)
    assert Counter(trial.state.name for trial in opened[1].trials()) == {"FAIL": 2, "WAITING": 6}
    assert opened[1].open_trials() == 6
