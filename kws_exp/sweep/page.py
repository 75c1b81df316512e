"""``sweep.html``: Optuna's interactive figures on one page that needs no network.

The drawing program, plotly.js, is in the page once: 4.8 MB of its size. The surprising fact: of a study with several
objectives ``plot_param_importances`` draws what makes each *low*, so that here each objective is drawn by itself.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kws_exp.figures import BLUE, GREY, INK, ORANGE
from kws_exp.sweep import measures
from kws_exp.sweep.charts import SOUND
from kws_exp.sweep.plain import loss, ped_anova
from kws_exp.sweep.wording import is_share

if TYPE_CHECKING:
    from optuna.study import Study

COLORS = [BLUE, ORANGE, "#2f855a", "#805ad5", "#c53030", "#319795", "#b7791f", GREY]
HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sweep</title><style>
body {{ font: 15px system-ui, sans-serif; color: {ink}; margin: 24px auto; max-width: 1180px; padding: 0 16px }}
h2 {{ font-size: 17px; margin: 32px 0 0 }}
</style></head><body>
"""


def render(study: Study, objectives: Mapping[str, str], important: Sequence[str]) -> str:
    """Return the page; ``important`` names the objectives whose importances can be drawn."""
    parts = [HEAD.format(ink=INK)]
    for number, (title, figure) in enumerate(_figures(study, objectives, important)):
        figure.update_layout(title=None, template="plotly_white", margin={"l": 70, "r": 30, "t": 56, "b": 60})
        figure.update_layout(
            font={"color": INK, "size": 13}, colorway=COLORS, height=max(440, figure.layout.height or 0)
        )
        drawn = figure.to_html(
            full_html=False,
            include_plotlyjs=number == 0,
            div_id=f"figure{number}",
            config={"displaylogo": False, "responsive": True},
        )
        parts.append(f"<h2>{html.escape(title)}</h2>\n{drawn}\n")
    return "".join([*parts, "</body></html>\n"])


def _figures(study: Study, objectives: Mapping[str, str], important: Sequence[str]) -> Iterator[tuple[str, Any]]:
    from optuna import visualization

    names = list(objectives)
    for place, name in enumerate(names):
        yield f"{name}: history", _history(study, names, place)
    for place, name in list(enumerate(names))[1:]:
        yield f"{names[0]} against {name}", _pareto(study, names, place)
    if important:
        yield (
            f"Importance of the parameters: PED-ANOVA, a guess below {SOUND} trials",
            _importances(study, objectives, important),
        )
    study.set_metric_names(names)
    figure = visualization.plot_parallel_coordinate(study, target_name=names[0])
    if figure.data:
        yield "Parallel coordinates", figure
    if any(trial.intermediate_values for trial in study.get_trials(deepcopy=False)):
        figure = visualization.plot_intermediate_values(study)
        told = "100 % - validation accuracy" if measures.minimizes(objectives) else "validation accuracy"
        _percent(figure.update_layout(yaxis_title=told, xaxis_title="step"), y="accuracy")
        yield "Validation of the trials as they train", figure


def _history(study: Study, names: Sequence[str], place: int) -> Any:
    from optuna.visualization import plot_optimization_history

    target = None if len(names) == 1 else lambda trial: trial.values[place]
    figure = plot_optimization_history(study, target=target, target_name=names[place])
    return _percent(figure, y=names[place])


def _pareto(study: Study, names: Sequence[str], place: int) -> Any:
    from optuna.visualization import plot_pareto_front

    figure = plot_pareto_front(
        study, targets=lambda trial: (trial.values[place], trial.values[0]), target_names=[names[place], names[0]]
    )
    return _percent(figure, x=names[place], y=names[0])


def _importances(study: Study, objectives: Mapping[str, str], important: Sequence[str]) -> Any:
    from optuna.trial import TrialState
    from optuna.visualization import plot_param_importances

    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    evaluator = ped_anova(len(complete))
    drawn = [
        plot_param_importances(study, evaluator, target=loss(objectives, place), target_name=name)
        for place, name in enumerate(objectives)
        if name in important
    ]
    for other in drawn[1:]:
        drawn[0].add_traces(other.data)
    return drawn[0].update_layout(xaxis_title="share in what makes the objective good", yaxis_title=None)


def _percent(figure: Any, x: str = "", y: str = "") -> Any:
    if is_share(x):
        figure.update_xaxes(tickformat=".0%")
    if is_share(y):
        figure.update_yaxes(tickformat=".0%")
    return figure
