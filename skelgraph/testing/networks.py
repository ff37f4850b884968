"""The contract of networks as a test that any network can be put to: :func:`check_model`.

The tests of this library run it over every network that it has; one of one's own, derived from
:class:`~skelgraph.models.PoseLifter` or :class:`~skelgraph.models.FrameLifter`, is checked by the same call.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from skelgraph.errors import SkelgraphError
from skelgraph.models import PoseLifter, create_model, model_info
from skelgraph.models.fold import trace
from skelgraph.options import option_types
from skelgraph.testing.contract import Contract, close, equal, refused
from skelgraph.testing.layers import HAND, run_on_meta
from skelgraph.text import shown
from skelgraph.topology import SkeletonLike, as_skeleton

SKELETONS: tuple[SkeletonLike, ...] = ("h36m17", "h36m16", "coco17", "hand21", HAND)


def check_model(
    model: str | type[PoseLifter],
    *,
    options: Mapping[str, Any] | None = None,
    skeletons: Sequence[SkeletonLike] = SKELETONS,
    clauses: Iterable[str] | None = None,
) -> None:
    """Check that a network keeps the contract of the networks of this library, which training, lifting, export and
    files rely on.

    The clauses are the keys of :data:`MODEL_CLAUSES`, whose values say them in words: shapes of poses and windows,
    other skeletons, gradients, single poses and empty batches, precisions, compilation and export, copies and files,
    devices, options, determinism and the errors of wrong inputs.

    Args:
        model: The network: its class, which :func:`~skelgraph.models.register_model` has given a name, or its name.
        options: Options of its constructor, such as small widths; the default ones unless given.
        skeletons: Skeletons or layout names that it is built on; most clauses take the first.
        clauses: Names of the clauses to check; all by default.

    Raises:
        AssertionError: If the network breaks clauses; all of them are listed, with what was found.
        SkelgraphError: If there is no such clause, skeleton or network, or the class is not registered.

    Example:
        >>> check_model("martinez", options={"hidden_channels": 8})
    """
    name = model if isinstance(model, str) else getattr(model, "registered_name", None)
    if name is None or not (isinstance(model, str) or model_info(name).cls is model):
        raise SkelgraphError(f"model is {shown(model)}; expected a class that register_model(...) has given a name")
    subject = _Subject(name, dict(options or {}), [as_skeleton(skeleton) for skeleton in skeletons])
    label = model_info(name).cls.__name__
    _CONTRACT.check(subject, label, _CONTRACT.chosen(clauses))


@dataclass
class _Subject:
    """The network that is checked."""

    name: str
    options: dict[str, Any]
    skeletons: list[Any]

    def network(self, skeleton: Any = None, **options: Any) -> PoseLifter:
        """The network as seed 0 makes it, in evaluation mode: dropout and batch statistics have no part in most
        clauses."""
        torch.manual_seed(0)
        return create_model(self.name, skeleton or self.skeletons[0], **self.options | options).eval()


def _inputs(network: PoseLifter, *lead: int, **options: Any) -> Tensor:
    """Keypoints ``(*lead, J, 2)`` of a network, the same for a shape."""
    generator = torch.Generator().manual_seed(len(lead))
    return torch.randn(*lead, *network.input_shape[-2:], generator=generator, **options)


def _windows(network: PoseLifter, batch: int, **options: Any) -> Tensor:
    """Windows as the network is trained on them."""
    return _inputs(network, batch, *network.input_shape[:-2], **options)


_CONTRACT: Contract[_Subject] = Contract("networks")
MODEL_CLAUSES = _CONTRACT.clauses
"""The clauses of the contract of networks by name, each in one sentence."""


@_CONTRACT.clause
def _name(subject: _Subject) -> None:
    """create_model(name, skeleton) builds it with default options; config rebuilds it."""
    with torch.device("meta"):
        network = create_model(subject.name, subject.skeletons[0])
    equal(network.config["name"], subject.name, "the name in config")
    equal(network.skeleton, subject.skeletons[0], "its skeleton")
    given = subject.network()
    config = given.config
    again = create_model(config["name"], config["skeleton"], **config["options"]).state_dict()
    shapes = [{key: value.shape for key, value in state.items()} for state in (again, given.state_dict())]
    equal(shapes[0], shapes[1], "the state dict that config makes")


@_CONTRACT.clause
def _shapes(subject: _Subject) -> None:
    """(B, J, 2) and (B, T, J, 2) give (B, J, 3) for any B and T: the centre frame of the window around it."""
    network, joints = subject.network(), subject.skeletons[0].num_joints
    frames = network.num_frames
    for lead in [(1,), (3,), (1, frames), (3, 2), (2, frames + 4)]:
        x = _inputs(network, *lead)
        answer = network(x)
        equal(tuple(answer.shape), (lead[0], joints, 3), f"shape for keypoints {tuple(x.shape)}")
        assert answer.isfinite().all(), f"the answer to keypoints {tuple(x.shape)} is not finite"
        close([answer], [network(network.window(x))], "a clip and the window around its centre frame")


@_CONTRACT.clause
def _single_poses(subject: _Subject) -> None:
    """Each window in a batch is answered as if it were alone."""
    network = subject.network().double()
    x = _windows(network, 3, dtype=torch.float64)
    close([network(x)], [torch.cat([network(x[i : i + 1]) for i in range(3)])], "windows one by one")


@_CONTRACT.clause
def _empty_batch(subject: _Subject) -> None:
    """No windows in, no poses out."""
    network = subject.network()
    equal(tuple(network(_windows(network, 0)).shape), (0, subject.skeletons[0].num_joints, 3), "shape of the answer")


@_CONTRACT.clause
def _any_skeleton(subject: _Subject) -> None:
    """Bodies and hands of any number of joints, with a loss in training mode that reaches every parameter."""
    for skeleton in subject.skeletons:
        network = subject.network(skeleton).train()
        x, y = _windows(network, 4), torch.randn(4, skeleton.num_joints, 3)
        equal(tuple(network(x).shape), tuple(y.shape), f"shape on {skeleton}")
        network.training_loss(x, y, torch.nn.functional.mse_loss).backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, f"no gradient reaches {name} on {skeleton}"
            assert parameter.grad.isfinite().all(), f"the gradient of {name} on {skeleton} is not finite"


@_CONTRACT.clause
def _gradients(subject: _Subject) -> None:
    """Gradients of the keypoints are those of finite differences."""
    network = subject.network().double()
    x = _windows(network, 2, dtype=torch.float64).requires_grad_()
    torch.autograd.gradcheck(network, (x,), fast_mode=True)


@_CONTRACT.clause
def _precision(subject: _Subject) -> None:
    """float64, float32 and bfloat16 under autocast agree."""
    network = subject.network()
    x = _windows(network, 2)
    exact = copy.deepcopy(network).double()(x.double())
    equal(exact.dtype, torch.float64, "the type of the answer of a float64 network")
    close([network(x)], [exact.float()], "float32", atol=1e-4, rtol=1e-3)
    with torch.autocast("cpu", torch.bfloat16):
        low = network(x)
    close([low.double()], [exact], "bfloat16", atol=0.1 * exact.abs().max().item(), rtol=0.2)


@_CONTRACT.clause
def _compilation(subject: _Subject) -> None:
    """torch.compile(fullgraph=True) gives the same numbers."""
    network = subject.network()
    x = _windows(network, 2)
    torch._dynamo.reset()
    try:
        compiled = torch.compile(network, fullgraph=True, backend="aot_eager")
        close([compiled(x)], [network(x)], "compiled", atol=1e-5, rtol=1e-5)
    finally:
        torch._dynamo.reset()


@_CONTRACT.clause
def _export(subject: _Subject) -> None:
    """torch.export gives the same numbers for batches of any size."""
    network = subject.network()
    exported = trace(network, _windows(network, 2)).module()
    for size in (1, 5):
        x = _windows(network, size)
        close([exported(x)], [network(x)], f"exported, {size} windows", atol=1e-5, rtol=1e-5)


@_CONTRACT.clause
def _copies(subject: _Subject) -> None:
    """deepcopy gives a network of the same numbers, bit for bit, whose parameters are its own."""
    network = subject.network()
    x = _windows(network, 2)
    before, twin = network(x), copy.deepcopy(network)
    close([twin(x)], [before], "a copy", atol=0, rtol=0)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(1)
    close([network(x)], [before], "after its copy has changed", atol=0, rtol=0)


@_CONTRACT.clause
def _files(subject: _Subject) -> None:
    """save_pretrained and from_pretrained bring it back bit for bit, with its skeleton and its options."""
    network = subject.network()
    x = _windows(network, 2)
    with tempfile.TemporaryDirectory() as folder:
        network.save_pretrained(folder)
        again = type(network).from_pretrained(folder)
    equal(again.config, network.config, "config")
    equal(again.training, False, "training, of what is loaded,")
    close([again(x)], [network(x)], "loaded", atol=0, rtol=0)


@_CONTRACT.clause
def _devices(subject: _Subject) -> None:
    """Built on another device or moved there, with all buffers, it computes there alone (tried on meta)."""
    with torch.device("meta"):
        built = subject.network()
    for network in (built, subject.network().to("meta")):
        run_on_meta(network, _windows(network, 2).to("meta").requires_grad_())


@_CONTRACT.clause
def _options(subject: _Subject) -> None:
    """Every option has a default and an annotation, by which it is checked before anything is built."""
    cls = model_info(subject.name).cls
    known = option_types(cls)
    for name in model_info(subject.name).options:
        assert name in known, f"{name} has no annotation that can be checked, such as {name}: int = 2"
        with refused(f"{name}=object()", name):
            subject.network(**{name: object()})
    with refused("an option that there is not", "no_such_option"):
        subject.network(no_such_option=1)


@_CONTRACT.clause
def _determinism(subject: _Subject) -> None:
    """Equal seeds make equal networks, equal calls give equal numbers, and inputs are left as they are."""
    network, twin = subject.network(), subject.network()
    for (name, one), two in zip(network.state_dict().items(), twin.state_dict().values(), strict=True):
        assert torch.equal(one, two), f"{name} differs between two networks of one seed"
    x = _windows(network, 3)
    given = x.clone()
    close([network(x)], [network(x)], "called twice", atol=0, rtol=0)
    close([x], [given], "the keypoints after a call", atol=0, rtol=0)


@_CONTRACT.clause
def _wrong_input(subject: _Subject) -> None:
    """Keypoints of other shapes or types are a SkelgraphError that says what was found and expected."""
    network = subject.network()
    joints, channels = network.input_shape[-2:]
    for shape in [(joints, channels), (2, joints - 1, channels), (2, joints, channels + 1), (2, 3, joints + 1, 2)]:
        with refused(f"input of shape {shape}", f"(B, {joints}, {channels})"):
            network(torch.zeros(shape))
    with refused("a network of float32 with float64 keypoints", "float64"):
        network(_windows(network, 2, dtype=torch.float64))
