"""How trials end, whoever ran them, our workers (``loop``) or a launcher of Hydra's (``launch``): what is told to whom.

The study is told before the folders of the trial's runs, whose process may have died before it could write how they
ended. The surprising fact: the tracking process hears of the runs even before the study, for what the study knows is
not made again, and would not be looked for on the tracking server by any parent but this one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from optuna.trial import FrozenTrial, Trial, TrialState

from kws_exp import run_folder
from kws_exp.errors import KwsError
from kws_exp.sweep.group import Group
from kws_exp.sweep.outcome import FAILED, STOPPED, Outcome
from kws_exp.sweep.study import Study


@dataclass
class Teller:
    """Tells the study and the sweep's folder of the trials of one parent."""

    study: Study
    group: Group
    most: int  # failures, then it gives up
    failures: list[str] = field(default_factory=list)

    def known(self, trial: Trial) -> bool:
        """End a claimed trial whose outcome is known, because another had the same parameters; False if none had."""
        twin = self.study.twin(trial)
        if twin is not None:
            self.show(self.end(trial, Outcome.again(twin)))
        return twin is not None

    def end(self, trial: Trial, outcome: Outcome) -> FrozenTrial | None:
        """Tell how a trial ended, and return it, for :meth:`show`; None for one that was stopped and is made again."""
        if outcome.state == STOPPED:
            self.give_back(trial)
            return None
        before = self.study.frozen(trial.number)
        ours = before.state == TrialState.RUNNING  # another parent may have taken it over
        self.group.track(before)
        self.study.tell(trial, outcome)
        frozen = self.study.frozen(trial.number)
        if outcome.state == FAILED and ours:
            self.group.settle(frozen, run_folder.FAILED)
            self.failures.append(f"trial {trial.number}: {outcome.reason}")
        return frozen

    def show(self, ended: FrozenTrial | None) -> None:
        """Bring what the user sees up to date, once there is nothing more urgent."""
        if ended is not None:
            self.group.ended(ended, self.study)

    def take_over(self) -> list[int]:
        """Take over the trials of parents that have died; return their numbers."""
        numbers = self.study.take_over()
        for number in numbers:
            self.group.track(self.study.frozen(number))
        return numbers

    def give_back(self, trial: Trial) -> None:
        """Have a trial that could not end made again."""
        frozen = self.study.frozen(trial.number)
        self.study.give_back(frozen)
        self.group.settle(frozen, run_folder.KILLED)

    def give_up(self) -> None:
        """End a sweep of which too many trials have failed.

        Raises:
            KwsError: they have.
        """
        if len(self.failures) >= self.most:
            raise KwsError(
                f"{len(self.failures)} trials failed, which is sweeper.max_failures, the last with: "
                f"{self.failures[-1]}; mend that and give the same command again with sweeper.retry_failed=true"
            )
