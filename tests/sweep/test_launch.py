"""Jobs of a launcher: what is told of those that end well, that fail and that are known; clusters are in test_scale."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hydra.core.utils import JobReturn, JobStatus
from optuna.trial import TrialState

from kws_exp.errors import KwsError
from kws_exp.run_folder import FAILED, RUNNING, RunFolder, RunRecord, find_all
from kws_exp.sweep import launch, loop, plan
from kws_exp.sweep.group import Group
from kws_exp.sweep.outcome import COMPLETE, STOPPED, Outcome
from kws_exp.sweep.plan import Plan
from kws_exp.sweep.study import Study
from kws_exp.sweep.teller import Teller

pytestmark = pytest.mark.usefixtures("hydra_ready")
SWEEP = ("data=synthetic", "words=[yes,no]", "tracking=off", "sweeper.sampler=random", "sweeper.workers=2")
Opened = tuple[Plan, Study, Group]


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
def test_a_stopped_job_is_made_again(opened: Opened) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(Launcher(lambda number: Outcome(STOPPED)), opened)
    states = [trial.state.name for trial in opened[1].trials()]
    assert states == ["FAIL", "FAIL", "WAITING", "WAITING", "WAITING"]


@pytest.mark.parametrize("opened", [("augment.gain_db=interval(0,9)", "sweeper.n_trials=1")], indirect=True)
def test_a_job_by_hand_finds_no_trial_under_way(opened: Opened) -> None:
    read, study, _ = opened
    trial = study.claim()
    assert trial is not None
    assert launch._found(read.storage, study.name, trial.number)[1:] == (study.id, trial._trial_id)
    study.tell(trial, Outcome(COMPLETE, (0.5,)))
    for name, number in ((study.name, trial.number), (study.name, 7), ("other", 0)):
        with pytest.raises(KwsError, match=f"no trial {number} of the study '{name}' is under way in .*optuna.journal"):
            launch._found(read.storage, name, number)
