"""The contract of layers as a test that any layer can be put to: :func:`check_layer`.

The tests of this library run it over every graph layer; a layer of one's own, derived from
:class:`~skelgraph.nn.SkeletonConv` or :class:`~skelgraph.nn.HyperConv`, is checked by the same call.
"""

from __future__ import annotations

import copy
import inspect
import math
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from skelgraph.nn import HyperConv, SoftmaxAdjacency
from skelgraph.ops import SparseAdjacency
from skelgraph.testing.contract import Contract, close, equal, refused
from skelgraph.topology import Graph, GraphLike, JointHypergraph, Skeleton, as_skeleton

LayerFactory: TypeAlias = Callable[..., nn.Module]
"""Makes a layer of ``(in_channels, out_channels, topology)``, and of ``bias=False`` if the layer has a bias: the class
of the layer, or the class with options in :func:`functools.partial`."""
Rows: TypeAlias = Literal["joints", "bones", "hyperedges"]
"""What the rows of a further input belong to."""
HAND = Skeleton([-1, 0, 1, 0, 3, 0, 5], symmetric_pairs=(), name="hand7")
HYPERGRAPH = JointHypergraph.from_lists(7, [[0, 1, 2], [2, 3], [4], [0, 5, 1, 3], [1, 2], [1, 2]])
"""What is rare, too: a hyperedge of one joint, two that are alike, a joint in none."""


def check_layer(
    make: LayerFactory,
    topology: GraphLike | JointHypergraph | None = None,
    *,
    channels: tuple[int, int] = (4, 8),
    inputs: Mapping[str, tuple[Rows, int]] | None = None,
    follows_numbering: bool = False,
    joint_axes: Mapping[str, Sequence[int]] | None = None,
    clauses: Iterable[str] | None = None,
) -> None:
    """Check that a layer keeps the contract of the layers of this library.

    The clauses are the keys of :data:`LAYER_CLAUSES`, whose values say them in words: shapes, PyG's flattened and empty
    batches, renumbered joints, precisions, first and second derivatives, compilation and export, copies and state
    dicts, devices, initialisation, ``bias=False``, determinism and the errors of wrong inputs.

    Args:
        make: Makes the layer of ``(in_channels, out_channels, topology)``: its class, or its class with options in
            :func:`functools.partial`. If the layer has a parameter called ``bias``, also of ``bias=False``.
        topology: What the layer is bound to: a skeleton or the name of a layout, a graph or a hypergraph. By default a
            hand of three fingers and seven joints, without parts and symmetric pairs; of a class that derives from
            :class:`~skelgraph.nn.HyperConv` six hyperedges on seven joints.
        channels: Input and output channels.
        inputs: Further tensors that the layer is called with, by the name of their argument: what their rows belong to,
            and their channels, such as ``{"x0": ("joints", 4)}``.
        follows_numbering: The layer tells joints apart by their numbers, so that renumbering them changes what it
            computes, or has parameters of single edges, which are carried over by no rule; that clause is left out.
        joint_axes: Parameters of single joints by name, and the axes that run over the joints. By default every axis
            that is as long as there are joints, whatever the channels; logits of
            :class:`~skelgraph.nn.SoftmaxAdjacency` need no entry.
        clauses: Names of the clauses to check; all by default.

    Raises:
        AssertionError: If the layer breaks clauses; all of them are listed, with what was found.
        SkelgraphError: If there is no such clause.

    Example:
        >>> from skelgraph.nn import SemGraphConv
        >>> check_layer(SemGraphConv)
    """
    cls = getattr(make, "func", make)
    if topology is None:
        topology = HYPERGRAPH if isinstance(cls, type) and issubclass(cls, HyperConv) else HAND
    elif isinstance(topology, str | Mapping):
        topology = as_skeleton(topology)
    subject = _Subject(make, topology, channels, dict(inputs or {}), follows_numbering, joint_axes)
    label = getattr(cls, "__name__", repr(make))
    _CONTRACT.check(subject, label, _CONTRACT.chosen(clauses))


