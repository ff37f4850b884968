"""The public test of networks: it passes what keeps the contract and names the clause that something else breaks."""

from __future__ import annotations

import doctest
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from skelgraph.errors import SkelgraphError
from skelgraph.models import FrameLifter, Martinez, PoseLifter, register_model, registry
from skelgraph.nn import SemGraphConv
from skelgraph.options import Channels
from skelgraph.testing import MODEL_CLAUSES, check_model, networks

QUICK = [name for name in MODEL_CLAUSES if name not in ("compilation", "export")]


@pytest.fixture(autouse=True)
def _own_entries_go() -> Iterator[None]:
    before = dict(registry._MODELS)
    yield
    registry._MODELS.clear()
    registry._MODELS.update(before)


class Graph(FrameLifter):
    """One graph convolution; the least that keeps the contract."""

    def __init__(self, skeleton="h36m17", in_channels: Channels = 2) -> None:
        super().__init__(skeleton, in_channels)
        self.conv = SemGraphConv(in_channels, 3, self.skeleton)

    def lift_frame(self, x: Tensor) -> Tensor:
        return self.conv(x)


class FiveChannels(Graph):
    def __init__(self, skeleton="h36m17", in_channels: Channels = 2) -> None:
        super().__init__(skeleton, in_channels)
        self.conv = SemGraphConv(in_channels, 5, self.skeleton)


class AllFrames(PoseLifter):
    """Answers with every frame of the window."""

    def __init__(self, skeleton="h36m17", num_frames: Channels = 3) -> None:
        super().__init__(skeleton, num_frames=num_frames)
        self.conv = SemGraphConv(2, 3, self.skeleton)

    def lift(self, clip: Tensor) -> Tensor:
        return self.conv(clip)


class MeanOfBatch(Graph):
    def lift_frame(self, x: Tensor) -> Tensor:
        return super().lift_frame(x - x.mean(0))


class NotEmpty(Graph):
    def lift_frame(self, x: Tensor) -> Tensor:
        return super().lift_frame(x - 0 * x.max())


class Body(Graph):
    """Knows how many joints a body has."""

    def lift_frame(self, x: Tensor) -> Tensor:
        return super().lift_frame(x) + torch.zeros(17, 1)


class Idle(Graph):
    """Has a parameter that nothing reads."""

    def __init__(self, skeleton="h36m17") -> None:
        super().__init__(skeleton)
        self.idle = nn.Parameter(torch.zeros(1))


class Cut(Graph):
    """Stops half of the gradient."""

    def lift_frame(self, x: Tensor) -> Tensor:
        return super().lift_frame(x) + x.square().sum(-1, keepdim=True).detach()


class Single(Graph):
    def lift_frame(self, x: Tensor) -> Tensor:
        return self.conv.float()(x.float())


class Branching(Graph):
    def lift_frame(self, x: Tensor) -> Tensor:
        return super().lift_frame(x) * (2 if float(x.sum()) > 0 else 1)


class OnTheCPU(Graph):
    """Keeps a tensor that does not move along."""

    def __init__(self, skeleton="h36m17") -> None:
        super().__init__(skeleton)
        self.scale = torch.linspace(1, 2, self.skeleton.num_joints, device="cpu")[:, None]

    def lift_frame(self, x: Tensor) -> Tensor:
        return super().lift_frame(x * self.scale)


