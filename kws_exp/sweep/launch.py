"""Trials as jobs of Hydra's launchers: ``hydra/launcher=ray``, ``submitit_slurm`` or ``joblib``.

A launcher takes a batch of jobs and returns when the last has ended, so workers wait for each other here as they do
not with ``sweeper.workers``; what it gives is machines that Hydra's users already have. A job finds its trial by
``sweeper.trial`` and reports to the study's storage, which all machines must reach.
"""

from __future__ import annotations

from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from kws_exp import config as configuration
from kws_exp.schema import Config, Sweeper
from kws_exp.sweep.group import Group
from kws_exp.sweep.outcome import FAILED, STOPPED, Outcome
from kws_exp.sweep.plan import Plan
from kws_exp.sweep.study import TRACKING, Study

BASIC = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"


def other_than_basic(hydra_context: Any, task_function: Any, hydra_config: Any) -> Any:
    """Return the launcher that the command line chose; None for Hydra's own, whose place our workers take."""
    if hydra_config.hydra.launcher._target_ == BASIC:
        return None
    from hydra.core.plugins import Plugins

    return Plugins.instance().instantiate_launcher(
        hydra_context=hydra_context, task_function=task_function, config=hydra_config
    )


def run(launcher: Any, plan: Plan, study: Study, group: Group) -> None:
    """Run all waiting trials in batches of ``sweeper.workers``."""
    done = 0
    while True:
        claimed = [trial for _ in range(plan.workers) if (trial := study.claim()) is not None]
        if not claimed:
            return
        batch = [
            [*plan.overrides(trial.params), f"sweeper.study={study.name}", f"sweeper.trial={trial.number}"]
            for trial in claimed
        ]
        returns = launcher.launch(batch, initial_job_idx=done)
        done += len(batch)
        for trial, returned in zip(claimed, returns, strict=True):
            outcome = _outcome(returned)
            if outcome.state == STOPPED:
                study.give_back(study.frozen(trial.number))
            else:
                study.tell(trial, outcome)
                group.ended(study.frozen(trial.number), study)


def job(config: Config, settings: Sweeper) -> Outcome:
    """Run the trial that a launcher's job is for, in the job's own process."""
    from kws_exp.sweep import storage, trial

    overrides = [item for item in HydraConfig.get().overrides.task if not item.startswith("sweeper.trial=")]
    if not GlobalHydra.instance().is_initialized():  # a launcher may start its jobs without
        from hydra import initialize_config_dir

        configuration.register()
        initialize_config_dir(str(configuration.CONFIG_ROOT / "conf"), version_base="1.3")
    resolved = storage.resolve(settings.storage, config.output_dir)
    assert settings.study is not None and settings.trial is not None
    opened = storage.open_storage(resolved)
    study_id = opened.get_study_id_from_name(settings.study)
    number = opened.get_trial_id_from_study_id_trial_number(study_id, settings.trial)
    runs = opened.get_trial_user_attrs(number).get("runs", ())
    group = opened.get_study_user_attrs(study_id).get(TRACKING)
    return trial.run(trial.job(resolved, settings.study, settings.trial, overrides, settings, group, runs))


def _outcome(returned: Any) -> Outcome:
    try:
        value = returned.return_value  # raises what the job raised
    except Exception as error:
        return Outcome(FAILED, reason=f"{type(error).__name__}: {error}")
    return value if isinstance(value, Outcome) else Outcome(FAILED, reason="the job returned nothing")
