"""``report.md`` of a run, from the run's folder alone.

Everything is read back from the files, so a report can be made again at any time, and of a run that failed
halfway: what is not there is left out. Nothing here knows TensorFlow or MLflow.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kws_exp import budget, figures, report_device, run_folder, summary
from kws_exp.evaluate import Evaluation
from kws_exp.markdown import code, table
from kws_exp.misheard import section as misheard
from kws_exp.run_folder import RunFolder, RunRecord
from kws_exp.stream import section as stream

FILES = {
    "README.md": "how to build, test and flash what is here",
    "model_int8.tflite": "the model for the device, int8 in and out",
    "tflm": "the same as C++ for TensorFlow Lite Micro: model, settings, operators, arena",
    "c99": "the same as a C99 program that needs no library",
    "golden": "test vectors and the self-test: `make` in the export's folder",
    "MODEL_CARD.md": "what the model is for, and what it was made of",
    "model_float.tflite": "the model before quantisation",
    "saved_model": "the Keras model in TensorFlow's serving format",
    "labels.txt": "labels in the order of the outputs",
    "manifest.json": "features, quantisation, operators, sizes and hashes for programs",
    "proof.json": "the comparison above",
}
SKIPPED_SHOWN = 5


def write(folder: RunFolder) -> Path:
    """Draw the figures and write ``report.md``; return its path."""
    evaluation, points = summary.evaluation(folder), run_folder.read_lines(folder.curves)
    name = folder.record().name
    if evaluation:
        figures.save(figures.confusion(evaluation, f"{name}: test partition"), folder.figures / "confusion.png")
    if points:
        figures.save(figures.curves(points, f"{name}: training"), folder.figures / "curves.png")
    misheard.draw(folder)
    run_folder.write_text(folder.path / "report.md", markdown(folder))
    return folder.path / "report.md"


def markdown(folder: RunFolder) -> str:
    """Return the report."""
    record, evaluation = folder.record(), summary.evaluation(folder)
    manifest, proof = summary.exported(folder)
    sections = [
        [f"# {record.name}", "", _headline(record, evaluation, manifest)],
        _data(record),
        _accuracy(evaluation, proof),
        _words(folder, evaluation),
        misheard.errors(folder),
        misheard.noise(folder),
        stream.lines(folder),
        report_device.section(manifest, proof),
        _training(folder, record),
        _reproduce(record),
        _usage(folder, manifest),
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _headline(record: RunRecord, evaluation: Evaluation | None, manifest: Mapping[str, Any] | None) -> str:
    if evaluation is None:
        return f"The run is {record.status} and has no test result."
    low, high = evaluation.interval
    size = f", in a file of {summary.int8_size(manifest)}" if manifest else ""
    return (
        f"**{evaluation.accuracy:.1%}** of {evaluation.clips:,} test clips get the right label "
        f"(95 % interval {low:.1%} to {high:.1%}){size}."
    )


def _data(record: RunRecord) -> list[str]:
    data = record.data
    if not data:
        return []
    labels = list(next(iter(data["counts"].values())))
    rows = [[name, *(f"{counts[label]:,}" for label in labels)] for name, counts in data["counts"].items()]
    description = data["description"].removeprefix("data: ")
    lines = ["## Trained on", "", f"{description[:1].upper()}{description[1:]}.", ""]
    lines += table(["clips", *map(code, labels)], rows)
    skipped = list(data.get("skipped", {}).items())
    if skipped:
        more = f", and {len(skipped) - SKIPPED_SHOWN} more" if len(skipped) > SKIPPED_SHOWN else ""
        named = "; ".join(f"`{path}` ({why})" for path, why in skipped[:SKIPPED_SHOWN])
        lines += ["", f"Left out, because they could not be read: {named}{more}."]
    return [*lines, "", f"Digest of clips, labels and partitions: `{data['digest']}`."]


def _accuracy(evaluation: Evaluation | None, proof: Mapping[str, Any] | None) -> list[str]:
    rows = summary.accuracy_rows(evaluation, proof)
    if not rows:
        return []
    lines = ["## Accuracy on the test partition", ""]
    lines += table(["form of the model", "accuracy", "95 % interval", "same label as Keras"], rows)
    forms = proof["forms"] if proof else None
    if forms and forms["equal_rows"] is not None:
        lines += [
            "",
            f"TensorFlow Lite's reference kernels and TensorFlow Lite Micro give the same bytes for "
            f"{forms['equal_rows']:,} of {forms['clips']:,} clips; the largest difference of an output is "
            f"{forms['largest_difference']} of 256.",
        ]
    elif forms:
        lines += ["", f"TensorFlow Lite Micro: {forms['tflm']}."]
    return lines


def _words(folder: RunFolder, evaluation: Evaluation | None) -> list[str]:
    if evaluation is None:
        return []
    rows = [
        [code(score.label), f"{score.clips:,}", *map(_share, (score.precision, score.recall, score.f1))]
        for score in evaluation.per_class()
    ]
    lines = ["## Word by word", "", *table(["label", "clips", "precision", "recall", "F1"], rows)]
    worst = [
        f"- `{cell.true}` taken for `{cell.predicted}`: {cell.clips} clips, {cell.share:.1%} of all `{cell.true}`"
        for cell in evaluation.worst_confusions()
    ]
    lines += ["", "Most frequent confusions:", "", *worst] if worst else []
    if (folder.figures / "confusion.png").exists():
        lines += ["", "![confusion matrix of the test partition](figures/confusion.png)"]
    return lines


def _training(folder: RunFolder, record: RunRecord) -> list[str]:
    lines = []
    if (folder.figures / "curves.png").exists():
        lines += ["![accuracy, loss and learning rate over the steps](figures/curves.png)", ""]
    if record.seconds:
        lines += [f"Time until this report: {budget.line(record.seconds)}."]
    return ["## Training", "", *lines] if lines else []


def _reproduce(record: RunRecord) -> list[str]:
    command = shlex.join(["python", "-m", "kws_exp", *record.overrides])
    lines = ["## Do it again", "", "```sh"]
    if record.git.get("commit"):
        lines.append(f"git checkout {record.git['commit']}" + _dirty(record.git))
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    lines += [command, "```", "", "All settings with their values are in `config.yaml`."]
    return [*lines, "", f"Made with {versions}."] if versions else lines


def _dirty(git: Mapping[str, str]) -> str:
    return "  # with changes that were not committed" if git.get("dirty") == "true" else ""


def _usage(folder: RunFolder, manifest: Mapping[str, Any] | None) -> list[str]:
    if manifest is None:
        return []
    rows = [[code(f"export/{name}"), what] for name, what in FILES.items() if (folder.export / name).exists()]
    source = manifest["input"]
    return [
        "## Using the files",
        "",
        *table(["file", "what it is"], rows),
        "",
        "One second of audio at 16 kHz becomes features as described above; a feature `x` enters the model as "
        f"`round(x / {source['scale']:.6g}) {source['zero_point']:+d}`, limited to -128..127. Output `q` of a label is "
        "the score `(q + 128) / 256`. The export's own `README.md` tells the rest; to repeat the proof, anywhere:",
        "",
        "```sh",
        f"python -m kws_exp.verify {shlex.quote(str(folder.export))}",
        "```",
    ]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
