"""What makes two sweeps one study, apart from their command lines (``test_plan``)."""

from __future__ import annotations

from kws_exp.sweep.identity import default_name, difference
from kws_exp.sweep.space import Choices, Numbers, Parameter, Space


def test_default_names() -> None:
    assert default_name("tune", {"a": 1, "b": 2}) == default_name("tune", {"b": 2, "a": 1})
    assert default_name("tune", {"a": 1}) != default_name("tune", {"a": 2})
    assert default_name("tune", {"a": 1}).startswith("tune-")


def test_of_two_long_spaces_the_entries_that_differ_are_shown() -> None:
    same = [Parameter(f"augment.{name}", f"augment.{name}", Numbers(0, 1)) for name in ("noise", "gain_db", "shift")]
    one, two = (Space((*same, Parameter("model", "model", Choices((name,))))) for name in ("ds_cnn", "tiny_conv"))
    found = difference({"space": one.to_json()}, {"space": two.to_json()})
    assert found is not None and found.startswith(
        'space: parameters ({"name": "model", "domain": {"values": ["ds_cnn"]'
    )
    assert '; now {"name": "model", "domain": {"values": ["tiny_conv"]' in found
    fewer = difference({"space": one.to_json()}, {"space": Space(tuple(same)).to_json()})
    assert fewer is not None and fewer.endswith("; now null)")
