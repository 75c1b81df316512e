"""What ``report.md`` says of the misclassified clips and of accuracy in noise, from the run's folder alone."""

from __future__ import annotations

from kws_exp import figures, run_folder
from kws_exp.markdown import code, table
from kws_exp.misheard import COUNTS, NOISE, PAGE, chart
from kws_exp.misheard.noise import Point
from kws_exp.run_folder import RunFolder

FIGURE = "noise.png"


def draw(folder: RunFolder) -> None:
    """Draw ``figures/noise.png`` if accuracy in noise was measured."""
    measured = points(folder)
    if measured:
        title = f"{folder.record().name}: test clips in noise"
        figures.save(chart.noise(measured, title), folder.figures / FIGURE)


def errors(folder: RunFolder) -> list[str]:
    """Return the lines on the misclassified clips."""
    if not (folder.path / COUNTS).exists() or not (folder.path / PAGE).exists():
        return []
    counts = run_folder.read_json(folder.path / COUNTS)
    if not counts["misheard"]:
        return []
    which = "them" if counts["shown"] == counts["misheard"] else f"the {counts['shown']:,} most confident of them"
    form = {"int8": "int8 model", "float": "Keras model"}[counts["form"]]
    return [
        "## Listening to the errors",
        "",
        f"The {form} gives {counts['misheard']:,} of {counts['tested']:,} test clips the wrong label. "
        f"[{PAGE}]({PAGE}) plays {which}, with what the network saw: grouped by true and predicted word or by speaker, "
        "sorted by confidence.",
    ]


def noise(folder: RunFolder) -> list[str]:
    """Return the lines on accuracy in noise."""
    measured = points(folder)
    if not measured:
        return []
    rows = [[chart.ratio(point), f"{point.accuracy:.1%}", f"{point.low:.1%} to {point.high:.1%}"] for point in measured]
    lines = [
        "## Accuracy in noise",
        "",
        f"Of the Keras model on {measured[0].clips:,} test clips of speech (no {code('_silence_')}), mixed with noise "
        "held out for the test. The ratio is that of the speech in its active part (20 ms frames within 20 dB of the "
        "loudest) to the added noise; noise in the recording itself is not counted.",
        "",
        *table(["speech to added noise", "accuracy", "95 % interval"], rows),
    ]
    if (folder.figures / FIGURE).exists():
        lines += ["", f"![accuracy against the signal-to-noise ratio](figures/{FIGURE})"]
    return lines


def metrics(folder: RunFolder) -> dict[str, float]:
    """Return accuracy in noise by metric, ``test_noise/accuracy_10db`` and so on; MLflow allows no plus sign."""
    return {
        f"test_noise/accuracy_{chart.ratio(point).replace(' dB', 'db').replace('-', 'minus')}": point.accuracy
        for point in points(folder)
    }


def points(folder: RunFolder) -> list[Point]:
    """Return the measured points; none before the run came to them."""
    path = folder.path / NOISE
    return [Point(**point) for point in run_folder.read_json(path)] if path.exists() else []
