"""The figures of a sweep, written into its folder while it goes and at its end.

``figures/*.png`` are in the look of a run's figures; ``figures/sweep.html`` (``kws_exp.sweep.page``) has
Optuna's own. What cannot be drawn yet is left out. The surprising fact: Optuna warns of much that is harmless on the
way, so its voice is off meanwhile.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kws_exp import figures, run_folder
from kws_exp.sweep import charts, measures, page, plain, ranking
from kws_exp.sweep.parallel import parallel
from kws_exp.sweep.ranking import varied
from kws_exp.sweep.wording import short_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from kws_exp.sweep.charts import Importances
    from kws_exp.sweep.ranking import Row

AXES = 12  # parameters in the parallel coordinates: the most important ones


def write(study: Study, objectives: Mapping[str, str], folder: Path, interactive: bool = True) -> list[Path]:
    """Draw what can be drawn into ``folder/figures`` and return the files, the page last.

    Of 40 trials the PNG files take 0.4 to 0.7 s and the page 0.4 s more (300 trials: 1 s and 1 s), the first time 2 s
    for the imports.
    """
    into = folder / "figures"
    into.mkdir(parents=True, exist_ok=True)
    trials = study.get_trials(deepcopy=False)
    rows = ranking.rows(trials, objectives)
    with _quiet():
        simple = plain.copy(trials, rows, objectives)
        found = plain.importances(simple, objectives)
        written = [_save(figure, into / f"{name}.png") for name, figure in _drawn(rows, trials, objectives, found)]
        text = page.render(simple, objectives, list(found)) if interactive and len(charts.complete(rows)) > 1 else None
    if text:
        run_folder.write_text(into / "sweep.html", text)
        written.append(into / "sweep.html")
    return written


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Optuna: its warnings of experimental functions and of few trials, and its log."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)


def _drawn(
    rows: Sequence[Row], trials: Sequence[FrozenTrial], objectives: Mapping[str, str], found: Importances
) -> Iterator[tuple[str, Figure]]:
    """Yield the PNG files' names and figures."""
    names = list(objectives)
    drawn: dict[str, Callable[[], Figure | None]] = {}
    for place, name in enumerate(names):
        drawn[f"history_{_slug(name)}"] = partial(charts.history, rows, objectives, place)
    for place, name in list(enumerate(names))[1:]:
        drawn[f"pareto_{_slug(name)}"] = partial(charts.pareto, rows, objectives, place)
    logarithmic = {
        name for trial in trials for name, kind in trial.distributions.items() if getattr(kind, "log", False)
    }
    reported = {
        trial.number: {step: measures.reported(value, objectives) for step, value in trial.intermediate_values.items()}
        for trial in trials
    }
    shares, varying = found.get(names[0], {}), short_names(varied(charts.complete(rows)))
    ordered = sorted(varying, key=lambda name: -shares.get(varying[name], 0.0))
    drawn["importances"] = partial(charts.importances, found, len(charts.complete(rows)))
    drawn["parallel"] = partial(parallel, rows, objectives, {name: name in logarithmic for name in ordered[:AXES]})
    drawn["curves"] = partial(charts.curves, rows, reported)
    for name, draw in drawn.items():
        figure = draw()
        if figure:
            yield name, figure


def _save(figure: Figure, path: Path) -> Path:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    figures.save(figure, aside)
    os.replace(aside, path)
    return path


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", name)
