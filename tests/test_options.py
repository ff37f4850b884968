"""The checker of options: annotations are the declaration, the check and the message."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pytest
from pydantic import Field

from skelgraph.errors import SkelgraphError
from skelgraph.options import Channels, CheckedOptions, Count, Finite, Rate, check_option, checked, describe

if TYPE_CHECKING:
    from torch import Tensor


class Layer(CheckedOptions):
    def __init__(
        self,
        channels: Channels = 3,
        bias: bool = True,
        dropout: Rate = 0.1,
        hops: Literal["walk", "exact"] = "walk",
        widths: Sequence[int] = (3,),
        levels: tuple[int, int] = (-1, -2),
        place: Literal["post", "pre"] | bool | None = "post",
        blocks: Count | None = None,
        x: Tensor | None = None,
    ) -> None:
        self.values = {k: v for k, v in locals().items() if k != "self"}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("channels", "x", "an integer from 1 to 65536"),
        ("channels", 0, "an integer from 1 to 65536"),
        ("channels", True, "an integer"),
        ("channels", 2.0, "an integer"),
        pytest.param("channels", 10**5000, "an integer", id="huge"),
        ("bias", "False", "true or false"),
        ("bias", "no", "true or false"),
        ("bias", 1, "true or false"),
        ("dropout", 2, "a number from 0 to 1"),
        ("dropout", float("nan"), "a number from 0 to 1"),
        ("dropout", "0.5", "a number"),
        ("hops", "wlak", "'walk' or 'exact' (did you mean 'walk'?)"),
        ("hops", 3, "'walk' or 'exact'"),
        ("widths", "333", "a sequence of values, each an integer"),
        ("widths", [3, "x"], "each an integer"),
        ("levels", [1], "2 values"),
        ("place", "both", "'post' or 'pre', true or false or none"),
        ("blocks", -1, "an integer from 1 to 100 or none"),
    ],
)
def test_refused(name: str, value: Any, expected: str) -> None:
    with pytest.raises(SkelgraphError) as error:
        Layer(**{name: value})
    assert expected in str(error.value)
    assert str(error.value).startswith(f"Layer: {name} is ")
    assert len(str(error.value)) < 300


def test_accepted_as_they_are() -> None:
    layer = Layer(np.int64(8), False, 0, "exact", [3, 5], [1, 2], None, 4, x="not the checker's business")
    assert layer.values["channels"] == 8
    assert type(layer.values["channels"]) is int
    assert layer.values["dropout"] == 0
    assert layer.values["widths"] == [3, 5]
    assert layer.values["levels"] == (1, 2)
    assert layer.values["place"] is None


def test_positional_arguments_are_checked_and_missing_ones_are_pythons_own_error() -> None:
    with pytest.raises(SkelgraphError, match="bias is 'yes'"):
        Layer(3, "yes")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="unexpected keyword"):
        Layer(chanels=3)  # type: ignore[call-arg]


def test_a_subclass_is_checked_by_its_own_signature() -> None:
    class Wide(Layer):
        def __init__(self, heads: Count = 1, **options: Any) -> None:
            super().__init__(**options)
            self.heads = heads

    with pytest.raises(SkelgraphError, match="Wide: heads is 0"):
        Wide(0)
    with pytest.raises(SkelgraphError, match="Wide: dropout is 3"):
        Wide(dropout=3)


def test_functions() -> None:
    @checked
    def hop(k: Annotated[int, Field(ge=0)], limit: Finite = 1.0) -> int:
        return k

    assert hop(0) == 0
    with pytest.raises(SkelgraphError, match="hop: k is -1; expected an integer of at least 0"):
        hop(-1)
    with pytest.raises(SkelgraphError, match="limit is inf; expected a finite number"):
        hop(1, float("inf"))


@pytest.mark.parametrize("limits", [{"gt": 0}, {"lt": 0}, {"le": 5}, {"gt": 0, "le": 1}])
def test_descriptions_name_every_limit(limits: dict[str, int]) -> None:
    text = describe(Annotated[float, Field(**limits)])
    for word, kind in (("above", "gt"), ("below", "lt"), ("at most", "le")):
        assert (word in text) == (kind in limits)


def test_a_huge_value_is_cut_in_the_message() -> None:
    with pytest.raises(SkelgraphError) as error:
        check_option("name", "x" * 10**6, Literal["a"])
    assert len(str(error.value)) < 300
    assert sys.float_info.max == check_option("x", sys.float_info.max, Finite)
