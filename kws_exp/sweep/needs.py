"""What a sweep needs before its first trial: tools that measure, clips to measure on, evaluations to prune by."""

from __future__ import annotations

from collections.abc import Sequence

from kws_exp.errors import KwsError
from kws_exp.schema import Config
from kws_exp.sweep import measures
from kws_exp.sweep.measures import DEVICE, FOOTPRINT, STREAM, TESTING, TRAINING

PARTITIONS = {
    TRAINING: "validation",
    DEVICE: "validation",
    STREAM: "validation",
    TESTING: "testing",
}  # stage of a measure -> its clips


def check_tools(named: Sequence[str]) -> None:
    """See whether this machine can find out the named measures.

    Raises:
        KwsError: a compiler, an emulator or an interpreter is not installed.
    """
    if FOOTPRINT not in measures.needed(named):
        return
    from kws_exp import footprint
    from kws_exp.export import interpreters

    footprint.check()
    if "latency_ms" in named and not footprint.emulator():
        raise KwsError(
            "latency_ms is counted in QEMU, which cannot be found: install the Debian package qemu-system-arm, or "
            "leave latency_ms out"
        )
    if "arena_kb" in named and not interpreters.tflm_available():
        raise KwsError(
            "arena_kb is found by TensorFlow Lite Micro's interpreter, which is not installed: pip install --pre "
            "tflite-micro (Linux on x86-64 only), or leave arena_kb out"
        )


def check_measured(config: Config, named: Sequence[str]) -> None:
    """See whether a run of ``config`` gives the named measures.

    Raises:
        KwsError: it exports nothing, or the partition that they are measured on is empty.
    """
    if DEVICE in measures.needed(named) and not config.export.enabled:
        raise KwsError("device_accuracy is measured on the exported model, but export is off: leave out export=none")
    if STREAM in measures.needed(named) and not config.stream.evaluate:
        raise KwsError("misses are counted on a stream, but stream.evaluate is false: add stream.evaluate=true")
    for name in named:
        partition = PARTITIONS.get(measures.MEASURES[name].known_by)
        if partition and not getattr(config.data, f"{partition}_percentage"):
            raise KwsError(
                f"{name} is measured on the {partition} partition, but data.{partition}_percentage is 0: write "
                f"data.{partition}_percentage=10"
            )


def check_evaluations(pruner: str, configs: Sequence[Config]) -> None:
    """Refuse a pruner that could stop no trial: none is evaluated before its last step.

    Raises:
        KwsError: so it is.
    """
    if pruner == "none" or any(config.train.eval_interval < sum(config.train.steps) for config in configs):
        return
    train = configs[0].train
    least = sum(train.steps) // 10
    raise KwsError(
        f"sweeper.pruner={pruner} needs evaluations before the last step, but train.eval_interval="
        f"{train.eval_interval} of {sum(train.steps)} steps gives none: write "
        + (f"train.eval_interval={least}" if least else "sweeper.pruner=none")
    )
