"""The report's words on the device: what the model needs there, what was proved of it, and what was not run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kws_exp import summary
from kws_exp.markdown import table
from kws_exp.proof.finding import EQUAL


def section(manifest: Mapping[str, Any] | None, proof: Mapping[str, Any] | None) -> list[str]:
    """Return the lines; none without an export."""
    if manifest is None:
        return []
    lines = ["## On the device", "", *table(["", ""], _needs(manifest))]
    if proof is None:
        return lines
    lines += ["", proved(proof["device"]), *summary.no_c(proof), *map(_ethos_u, proof["ethos_u"])]
    lines += [f"Profile `{proof['profile']}`: {_profile(proof['unfit'])}", "", *_cores(proof["device"])]
    return lines


def proved(device: Mapping[str, Any]) -> str:
    """Return a sentence on the generated C."""
    if device["host"] == EQUAL:
        sizes = ", ".join(f"{stage} {count:,} bytes" for stage, count in device["compared"].items())
        return (
            "The generated C gives the same bytes as training's features and TensorFlow Lite Micro, "
            f"{device['scope']}, for all {device['clips']:,} test clips ({sizes})."
        )
    different = ", ".join(f"{stage} {count:,} bytes" for stage, count in device["different"].items() if count)
    more = f": {different} of {device['clips']:,} test clips" if different else ""
    return f"The generated C on this machine, {device['scope']}: {device['host']}{more}."


def _needs(manifest: Mapping[str, Any]) -> list[list[str]]:
    operators = ", ".join(f"{item['count']} x {item['name']} (v{item['version']})" for item in manifest["operators"])
    settings = ", ".join(f"{key} {value}" for key, value in manifest["features"].items() if key != "name")
    return [
        *([name, value] for name, value in summary.sizes(manifest)),
        ["operators", operators],
        ["features", f"{manifest['features']['name']}: {settings}"],
        ["input", _port(manifest["input"])],
        ["output", _port(manifest["output"])],
    ]


def _profile(unfit: list[str]) -> str:
    return " ".join(unfit) if unfit else "all operators, their versions and the quantisation load there."


def _cores(device: Mapping[str, Any]) -> list[str]:
    cores = device["cores"]
    if not cores:
        return [f"Emulated Cortex-M cores: {device['emulation']}."]
    head = ["core", "bytes", "clips", "flash", "RAM", "instructions: network", "frame", "time: network", "frame"]
    lines = ["The generated C on emulated cores, linked with -O2:", "", *table(head, map(_core, cores)), ""]
    return [*lines, f"RAM is without the stack. Times are an {device['method']}."]


def _core(core: Mapping[str, Any]) -> list[str]:
    if not core["clips"]:
        return [core["name"], core["status"], *["-"] * 7]
    figures = [core["flash"], core["ram"], core["inference_instructions"], core["frame_instructions"]]
    counts = ["-" if figure is None else f"{figure:,}" for figure in figures]
    return [
        core["name"],
        core["status"],
        f"{core['clips']}",
        *counts,
        *map(_ms, (core["inference_ms"], core["frame_ms"])),
    ]


def _ethos_u(found: Mapping[str, Any]) -> str:
    if found["status"] != "estimated":
        return f"{found['accelerator']}: {found['status']}."
    return (
        f"{found['accelerator']}: {found['cycles']:,} cycles, {found['ms']:.3g} ms at {found['clock_mhz']:g} MHz, "
        f"{found['sram']:,} bytes of SRAM, {found['flash']:,} bytes of flash, as Vela estimates."
    )


def _ms(limits: list[float] | None) -> str:
    return "-" if limits is None else f"{limits[0]:.3g} to {limits[1]:.3g} ms"


def _port(port: Mapping[str, Any]) -> str:
    shape = "x".join(map(str, port["shape"]))
    return f"{port['dtype']} {shape}, scale {port['scale']:.6g}, zero point {port['zero_point']}"
