"""What a finished run came to, and the few lines that end it on the terminal.

Read from the run's folder alone, and shared with ``report.md`` (``kws_exp.report``), so that both give the same
figures. A run that failed halfway lacks files: what is not there is None, and left out of what is shown.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kws_exp import budget, run_folder
from kws_exp.checkpoint import Score
from kws_exp.evaluate import Evaluation, wilson
from kws_exp.run_folder import RunFolder, RunRecord

if TYPE_CHECKING:
    from rich.console import Group

DEVICE_VALIDATION = "device_validation.json"  # written where a sweep asks for it
FORMS = {  # of the model, in the order in which one is made from the other
    "keras": "Keras, float32",
    "float_tflite": "TensorFlow Lite, float32",
    "int8_tflite": "TensorFlow Lite, int8",
    "int8_tflm": "TensorFlow Lite Micro, int8",
}


def scores(folder: RunFolder, select: str) -> dict[str, float]:
    """Return what a run reached with the weights that ``train.select`` kept: each figure that its folder has.

    accuracy and loss of the validation partition (by the weights that were kept) and its number of clips,
    device_accuracy of the same in the device's arithmetic, test_accuracy and test_clips; misses, the share of keywords
    missed on the validation stream within the limit of false accepts, all where no operating point keeps the limit.
    """
    found: dict[str, float] = {}
    passes = [row for row in run_folder.read_lines(folder.curves) if "val/accuracy" in row]
    if passes:
        kept = passes[-1] if select == "last" else max(passes, key=_rank)
        clips = run_folder.read_lines(folder.confusions)[-1]["matrix"]
        found = {"accuracy": kept["val/accuracy"], "loss": kept["val/loss"], "clips": sum(map(sum, clips))}
    tested = evaluation(folder)
    if tested and tested.clips:
        found |= {"test_accuracy": tested.accuracy, "test_clips": tested.clips}
    if (folder.path / DEVICE_VALIDATION).exists():
        found["device_accuracy"] = run_folder.read_json(folder.path / DEVICE_VALIDATION)["accuracy"]
    if (folder.path / run_folder.STREAM).exists():
        chosen = run_folder.read_json(folder.path / run_folder.STREAM)["chosen"]
        found["misses"] = chosen["figures"]["false_reject_rate"] if chosen["met"] else 1.0
    return found


def _rank(row: Mapping[str, float]) -> tuple[float, ...]:
    return Score(int(row["step"]), row["val/accuracy"], row["val/loss"], row.get("val/misses")).rank


def terminal(folder: RunFolder) -> Group:
    """Return what ends a run: accuracies, sizes, where the run is and how to look at it, and where its time went."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    manifest, proof = exported(folder)
    table = Table("test partition", "accuracy", "95 % interval", "same label as Keras", title_justify="left")
    for row in accuracy_rows(evaluation(folder), proof):
        table.add_row(*row)
    lines = [f"{name}: {value}" for name, value in sizes(manifest)] if manifest else []
    lines += [*device_lines(proof["device"]), *proof["unfit"], *no_c(proof)[:1]] if proof else []
    record = folder.record()
    lines += [f"report: {folder.path / 'report.md'}", *_links(record), f"time {budget.line(record.seconds)}"]
    return Group(*([table] if table.row_count else []), *map(Text, lines))


def ui_command(uri: str) -> str:
    """Return the command that opens the tracking server's pages on a store."""
    return f"mlflow ui --backend-store-uri {shlex.quote(uri)}"


def run_link(uri: str, run_id: str) -> str | None:
    """Return the page of a run on a server, None for a database without one."""
    return f"{uri}/#/runs/{run_id}" if uri.startswith(("http://", "https://")) else None


def evaluation(folder: RunFolder) -> Evaluation | None:
    """Return the result on the test partition, None without one or when the partition is empty."""
    path = folder.path / "evaluation.json"
    found = Evaluation.from_json(run_folder.read_json(path)) if path.exists() else None
    return found if found and found.clips else None


def exported(folder: RunFolder) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return the contents of ``manifest.json`` and ``proof.json``, None for what is not there."""
    paths = (folder.export / "manifest.json", folder.export / "proof.json")
    manifest, proof = (run_folder.read_json(path) if path.exists() else None for path in paths)
    return manifest, proof


def accuracy_rows(result: Evaluation | None, proof: Mapping[str, Any] | None) -> list[list[str]]:
    """Return form, accuracy, interval and agreement with Keras of every form of the model that was measured."""
    if proof is None:
        return [_accuracy_row("keras", result.accuracy, result.clips, None)] if result else []
    forms = proof["forms"]
    return [
        _accuracy_row(form, forms["accuracy"][form], forms["clips"], forms["agreement"].get(f"keras/{form}"))
        for form in FORMS
        if form in forms["accuracy"]
    ]


def sizes(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what the model needs on the device, as pairs of name and value."""
    arena = manifest["arena"]
    reserve = f"{arena['host_bisect']:,} bytes on this host; reserve {arena['ceiling']:,}" if arena else "not measured"
    return [
        ("int8 model", int8_size(manifest)),
        ("arena", reserve),
        ("parameters", f"{manifest['parameters']:,}"),
        ("multiply-accumulates", f"{manifest['macs']:,} per clip"),
    ]


def device_lines(device: Mapping[str, Any]) -> list[str]:
    """Return what the generated C was seen to do: here, and on emulated cores."""
    clips = f" ({device['clips']:,} clips)" if device["clips"] else ""
    lines = [f"C99 program against TensorFlow Lite Micro, {device['scope']}: {device['host']}{clips}"]
    if not device["cores"]:
        return [*lines, f"emulated Cortex-M cores: {device['emulation']}"]
    names = ", ".join(f"{core['name'].removeprefix('cortex-')} {core['status']}" for core in device["cores"])
    return [*lines, f"on emulated cores: {names}", *_main_core(device["cores"][0])]


def no_c(proof: Mapping[str, Any]) -> list[str]:
    """Return why there is no C, or none of the features; the first sentence is the reason of any other."""
    return [sentence for part in ("c99", "detector") if (sentence := proof["omitted"].get(part))]


def _main_core(core: Mapping[str, Any]) -> list[str]:
    if not core["clips"]:
        return []
    low, high = core["inference_ms"]
    return [
        f"{core['name']}: {core['flash']:,} bytes of flash, {core['ram']:,} bytes of RAM, "
        f"{low:.3g} to {high:.3g} ms an inference (estimate)"
    ]


def int8_size(manifest: Mapping[str, Any]) -> str:
    """Return the size of the file for the device."""
    return f"{manifest['files']['model_int8.tflite']['bytes']:,} bytes"


def _accuracy_row(form: str, accuracy: float, clips: int, agreement: float | None) -> list[str]:
    low, high = wilson(round(accuracy * clips), clips)
    same = "-" if agreement is None else f"{agreement:.1%}"
    return [FORMS[form], f"{accuracy:.1%}", f"{low:.1%} to {high:.1%}", same]


def _links(record: RunRecord) -> Iterable[str]:
    if not record.tracking_run_id or not record.tracking_uri:
        return
    yield f"run: {record.tracking_run_id}"
    link = run_link(record.tracking_uri, record.tracking_run_id)
    if link:
        yield f"page: {link}"
    else:
        yield f"to look at it: {ui_command(record.tracking_uri)}"
        yield f"          then: http://127.0.0.1:5000/#/runs/{record.tracking_run_id}"
