"""A study made plain for Optuna's own computations: a copy in memory, and the importances from it.

The copy has short parameter names, leaves out parameters that never vary, and fails trials whose values are not
finite; numbers of trials stay. The surprising fact: Optuna's importances for one of several objectives count towards
*low* values whatever its direction, so a value to be maximised is negated here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from kws_exp.sweep import charts
from kws_exp.sweep.ranking import Row, varied
from kws_exp.sweep.wording import short_names

if TYPE_CHECKING:
    from optuna.importance import BaseImportanceEvaluator
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from kws_exp.sweep.charts import Importances

ENOUGH = 20  # complete trials: of fewer PED-ANOVA drew parameters without any effect as the important ones
BEST = 5  # trials at least that PED-ANOVA compares with all; they are the best tenth from 50 trials on


def copy(trials: Sequence[FrozenTrial], rows: Sequence[Row], objectives: Mapping[str, str]) -> Study:
    """Return the copy of a study."""
    import optuna
    from optuna.study import StudyDirection

    short = short_names(varied(charts.complete(rows)))
    study = optuna.create_study(directions=[StudyDirection[way.upper()] for way in objectives.values()])
    study.add_trials([_copied(trial, short) for trial in trials])
    return study


def importances(study: Study, objectives: Mapping[str, str]) -> Importances:
    """Return the share of each parameter in what makes each objective good, largest first.

    Objectives that do not vary are left out; there is nothing for fewer than 20 complete trials or two parameters.
    """
    from optuna.importance import get_param_importances
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(trials) < ENOUGH or len({name for trial in trials for name in trial.params}) < 2:
        return {}
    found, evaluator = {}, ped_anova(len(trials))
    for place, name in enumerate(objectives):
        target = loss(objectives, place)
        if len({target(trial) for trial in trials}) > 1:
            raw = get_param_importances(study, evaluator=evaluator, target=target, normalize=False)
            total = sum(raw.values())
            ordered = sorted(raw.items(), key=lambda item: (-item[1], item[0]))
            found[name] = {key: value / total for key, value in ordered} if total > 0 else {}
    return {name: shares for name, shares in found.items() if shares}


def ped_anova(trials: int) -> BaseImportanceEvaluator:
    """Return Optuna's default evaluator, with at least five trials as the best: of three it reads noise."""
    from optuna.importance import PedAnovaImportanceEvaluator

    return PedAnovaImportanceEvaluator(target_quantile=max(0.1, BEST / trials))


def loss(objectives: Mapping[str, str], place: int) -> Callable[[FrozenTrial], float]:
    """Return the function that gives an objective's value of a complete trial, turned so that less is better."""
    sign = -1.0 if list(objectives.values())[place] == "maximize" else 1.0
    return lambda trial: sign * trial.values[place]


def _copied(trial: FrozenTrial, short: Mapping[str, str]) -> FrozenTrial:
    from optuna.trial import TrialState, create_trial

    known = {name: new for name, new in short.items() if name in trial.params}
    state, values = trial.state, trial.values
    if values and not all(map(math.isfinite, values)):
        state, values = TrialState.FAIL, None
    made = partial(
        create_trial,
        state=state,
        values=values,
        intermediate_values=trial.intermediate_values,
        constraints=trial.constraints,
    )
    try:
        return made(
            params={new: trial.params[name] for name, new in known.items()},
            distributions={new: trial.distributions[name] for name, new in known.items()},
        )
    except ValueError:  # a fixed trial may lie outside the space
        return made()
