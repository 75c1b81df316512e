from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws_exp.c99 import network, plan
from kws_exp.c99.plan import Buffer
from kws_exp.errors import KwsError
from tests.c99.handmade import Model

spans = st.tuples(st.integers(0, 20), st.integers(0, 20)).map(sorted)
buffers = st.builds(lambda size, span: Buffer(size, *span), st.integers(1, 1000), spans)


@given(st.lists(buffers, max_size=20))
def test_nothing_in_use_overlaps(wanted: list[Buffer]) -> None:
    offsets = plan.allocate(wanted)
    assert len(offsets) == len(wanted)
    assert min(offsets, default=0) >= 0
    for (one, start), (other, start_of_other) in itertools.combinations(zip(wanted, offsets, strict=True), 2):
        at_once = one.first <= other.last and other.first <= one.last
        assert not at_once or start + one.size <= start_of_other or start_of_other + other.size <= start


@given(st.lists(buffers, min_size=1, max_size=20))
def test_never_more_than_one_after_the_other(wanted: list[Buffer]) -> None:
    offsets = plan.allocate(wanted)
    size = max(offset + buffer.size for offset, buffer in zip(offsets, wanted, strict=True))
    in_use = [sum(each.size for each in wanted if each.first <= time <= each.last) for time in range(21)]
    assert max(in_use) <= size <= sum(each.size for each in wanted)


def made(path: Path, model: Model, output: int) -> tuple[network.Network, plan.Plan]:
    read = network.read(model.save(path / "model.tflite", output))
    return read, plan.make(read)


def test_network(tmp_path: Path) -> None:
    model = Model((1, 4, 4, 2), 0.1, 0)
    weights = model.constant(np.ones((3, 2, 2, 2)), 0.1)
    seen = model.operator("CONV_2D", [0, weights], model.tensor((1, 4, 4, 3), 0.1), strideH=1, strideW=1)
    flat = model.operator("RESHAPE", [seen, model.constant([1, 48])], model.tensor((1, 48), 0.1))
    bent = model.operator("TANH", [flat], model.tensor((1, 48), 1 / 128))
    both = model.operator("ADD", [flat, bent], model.tensor((1, 48), 0.1))
    result = model.operator("EXPAND_DIMS", [both, model.constant(0)], model.tensor((1, 1, 48), 0.1))
    read, planned = made(tmp_path, model, result)
    assert [call.function for call in read.calls] == ["kws_conv_2d", "", "kws_lookup", "kws_add", ""]
    assert planned.roots == {flat: seen, result: both}
    assert set(planned.offsets) == {seen, bent}  # input and output are the caller's
    assert planned.scratch == {0: 48}  # 2 x 2 x 2 bytes that the filters see, free again when bent is written
    assert planned.size == 96


def test_input_handed_on(tmp_path: Path) -> None:
    model = Model((1, 8), 0.1, 0)
    output = model.operator("RESHAPE", [0, model.constant([2, 4])], model.tensor((2, 4), 0.1))
    with pytest.raises(KwsError, match="needs a network that computes something; this one hands its input on"):
        made(tmp_path, model, output)