class Shared(Graph):
    """Its copies share its weights."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Shared:
        twin = type(self)(self.skeleton)
        twin.conv = self.conv
        return twin


class Forgets(Graph):
    """Is not what its file says."""

    def __init__(self, skeleton="h36m17") -> None:
        super().__init__(skeleton)
        self.scale = float(torch.rand(()))

    def lift_frame(self, x: Tensor) -> Tensor:
        return self.scale * super().lift_frame(x)


class Undeclared(Graph):
    def __init__(self, skeleton="h36m17", width=8) -> None:
        super().__init__(skeleton)


class Restless(Graph):
    def lift_frame(self, x: Tensor) -> Tensor:
        return super().lift_frame(x) + torch.rand(())


class Overwrites(Graph):
    def lift_frame(self, x: Tensor) -> Tensor:
        return super().lift_frame(x.mul_(2))


class TakesAnything(Graph):
    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x if x.dim() == 3 else self.window(x).squeeze(1))


class Renamed(Graph):
    """Says another skeleton than the one that it is built on."""

    def __init__(self, skeleton="h36m17") -> None:
        super().__init__("coco17")


BROKEN = {
    FiveChannels: {"shapes"},
    AllFrames: {"shapes"},
    MeanOfBatch: {"single_poses"},
    NotEmpty: {"empty_batch"},
    Body: {"any_skeleton"},
    Idle: {"any_skeleton"},
    Cut: {"gradients"},
    Single: {"precision"},
    Branching: {"compilation", "export"},
    OnTheCPU: {"devices"},
    Shared: {"copies"},
    Forgets: {"files"},
    Undeclared: {"options"},
    Restless: {"determinism"},
    Overwrites: {"determinism"},
    TakesAnything: {"wrong_input"},
    Renamed: {"name"},
}


def test_the_least_that_keeps_the_contract() -> None:
    register_model("graph")(Graph)
    check_model(Graph)
    check_model("graph", options={"in_channels": 2}, skeletons=["hand21"])


@pytest.mark.parametrize("network", BROKEN, ids=lambda network: network.__name__)
def test_what_breaks_a_clause_is_named(network: type[PoseLifter]) -> None:
    register_model("broken")(network)
    clauses = [*QUICK, *(BROKEN[network] - set(QUICK))]
    with pytest.raises(AssertionError, match=rf"{network.__name__} breaks \d+ of {len(clauses)} clauses") as error:
        check_model("broken", clauses=clauses)
    for name in BROKEN[network]:
        assert f"\n  {name} ({MODEL_CLAUSES[name]})\n    " in str(error.value)


def test_every_clause_can_be_broken() -> None:
    assert set(MODEL_CLAUSES) == set().union(*BROKEN.values())


def test_what_cannot_be_checked() -> None:
    for network in (PoseLifter, type("Further", (Martinez,), {})):  # which has its base's name
        with pytest.raises(SkelgraphError, match=r"model is .*; expected a class that register_model"):
            check_model(network)
    with pytest.raises(SkelgraphError, match="unknown model 'grph'"):
        check_model("grph")
    with pytest.raises(SkelgraphError, match="unknown clause 'shape'; did you mean shapes"):
        check_model("martinez", clauses=["shape"])


def test_docstring_example() -> None:
    results = doctest.testmod(networks)
    assert results.attempted
    assert not results.failed


class Plain(nn.Module):
    def __init__(self, skeleton="h36m17") -> None:
        super().__init__()


class NoSkeleton(FrameLifter):
    def __init__(self, width: Channels = 8) -> None:
        super().__init__("h36m17")


class NoDefault(FrameLifter):
    def __init__(self, skeleton, width: Channels) -> None:
        super().__init__(skeleton)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Plain, r"model 'mine' is .*Plain.*; expected a class that derives from skelgraph\.models\.PoseLifter"),
        (nn.Linear(2, 3), "model 'mine' is .*; expected a class"),
        (NoSkeleton, r"model 'mine' is made by NoSkeleton\(width\); expected skeleton first$"),
        (NoDefault, r"NoDefault\(skeleton, width\); expected skeleton first, and a default for width$"),
    ],
    ids=["plain", "instance", "no skeleton", "no default"],
)
def test_what_is_no_network_is_not_registered(network: Any, message: str) -> None:
    with pytest.raises(SkelgraphError, match=message):
        register_model("mine")(network)
    assert "mine" not in registry._MODELS
