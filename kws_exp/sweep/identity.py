"""What makes two sweeps one study: its name is made of it, and a command that differs is told in what.

The surprising fact: how many trials, which sampler, pruner and workers may change from one command to the next.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import zip_longest
from typing import Any

from kws_exp.schema import Config
from kws_exp.sweep import storage

MAY_DIFFER = ("output_dir", "verbosity", "name", "tags", "tracking", "resume", "data.cache_dir")  # within a study
SHOWN = 100  # characters of a value


def default_name(sweep: str, identity: Mapping[str, Any]) -> str:
    """Return the name of a study: of its sweep, and of all that decides what its trials are."""
    return f"{sweep}-{hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]}"


def comparable(config: Config) -> dict[str, Any]:
    """Return the settings that trials of one study share, by name."""
    return {
        name: storage.shown(value) if isinstance(value, str) else value  # a study holds no password
        for name, value in _flat(asdict(config))
        if not any(name == other or name.startswith(f"{other}.") for other in MAY_DIFFER)
    }


def difference(stored: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Return what first tells one identity from another, with both values; None if nothing does.

    Args:
        stored: Of the study as it is; it may hold more, which is not compared.
        now: Of the command line.
    """
    plain = json.loads(json.dumps(now))
    return next((_told(key, stored.get(key), value) for key, value in plain.items() if stored.get(key) != value), None)


def _told(key: str, before: Any, now: Any) -> str:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        name = next(name for name in [*before, *now] if before.get(name) != now.get(name))
        return _told(name if key == "settings" else f"{key}: {name}", before.get(name), now.get(name))
    if key.startswith("space: ") and before and now:  # long lists, of which the first entries may be the same
        before, now = next(pair for pair in zip_longest(before, now) if pair[0] != pair[1])
    return f"{key} ({_shortened(before)}; now {_shortened(now)})"


def _shortened(value: Any) -> str:
    shown = json.dumps(value, ensure_ascii=False)
    return shown if len(shown) < SHOWN else f"{shown[:SHOWN]} ..."


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
