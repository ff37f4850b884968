"""The linear baseline without its root, as the code of SemGCN has it."""

from __future__ import annotations

import torch

from skelgraph.models import create_model, load_official
from skelgraph.topology import Skeleton


def official(num_joints: int, predicted: int) -> dict[str, torch.Tensor]:
    """A state dict in the layout of the released code."""
    generator = torch.Generator().manual_seed(0)

    def linear(name: str, inputs: int, outputs: int) -> dict[str, torch.Tensor]:
        weight, bias = torch.randn(outputs, inputs, generator=generator), torch.randn(outputs, generator=generator)
        return {f"{name}.weight": weight, f"{name}.bias": bias}

    def norm(name: str) -> dict[str, torch.Tensor]:
        numbers = ("weight", "bias", "running_mean", "running_var")
        drawn = {f"{name}.{number}": torch.rand(8, generator=generator) + 0.5 for number in numbers}
        return drawn | {f"{name}.num_batches_tracked": torch.tensor(7)}

    state = linear("w1", 2 * num_joints, 8) | norm("batch_norm1") | linear("w2", 8, 3 * predicted)
    for i in (1, 2):
        state |= linear(f"linear_stages.0.w{i}", 8, 8) | norm(f"linear_stages.0.batch_norm{i}")
    return state


def test_the_root_is_zero_where_it_is_not_predicted() -> None:
    """At its own place, which is not the first in every skeleton."""
    chain = Skeleton([1, 2, -1, 2, 3])
    model = create_model("martinez", chain, hidden_channels=8, predict_root=False).eval()
    assert model.head.out_features == 12
    poses = model(torch.randn(4, 5, 2))
    assert torch.equal(poses[:, 2], torch.zeros(4, 3))
    expected = model.head(model.forward_features(torch.ones(1, 5, 2))).view(4, 3)
    assert torch.equal(model(torch.ones(1, 5, 2))[0, [0, 1, 3, 4]], expected)


def test_the_released_weights_tell_whether_the_root_is_predicted() -> None:
    x = torch.randn(3, 16, 2)
    without, whole = (load_official("martinez", official(16, predicted)) for predicted in (15, 16))
    assert (without.predict_root, whole.predict_root) == (False, True)
    assert torch.equal(without(x)[:, 0], torch.zeros(3, 3))
    assert not torch.equal(whole(x)[:, 0], torch.zeros(3, 3))


def test_parameters_of_the_published_width() -> None:
    with torch.device("meta"):
        model = create_model("martinez", "h36m16", predict_root=False)
    assert sum(parameter.numel() for parameter in model.parameters()) == 4_288_557


def test_layer_normalisation_knows_no_batch() -> None:
    """By hand; and what a pose is lifted to does not depend on the others of its batch, in training as in use."""
    model = create_model("martinez", "h36m16", hidden_channels=8, num_stages=1, dropout=0.0, norm="layer")
    x = torch.randn(5, 16, 2)
    torch.testing.assert_close(model.train()(x)[:2], model.eval()(x[:2]))
    blocks = [model.input_block, *model.stages[0]]
    first = h = x.flatten(1)
    for block in blocks:
        a = block.linear(h)
        a = (a - a.mean(1, keepdim=True)) / (a.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        h = a * (1 + torch.erf(a / 2**0.5)) / 2
        first = h if block is model.input_block else first
    torch.testing.assert_close(model(x), model.head(first + h).unflatten(-1, (16, 3)))
    assert not any("running" in key for key in model.state_dict())
