"""Plans of command lines, where the fixture ``elsewhere`` has laid recordings."""

from __future__ import annotations

from kws_exp.sweep.plan import Plan, read

MODEL = "model=tiny_conv,ds_cnn"


def plan(*arguments: str, words: str = "words=[yes,no]") -> Plan:
    given = any(argument.startswith("words=") for argument in arguments)
    return read(["data.dir=speech", *([] if given else [words]), *arguments])
