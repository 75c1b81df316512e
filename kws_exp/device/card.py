"""``MODEL_CARD.md``: what the model is for, where it comes from, how well it does, and what nobody has measured.

The sections are those of Mitchell et al., "Model Cards for Model Reporting" (arXiv 1810.03993). The surprising
fact: the accuracy of a clip says little about a device that listens all day, so the card says what was not measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from string import Template
from typing import Any

from kws_exp.device.names import markdown
from kws_exp.device.readme import figures, licence
from kws_exp.markdown import table

_FORMS = {
    "keras": "Keras, float32",
    "float_tflite": "TensorFlow Lite, float32",
    "int8_tflite": "TensorFlow Lite, int8, reference kernels",
    "int8_tflm": "TensorFlow Lite Micro, int8: what the device computes",
}
_RECORDED = {
    "run_id": "run",
    "created": "begun",
    "steps": "steps",
    "weights_of_step": "weights of step",
    "git": "source code",
    "versions": "software",
}
_USE = """\
Tells which of a few words a clip of one second holds, in firmware without a network connection. It is no safety device
and identifies nobody. Words that it was not trained on are meant to come out as `_unknown_`, and do so less reliably
the more they sound like a keyword.
"""
_LIMITS = """\
- Accuracy is that on clips of one second with a word in each, by speakers that the training did not hear.
- $stream
- Measured with the microphones of the recordings. Another microphone, its case and its gain change the features.
- Accents, ages and languages are those of the data; no figure is broken down by speaker.
- $detector
- Nobody has timed a board. Instructions are counted exactly by an emulator (`make qemu-m4`), which knows no memory and
  no cycles; latencies in the manifest, under `device`, are estimates made from them.
"""
_NOT_CHOSEN = {
    "stream": """\
False accepts in an hour of continuous audio, and words missed in it, were not measured here: record an hour of the
  place where the device will be, and give it to `python -m kws_exp.stream score`.""",
    "detector": """\
Threshold and times of the detector (`detector` in the manifest) are settings; no recording chose them.""",
}
_CHOSEN = {
    "stream": """\
In continuous audio, the recordings that the detector's settings were chosen on: $sentence. Figures of the best of many
  settings are too good; those on other recordings are not in this folder.""",
    "detector": """\
Thresholds and times of the detector (`detector` in the manifest) were chosen on $hours h of recordings for at most
  $limit false accepts in an hour; another place makes other noise.""",
}


def write(manifest: Mapping[str, Any], title: str) -> str:
    """Return the text.

    Args:
        manifest: The content of ``manifest.json``.
        title: A line that names the keywords.
    """
    sections = {
        "": f"# {markdown(manifest['name'])}\n\n{markdown(title)}.",
        "Intended use": _USE,
        "Model": _list(figures(manifest)),
        "Training": _list(_provenance(manifest["provenance"])),
        "Accuracy on the test partition": _accuracy(manifest["accuracy"]),
        "Limits": _limits(manifest.get("operating_point")),
        "Licence": "\n\n".join(licence(manifest)),
    }
    return "\n\n".join((f"## {head}\n\n" if head else "") + text.strip() for head, text in sections.items()) + "\n"


def _limits(chosen: Mapping[str, Any] | None) -> str:
    values = {}
    if chosen:
        values = {
            "sentence": markdown(str(chosen["sentence"])),
            "hours": f"{chosen['hours']:.3g}",
            "limit": f"{chosen['max_false_accepts_per_hour']:g}",
        }
    texts = _CHOSEN if chosen else _NOT_CHOSEN
    return Template(_LIMITS).substitute({key: Template(text).substitute(values) for key, text in texts.items()})


def _accuracy(accuracy: Mapping[str, float] | None) -> str:
    if not accuracy:
        return "Not measured."
    rows = ((_FORMS.get(form, markdown(form)), f"{share:.1%}") for form, share in accuracy.items())
    return "\n".join(table(("form", "accuracy"), rows))


def _provenance(provenance: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    data = provenance.get("data") or {}
    kinds = {"speech_commands": "recorded speech", "synthetic": "synthetic speech by eSpeak NG"}
    yield "data", markdown(kinds.get(data.get("source", ""), "not recorded"))
    yield "digest of the data", markdown(str(data.get("digest", "not recorded")))
    for key, head in _RECORDED.items():
        if provenance.get(key) not in (None, {}):
            yield head, markdown(_flat(provenance[key]))


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_flat(item)}" for key, item in value.items())
    return str(value)


def _list(rows: Iterator[tuple[str, str]]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in rows)
