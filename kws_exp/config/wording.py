"""What is wrong with a configuration, in one sentence: the rule, the value, the nearest valid one.

:func:`explain` words what Hydra and OmegaConf raise. The surprising fact: Hydra lets out plain ValueErrors as well, so
:func:`is_composition_error` goes by their text.
"""

from __future__ import annotations

import contextlib
import re
import traceback
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from kws_exp.errors import nearest
from kws_exp.schema import Composition

GROUPS = ("data", "features", "model", "optimizer", "train", "export", "tracking", "experiment", "sweeps")
KINDS = {"Integer": "a whole number", "Float": "a number", "Boolean": "true or false", "bool": "true or false"}


def is_composition_error(error: Exception) -> bool:
    """Tell an error of the composition from others of its type: ``model=null`` raises a plain ValueError."""
    named = isinstance(error, OmegaConfBaseException) or str(error).startswith("Config group override")
    if isinstance(error, UnicodeDecodeError):  # of a file of Hydra's, not of whatever a run reads
        return any("file_config_source" in item.filename for item in traceback.extract_tb(error.__traceback__))
    return named or not isinstance(error, ValueError)


def explain(error: Exception) -> str:
    """Return one sentence for an error of the composition: the rule, the value, the nearest valid one."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return _unknown_option(error)
    if isinstance(error, UnicodeDecodeError):
        return f"the files of --config-dir must be text in UTF-8, but one cannot be read ({error}): save it as such"
    if isinstance(error, yaml.YAMLError):
        return no_yaml(error)
    if isinstance(error, OverrideParseException):
        return (
            f"cannot read '{error.override}' on the command line: close every bracket, and put what is not plain "
            'letters, digits or a path in quotes, as in \'words=["is it","да"]\''
        )
    if isinstance(error, ValueError) and not isinstance(error, OmegaConfBaseException):
        return (
            f"each of {', '.join(GROUPS[:7])} must be one of its choices, not null: python -m kws_exp --help lists them"
        )
    cause = next((e for e in _chain(error) if isinstance(e, OmegaConfBaseException) and e.full_key), None)
    if cause is None:
        return _reworded(" ".join(str(error).split()))
    if type(cause).__name__ in {"ConfigAttributeError", "ConfigKeyError"}:
        return unknown_key(str(cause.full_key), cause.object_type)
    return _wrong_type(str(cause.full_key), _first_line(str(cause.msg or cause)))


def no_yaml(error: yaml.YAMLError, path: Path | None = None) -> str:
    """Return the sentence for a file that the parser gave up."""
    mark = getattr(error, "problem_mark", None)
    where = f"{path or getattr(mark or error, 'name', 'a file')}" + (f", line {mark.line + 1}," if mark else "")
    problem = getattr(error, "problem", None) or _first_line(str(error))
    return f"{where} must be YAML, but is not ({problem}): mend it, as in the files of conf/"


def unknown_keys(node: DictConfig, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the keys that no dataclass has, with the type of what holds them."""
    kind = OmegaConf.get_type(node)
    known = {item.name for item in fields(kind)} if is_dataclass(kind) else None
    for key in map(str, node):
        child = node._get_node(key)
        if known is not None and key not in known:
            yield f"{prefix}{key}", kind
        elif isinstance(child, DictConfig) and not child._is_missing() and not child._is_none():
            yield from unknown_keys(child, f"{prefix}{key}.")


def unknown_key(full_key: str, kind: Any) -> str:
    """Return the sentence for a key that its section does not have."""
    parent, _, key = full_key.rpartition(".")
    if parent and not is_dataclass(kind):
        return f"{parent} has no '{key}' yet: write +{full_key}=VALUE to add it"
    known = [item.name for item in fields(kind)] if is_dataclass(kind) else []
    if not parent:  # a section's setting typed without its section, such as batch_size=10
        known += [name for name in _all_settings() if name.rpartition(".")[2] == key]
    where = f"{parent} has" if parent else "there are"
    return f"there is no setting '{full_key}'{nearest(key, known)}: {where} {', '.join(known)}"


def _wrong_type(key: str, message: str) -> str:
    if "is not a ListConfig" in message:
        return f"{key} must be a list, but one value is given: write {key}=[VALUE]"
    if "missing mandatory value" in message or "is not Optional" in message:
        return f"{key} must be set: give {key}=VALUE"
    wrong = re.match(r"Value '(.*)' (?:of type '\w+' could not be converted to|is not a valid) (\w+)", message)
    if wrong:
        value, kind = wrong.groups()
        return f"{key} must be {KINDS.get(kind, kind)}, but is '{value}': write {key}={_example(kind, value)}"
    return f"{key}: {message}"


def _example(kind: str, value: str) -> str:
    """Return a valid value, near the wrong one if that is a number."""
    with contextlib.suppress(ValueError, OverflowError):
        if kind == "Integer":
            return str(round(float(value)))
    return {"Integer": "100", "Float": "0.1"}.get(kind, "true")


def _all_settings() -> list[str]:
    sections = [item.name for item in fields(Composition)]
    kinds = {name: _section_type(name) for name in sections}
    return [f"{name}.{item.name}" for name, kind in kinds.items() if kind for item in fields(kind)]


def _section_type(name: str) -> Any:
    kind = OmegaConf.structured(Composition)._get_node(name)
    return kind._metadata.ref_type if isinstance(kind, DictConfig) and is_dataclass(kind._metadata.ref_type) else None


def _unknown_option(error: MissingConfigException) -> str:
    group, _, option = str(error.missing_cfg_file).rpartition("/")
    options = sorted(error.options or [])
    if not options:
        asked = group or option
        return f"there is no configuration group '{asked}'{nearest(asked, GROUPS)}: the groups are {', '.join(GROUPS)}"
    return f"{group}={option} is not known{nearest(option, options)}: {group} is one of {', '.join(options)}"


def _reworded(message: str) -> str:
    ambiguous = re.match(r"Ambiguous value for argument '([\w.]+)=(.+?)'", message)
    if ambiguous:
        key, value = ambiguous.groups()
        return (
            f"{key} takes one value, but '{value}' are several: "
            f"write {key}=[{value}] for a list, or add --multirun to run each"
        )
    return message


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
