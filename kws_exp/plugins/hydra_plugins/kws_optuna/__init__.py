"""The sweeper as Hydra finds it: ``hydra/sweeper=kws_optuna``, which every file of ``sweeps/`` chooses.

Hydra 1.3 takes sweepers from the namespace package ``hydra_plugins`` alone, and imports all that lies there at every
start: what is heavy is imported when a sweep begins.
"""

from __future__ import annotations

from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper


class KwsOptunaSweeper(Sweeper):
    """Hands the command line to :mod:`kws_exp.sweep`."""

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Keep what a launcher needs."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep that the overrides mean."""
        from kws_exp.sweep import loop

        return loop.sweep(arguments, self.hydra_context, self.task_function, self.config)


# its settings are in the section "sweeper" of the configuration
TARGET = {"_target_": "hydra_plugins.kws_optuna.KwsOptunaSweeper"}
ConfigStore.instance().store(group="hydra/sweeper", name="kws_optuna", node=TARGET, provider="kws_exp")
