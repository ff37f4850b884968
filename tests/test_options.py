"""The checker of options: annotations are the declaration, the check and the message."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pytest
from pydantic import Field

from skelgraph.errors import SkelgraphError
from skelgraph.options import (
    Channels,
    CheckedOptions,
    Count,
    Finite,
    Rate,
    check_option,
    checked,
    describe,
    option_types,
)
from skelgraph.text import shown
from skelgraph.topology import Skeleton

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


def test_instances_and_functions() -> None:
    @checked
    def draw(skeleton: Skeleton, make: Callable[[int], int] | None = None, others: Sequence[Skeleton] = ()) -> None:
        pass

    draw(Skeleton([-1, 0]), abs, [Skeleton([-1])])
    with pytest.raises(SkelgraphError, match="draw: skeleton is 'h36m17'; expected a Skeleton"):
        draw("h36m17")  # type: ignore[arg-type]
    with pytest.raises(SkelgraphError, match="make is 3; expected a function or none"):
        draw(Skeleton([-1]), 3)  # type: ignore[arg-type]
    with pytest.raises(SkelgraphError, match=r"others is .*each a Skeleton"):
        draw(Skeleton([-1]), others=[3])  # type: ignore[list-item]


def test_each_of_further_arguments_is_the_functions_own_business() -> None:
    @checked
    def collect(first: int, *rest: int, **named: int) -> tuple[Any, ...]:
        return first, rest, named

    assert collect(1, 2, 3, x=4) == (1, (2, 3), {"x": 4})
    with pytest.raises(SkelgraphError, match="first is 'a'"):
        collect("a", 2)  # type: ignore[arg-type]


def test_what_an_annotation_does_not_say_is_not_checked() -> None:
    @checked
    def free(a: Any = 1, b: Sequence[Any] = (), c: Unknown = 1, d: list[int] | dict[str, int] = []) -> None:  # type: ignore[name-defined]  # noqa: B006, F821
        pass

    free(object(), {1}, "x", 3)  # type: ignore[arg-type]
    assert option_types(free) == {}


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (Sequence[int], np.array([3, 5]), [3, 5]),
        (Sequence[int], (np.int64(3), 5), (3, 5)),
        (Sequence[Sequence[int]], [np.array([1]), [2]], [[1], [2]]),
        (tuple[int, ...], [1, 2], (1, 2)),
        (Annotated[tuple[int, int], Field(min_length=2)] | None, [1, 2], (1, 2)),
        (Annotated[Sequence[int], Field(max_length=2)], [1], [1]),
        (float, 3, 3.0),
        (Literal[1, "a"], "a", "a"),
    ],
)
def test_forms_that_mean_the_same(hint: Any, value: Any, expected: Any) -> None:
    assert check_option("x", value, hint) == expected


@pytest.mark.parametrize("value", [10**5000, "\ud800", b"\xff", float("nan"), [[[]]] * 3, {"a": 1}, {1}], ids=shown)
@pytest.mark.parametrize("hint", [int, float, bool, Literal["a"], Sequence[int], Rate, Skeleton, tuple[float, ...]])
def test_strange_values_are_refused_in_one_line(hint: Any, value: Any) -> None:
    if (hint, value) in [(int, 10**5000), (tuple[float, ...], {1})]:  # an integer; a set of numbers makes a tuple
        return
    with pytest.raises(SkelgraphError) as error:
        check_option("x", value, hint)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 300


def test_lengths_are_described() -> None:
    hint = Annotated[Sequence[Channels], Field(min_length=1, max_length=9)]
    assert describe(hint) == "a sequence of values, each an integer from 1 to 65536, from 1 to 9 of them"
    with pytest.raises(SkelgraphError, match=r"widths is \[\]; expected .*from 1 to 9 of them"):
        check_option("widths", [], hint)
