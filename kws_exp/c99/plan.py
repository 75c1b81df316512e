"""Where each tensor lies in the arena, fixed before the device starts.

Largest first, each at the lowest place that is free for as long as it is needed: the rule of TensorFlow Lite
Micro's own planner. The caller's input and output are not in the arena, and a reshape costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kws_exp.c99.network import Network
from kws_exp.errors import KwsError


@dataclass(frozen=True)
class Buffer:
    """Memory that is in use from call ``first`` to call ``last``, both included."""

    size: int  # bytes
    first: int
    last: int


@dataclass(frozen=True)
class Plan:
    """The tensors of a network, by index."""

    roots: dict[int, int]  # of a tensor that lies where another one does: that one
    offsets: dict[int, int]  # bytes from the start of the arena; neither the network's input nor its output
    scratch: dict[int, int]  # the same of what a call, by number, works in
    size: int  # of the arena

    def root(self, index: int) -> int:
        """Return the tensor whose memory a tensor shares, itself if none."""
        return self.roots.get(index, index)


def make(network: Network) -> Plan:
    """Plan the arena of a network.

    Raises:
        KwsError: The network passes its input on as it is.
    """
    roots: dict[int, int] = {}
    for call in network.calls:
        if not call.function:
            roots[call.output.index] = roots.get(call.inputs[0].index, call.inputs[0].index)
    outside = {roots.get(tensor.index, tensor.index) for tensor in (network.input, network.output)}
    if len(outside) == 1:
        raise KwsError("The C99 export needs a network that computes something; this one hands its input on.")
    tensors = {index: buffer for index, buffer in _lifetimes(network, roots).items() if index not in outside}
    scratch = {n: Buffer(call.scratch, n, n) for n, call in enumerate(network.calls) if call.scratch}
    buffers = [*tensors.values(), *scratch.values()]
    offsets = allocate(buffers)
    size = max((offset + buffer.size for offset, buffer in zip(offsets, buffers, strict=True)), default=0)
    return Plan(
        roots=roots,
        offsets=dict(zip(tensors, offsets[: len(tensors)], strict=True)),
        scratch=dict(zip(scratch, offsets[len(tensors) :], strict=True)),
        size=size,
    )


def _lifetimes(network: Network, roots: dict[int, int]) -> dict[int, Buffer]:
    """Return, for every tensor that a call writes, from when to when it is needed."""
    buffers: dict[int, Buffer] = {}
    for number, call in enumerate(network.calls):
        for tensor in (*call.inputs, call.output):
            index = roots.get(tensor.index, tensor.index)
            if index in buffers:
                buffers[index] = Buffer(buffers[index].size, buffers[index].first, number)
            elif tensor is call.output:
                buffers[index] = Buffer(tensor.size, number, number)
    return buffers


def allocate(buffers: Sequence[Buffer]) -> list[int]:
    """Return an offset for each buffer; no two that are in use at once overlap. An int8 needs no alignment."""
    offsets = [0] * len(buffers)
    placed: list[int] = []
    for number in sorted(range(len(buffers)), key=lambda number: -buffers[number].size):
        buffer = buffers[number]
        beside = [other for other in placed if _meet(buffer, buffers[other])]
        offset = 0
        for other in sorted(beside, key=offsets.__getitem__):
            if offset + buffer.size <= offsets[other]:
                break
            offset = max(offset, offsets[other] + buffers[other].size)
        offsets[number] = offset
        placed.append(number)
    return offsets


def _meet(one: Buffer, other: Buffer) -> bool:
    return one.first <= other.last and other.first <= one.last