@dataclass
class _Subject:
    """The layer that is checked, and the inputs that it is called with."""

    make: LayerFactory
    topology: Any
    channels: tuple[int, int]
    inputs: dict[str, tuple[Rows, int]]
    follows_numbering: bool
    joint_axes: Mapping[str, Sequence[int]] | None
    num_joints: int = field(init=False)

    def __post_init__(self) -> None:
        nodes = "num_joints" if isinstance(self.topology, Skeleton) else "num_nodes"
        self.num_joints = getattr(self.topology, nodes)

    def layer(self, **options: Any) -> nn.Module:
        """A new layer, in evaluation mode: dropout and batch statistics have no part in most clauses."""
        return self.make(*self.channels, self.topology, **options).eval()

    def random(self, topology: Any = None) -> nn.Module:
        """A layer in float64 with random parameters, so that nothing hides behind zeros and ones of an
        initialisation."""
        return randomised(self.make(*self.channels, topology or self.topology).double().eval())

    def rows(self, kind: Rows) -> int:
        if kind == "joints":
            return self.num_joints
        return len(self.topology.edges) if kind == "bones" else self.topology.num_hyperedges

    def x(self, *lead: int, **options: Any) -> list[Tensor]:
        """The features of the joints and what else the layer takes, ``(*lead, rows, channels)``."""
        shapes = [("joints", self.channels[0]), *self.inputs.values()]
        generator = torch.Generator().manual_seed(len(lead))
        options = {"dtype": torch.float64} | options
        return [torch.randn(*lead, self.rows(kind), width, generator=generator, **options) for kind, width in shapes]

    def call(self, layer: Callable[..., Any], values: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """All outputs."""
        result = layer(values[0], **dict(zip(self.inputs, values[1:], strict=True)))
        return result if isinstance(result, tuple) else (result,)


_CONTRACT: Contract[_Subject] = Contract("layers")
LAYER_CLAUSES = _CONTRACT.clauses
"""The clauses of the contract of layers by name, each in one sentence."""


@_CONTRACT.clause
def _leading_dimensions(subject: _Subject) -> None:
    """(..., J, C_in) gives (..., J, C_out) for any leading dimensions, each pose as if it were alone."""
    layer, joints = subject.random(), subject.num_joints
    for lead in [(), (1,), (3,), (2, 5)]:
        first = subject.call(layer, subject.x(*lead))[0]
        equal(tuple(first.shape), (*lead, joints, subject.channels[1]), f"shape for leading dimensions {lead}")
    values = subject.x(2, 5)
    together = subject.call(layer, values)
    for i, j in [(0, 0), (1, 3)]:
        alone = subject.call(layer, [value[i, j] for value in values])
        close([part[i, j] for part in together], alone, "a pose in a batch")


@_CONTRACT.clause
def _flat_batch(subject: _Subject) -> None:
    """PyG's flattened (B * J, C) gives the numbers of (B, J, C)."""
    layer, values = subject.random(), subject.x(3)
    flat = subject.call(layer, [value.flatten(0, 1) for value in values])
    expected = [part.flatten(0, 1) for part in subject.call(layer, values)]
    close(flat, expected, "flattened")
    if isinstance(subject.topology, Skeleton) and not subject.inputs:
        close(subject.call(layer, [subject.topology.to_data(values[0]).x]), expected, "as a PyG batch")


@_CONTRACT.clause
def _empty_batch(subject: _Subject) -> None:
    """No poses in, no poses out, in training and evaluation, flattened or not, with a backward pass."""
    for train in (False, True):
        for flat in (False, True):
            values = subject.x(0, dtype=torch.get_default_dtype())
            values = [value.flatten(0, 1) if flat else value for value in values]
            values[0].requires_grad_()
            first = subject.call(subject.layer().train(train), values)[0]
            expected = (0, subject.channels[1]) if flat else (0, subject.num_joints, subject.channels[1])
            equal(tuple(first.shape), expected, "shape of the output")
            first.sum().backward()
            assert values[0].grad is not None, "no gradient reaches the input"
            equal(values[0].grad.shape, values[0].shape, "shape of the gradient")


@_CONTRACT.clause
def _renumbering(subject: _Subject) -> None:
    """Renumbered joints, with all that belongs to a joint or an edge, give the renumbered output."""
    if subject.follows_numbering:
        return
    order = torch.randperm(subject.num_joints, generator=torch.Generator().manual_seed(1))
    renumbered = _renumber(subject.topology, order)
    old, new = subject.random(), subject.random(renumbered)
    state = old.state_dict()
    joint_axes = _joint_axes(subject) if subject.joint_axes is None else subject.joint_axes
    for name, axes in joint_axes.items():
        for axis in axes:
            state[name] = state[name].index_select(axis, order)
    for name, part in old.named_modules():
        if isinstance(part, SoftmaxAdjacency):
            twin = new.get_submodule(name)
            state[f"{name}.logits"] = _renumber_logits(part, twin, order)
    new.load_state_dict(state)
    values = subject.x(3)
    bones = _bone_order(subject.topology, renumbered, order)
    kinds = ["joints", *(kind for kind, _ in subject.inputs.values())]
    moved = [_renumber_rows(value, kind, order, bones) for value, kind in zip(values, kinds, strict=True)]
    first, *rest = subject.call(old, values)
    expected = [first[:, order]]
    for part in rest:
        kind = "joints" if part.size(1) == subject.num_joints else "bones" if bones is not None else "hyperedges"
        expected.append(_renumber_rows(part, kind, order, bones))
    close(
        subject.call(new, moved),
        expected,
        "renumbered (name the parameters of single joints in joint_axes, or say follows_numbering=True)",
    )


@_CONTRACT.clause
def _precision(subject: _Subject) -> None:
    """float64, float32 and bfloat16 under autocast agree; torch's default precision is followed."""
    layer, values = subject.random(), subject.x(3)
    expected = subject.call(layer, values)
    single, floats = copy.deepcopy(layer).float(), [value.float() for value in values]
    close(subject.call(single, floats), [part.float() for part in expected], "float32", atol=1e-4, rtol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        low = subject.call(single, floats)
    for part, exact in zip(low, expected, strict=True):
        slack = 0.05 * max(4.0, exact.abs().max().item())
        close([part.double()], [exact], "bfloat16 under autocast", atol=slack, rtol=0.1)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        results = subject.call(subject.layer(), values)
    finally:
        torch.set_default_dtype(before)
    assert all(part.dtype == torch.float64 for part in results), "float64 as the default precision gives another one"


@_CONTRACT.clause
def _gradients(subject: _Subject) -> None:
    """Gradients of inputs and parameters are those of finite differences."""
    function, tensors = _as_function(subject)
    torch.autograd.gradcheck(function, tensors)


@_CONTRACT.clause
def _second_derivatives(subject: _Subject) -> None:
    """Second derivatives are those of finite differences, too."""
    function, tensors = _as_function(subject)
    torch.autograd.gradgradcheck(function, tensors, fast_mode=True)


@_CONTRACT.clause
def _compilation(subject: _Subject) -> None:
    """torch.compile(fullgraph=True) gives the same numbers."""
    layer = randomised(subject.layer())
    values = subject.x(3, dtype=torch.get_default_dtype())
    torch._dynamo.reset()
    try:
        compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
        close(subject.call(compiled, values), subject.call(layer, values), "compiled", atol=1e-5, rtol=1e-5)
    finally:
        torch._dynamo.reset()


@_CONTRACT.clause
def _export(subject: _Subject) -> None:
    """torch.export gives the same numbers, for batches of any size if features of joints are the only input."""
    layer = randomised(subject.layer())
    values = subject.x(3, dtype=torch.get_default_dtype())
    keywords = dict(zip(subject.inputs, values[1:], strict=True))
    if keywords:
        exported = torch.export.export(layer, (values[0],), keywords).module()
        close(subject.call(exported, values), subject.call(layer, values), "exported", atol=1e-5, rtol=1e-5)
        return
    dynamic = {_first_argument(layer): {0: torch.export.Dim.DYNAMIC}}
    exported = torch.export.export(layer, (values[0],), dynamic_shapes=dynamic).module()
    twice = [torch.cat([value, value]) for value in values]
    close(subject.call(exported, twice), subject.call(layer, twice), "exported", atol=1e-5, rtol=1e-5)


@_CONTRACT.clause
def _copies(subject: _Subject) -> None:
    """deepcopy and pickle give a layer of the same numbers, bit for bit, whose parameters are its own."""
    layer, values = subject.random(), subject.x(3)
    expected = subject.call(layer, values)
    for how, twin in (("deepcopy", copy.deepcopy(layer)), ("pickle", pickle.loads(pickle.dumps(layer)))):  # noqa: S301
        close(subject.call(twin, values), expected, how, atol=0, rtol=0)
        randomised(twin, seed=1)
    close(subject.call(layer, values), expected, "after its copies have changed", atol=0, rtol=0)


@_CONTRACT.clause
def _state_dict(subject: _Subject) -> None:
    """A state dict carries a layer over to another one bit for bit, and holds nothing that comes from the topology."""
    layer, values = subject.random(), subject.x(3)
    other = subject.layer().double()
    other.load_state_dict(layer.state_dict())
    close(subject.call(other, values), subject.call(layer, values), "loaded", atol=0, rtol=0)
    statistics = {
        f"{name}.{key}".lstrip(".")
        for name, part in layer.named_modules()
        if isinstance(part, _NormBase)
        for key in part.state_dict()
    }
    fixed = set(layer.state_dict()) - {name for name, _ in layer.named_parameters()} - statistics
    assert not fixed, f"the state dict holds {', '.join(sorted(fixed))}: register with persistent=False what is fixed"


@_CONTRACT.clause
def _devices(subject: _Subject) -> None:
    """Built on another device or moved there, with all buffers, it computes there alone (tried on meta)."""
    for built_there in (True, False):
        if built_there:
            with torch.device("meta"):
                layer = subject.layer()
        else:
            layer = subject.layer().to("meta")
        values = [value.to("meta").requires_grad_() for value in subject.x(2, dtype=torch.get_default_dtype())]
        run_on_meta(layer, *values, **dict(zip(subject.inputs, values[1:], strict=True)), count=1)


@_CONTRACT.clause
def _initialisation(subject: _Subject) -> None:
    """reset_parameters() sets every parameter as the constructor does, also after to_empty()."""
    layer = randomised(subject.layer())
    assert callable(getattr(layer, "reset_parameters", None)), "there is no reset_parameters()"
    before = {name: value.clone() for name, value in layer.named_parameters()}
    torch.manual_seed(3)
    layer.reset_parameters()  # type: ignore[operator]
    torch.manual_seed(3)
    fresh = dict(subject.layer().named_parameters())
    for name, value in layer.named_parameters():
        assert not torch.equal(value, before[name]), f"{name} is left as it was"
        found, expected = (float(t.detach().double().std(correction=0).nan_to_num()) for t in (value, fresh[name]))
        close = math.isclose(found, expected, rel_tol=0.6)
        assert close, f"{name} has the standard deviation {found:.3g}; {expected:.3g} when the layer is made"
    with torch.device("meta"):
        layer = subject.layer()
    reset_after_to_empty(layer)
    results = subject.call(layer.eval(), subject.x(2, dtype=torch.get_default_dtype()))
    assert all(part.isfinite().all() for part in results), "the output is not finite after to_empty() and a reset"


@_CONTRACT.clause
def _bias(subject: _Subject) -> None:
    """A layer with a parameter called bias has none with bias=False."""
    if "bias" not in dict(subject.layer().named_parameters()):
        return
    try:
        layer = subject.layer(bias=False)
    except TypeError as error:
        raise AssertionError(f"its constructor takes no bias=False: {error}") from error
    assert "bias" not in dict(layer.named_parameters()), "with bias=False it has one"
    subject.call(layer, subject.x(2, dtype=torch.get_default_dtype()))


@_CONTRACT.clause
def _determinism(subject: _Subject) -> None:
    """Equal seeds make equal layers, equal calls give equal numbers, and inputs are left as they are."""
    layers = []
    for _ in range(2):
        torch.manual_seed(5)
        layers.append(subject.layer())
    for (name, one), two in zip(layers[0].state_dict().items(), layers[1].state_dict().values(), strict=True):
        assert torch.equal(one, two), f"{name} differs between two layers of one seed"
    layer, values = subject.random(), subject.x(3)
    given = [value.clone() for value in values]
    close(subject.call(layer, values), subject.call(layer, values), "called twice", atol=0, rtol=0)
    close(values, given, "the input after a call", atol=0, rtol=0)


@_CONTRACT.clause
def _wrong_input(subject: _Subject) -> None:
    """Other numbers of joints or channels are a ValueError that says what was found, as are no channels at all."""
    layer, (joints, width) = subject.layer(), (subject.num_joints, subject.channels[0])
    _, *others = subject.x(3, dtype=torch.get_default_dtype())
    for shape in [(3, joints - 1, width), (3, joints, width + 1), (joints + 1, width)]:
        extra = others if len(shape) == 3 else [value.flatten(0, 1) for value in others]
        with refused(f"input of shape {shape}", str(shape)):
            subject.call(layer, [torch.zeros(shape), *extra])
    with refused("in_channels=0", "0"):
        subject.make(0, subject.channels[1], subject.topology)


def randomised(layer: nn.Module, seed: int = 0) -> nn.Module:
    """The layer itself with normal parameters of standard deviation 0.5, the same for a seed in any precision."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.5)
    return layer


class OnlyMeta(TorchDispatchMode):
    """Refuses any operation that reads or makes a tensor of another device than ``meta``; plain numbers are free."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and look at its tensors."""
        result = func(*args, **(kwargs or {}))
        for value in tree_iter((args, kwargs, result)):
            assert not isinstance(value, Tensor) or value.is_meta or value.dim() == 0, f"{func} on {value.device}"
        return result


def run_on_meta(module: nn.Module, *inputs: Tensor, count: int | None = None, **keywords: Tensor) -> None:
    """Forward and backward pass of a module on ``meta``: what is left on the CPU there is left when a GPU comes.

    Args:
        module: The module, on ``meta``.
        inputs: What it is called with, on ``meta`` and with gradients.
        count: How many of them are handed over by position; all by default.
        keywords: What is handed over by name.

    Raises:
        AssertionError: If a parameter or buffer is on another device, an operation reads or makes a tensor there, or no
            gradient reaches the first input.
    """
    left = [name for name, value in (*module.named_parameters(), *module.named_buffers()) if not value.is_meta]
    assert not left, f"not moved: {', '.join(left)}"
    with OnlyMeta():
        loss = sum(value.square().sum() for value in floating(module(*inputs[:count], **keywords)))
        loss.backward()  # type: ignore[union-attr]
    for value in (*module.parameters(), *inputs):
        assert not value.requires_grad or value.grad is None or value.grad.is_meta, "a gradient is elsewhere"
    assert all(value.grad is not None for value in inputs[:1]), "no gradient reaches the input"


def reset_after_to_empty(module: nn.Module) -> None:
    """Fill a module with NaN, then reset it in the way of torch: all of its parts, one after another.

    Args:
        module: The module, on ``meta``.

    Raises:
        AssertionError: If a tensor of the state dict is not finite afterwards.
    """
    module.to_empty(device="cpu")
    for value in floating(module.state_dict()):
        value.fill_(torch.nan)
    for part in module.modules():
        if callable(reset := getattr(part, "reset_parameters", None)):
            reset()
    unset = [name for name, value in module.state_dict().items() if not value.isfinite().all()]
    assert not unset, f"reset_parameters() leaves {', '.join(unset)}"


def floating(results: Any) -> Iterator[Tensor]:
    """The floating-point tensors of what a module returns."""
    for value in tree_iter(results):
        if isinstance(value, SparseAdjacency):
            value = value.values
        if isinstance(value, Tensor) and value.is_floating_point():
            yield value


def _as_function(subject: _Subject) -> tuple[Callable[..., Any], tuple[Tensor, ...]]:
    """A layer as a function of its inputs and parameters in float64, for finite differences."""
    narrow = copy.copy(subject)
    if subject.channels[0] != subject.channels[1] and not subject.inputs:  # nothing else depends on the width
        narrow.channels = (min(2, subject.channels[0]), min(4, subject.channels[1]))
    layer = narrow.random()
    parameters, count = dict(layer.named_parameters()), 1 + len(subject.inputs)

    def function(*tensors: Tensor) -> tuple[Tensor, ...]:
        state = dict(zip(parameters, tensors[count:], strict=True))
        keywords = dict(zip(subject.inputs, tensors[1:count], strict=True))
        return torch.func.functional_call(layer, state, tensors[:1], keywords)

    return function, (*(value.requires_grad_() for value in narrow.x(2)), *parameters.values())


def _first_argument(layer: nn.Module) -> str:
    return next(iter(inspect.signature(layer.forward).parameters))


def _renumber(topology: Any, order: Tensor) -> Any:
    """The topology whose node ``i`` is node ``order[i]`` of the given one."""
    place = order.argsort()
    if isinstance(topology, Skeleton):
        return topology.subset(order.tolist(), name=topology.name)
    if isinstance(topology, Graph):
        return Graph(topology.num_nodes, place[topology.edge_index], topology.edge_weight, topology.name)
    return JointHypergraph.from_lists(
        topology.num_nodes,
        [place[list(members)].tolist() for members in topology.hyperedges],
        hyperedge_weight=topology.hyperedge_weight,
        groups=topology.groups,
    )


def _joint_axes(subject: _Subject) -> dict[str, list[int]]:
    """The axes that are as long as there are joints, whatever the channels."""
    wide = copy.copy(subject)
    wide.channels = (2 * subject.channels[0], 2 * subject.channels[1])
    others, axes = wide.layer().state_dict(), {}
    for name, value in subject.layer().state_dict().items():
        sizes = enumerate(zip(value.shape, others[name].shape, strict=True))
        axes[name] = [axis for axis, pair in sizes if pair == (subject.num_joints, subject.num_joints)]
    return axes


def _bone_order(old: Any, new: Any, order: Tensor) -> list[int] | None:
    """For each bone of the renumbered skeleton its number in the old one."""
    if not isinstance(old, Skeleton):
        return None
    return [old.edges.index((int(order[parent]), int(order[child]))) for parent, child in new.edges]


def _renumber_rows(value: Tensor, kind: str, order: Tensor, bones: list[int] | None) -> Tensor:
    return value[:, order] if kind == "joints" else value[:, bones] if kind == "bones" else value


def _renumber_logits(old: SoftmaxAdjacency, new: nn.Module, order: Tensor) -> Tensor:
    """The logits of the renumbered edges: the edge of each logit is where raising it raises the adjacency."""
    place = order.argsort()
    ours = {edge: column for column, edge in enumerate(_edges_of_logits(new))}
    result = torch.zeros_like(old.logits)
    for column, edge in enumerate(_edges_of_logits(old)):
        if edge is not None:  # else it is the only edge of its receiver, whose logit has no effect
            part, receiver, sender = edge
            result[:, ours[part, int(place[receiver]), int(place[sender])]] = old.logits[:, column]
    return result.detach()


def _edges_of_logits(adjacency: nn.Module) -> list[tuple[int, int, int] | None]:
    twin, edges = copy.deepcopy(adjacency), []
    nn.init.zeros_(twin.logits)  # type: ignore[arg-type]
    level = _matrices(twin)
    for column in range(twin.logits.size(1)):  # type: ignore[operator]
        with torch.no_grad():
            twin.logits[:, column] = 1.0  # type: ignore[operator]
            risen = (_matrices(twin) - level).flatten()
            twin.logits[:, column] = 0.0  # type: ignore[operator]
        best = int(risen.argmax())
        rows, columns = level.shape[-2:]
        where = (best // (rows * columns), best // columns % rows, best % columns)
        edges.append(where if risen[best] > 1e-6 else None)
    return edges


def _matrices(adjacency: nn.Module) -> Tensor:
    result = adjacency()
    dense: Tensor = result.to_dense() if isinstance(result, SparseAdjacency) else result
    return dense.detach()
