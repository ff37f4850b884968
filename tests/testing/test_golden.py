"""Golden files of one's own: one is written from a network, and ports of it, right and wrong, are judged."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from skelgraph.testing import Golden, check_evaluation, check_training, write_golden


class Official(nn.Module):
    """Code of somebody else: joints flattened, its own names, two maps in place of one, and one that is not used."""

    def __init__(self):
        super().__init__()
        self.w_x, self.w_y = nn.Linear(4, 6), nn.Linear(4, 6)
        self.bn = nn.BatchNorm1d(12)
        self.drop = nn.Dropout(0.5)
        self.out = nn.Linear(12, 9)
        self.unused = nn.Linear(2, 2)

    def forward(self, x):
        x = x.flatten(1)
        return self.out(self.drop(self.bn(torch.cat([self.w_x(x), self.w_y(x)], dim=1)).relu())).view(-1, 3, 3)


class Port(nn.Module):
    def __init__(self, eps: float = 1e-5, momentum: float = 0.1, slope: float = 0.0):
        super().__init__()
        self.hidden, self.norm, self.head = nn.Linear(4, 12), nn.BatchNorm1d(12, eps, momentum), nn.Linear(12, 9)
        self.slope = slope

    def forward(self, x):
        return self.head(nn.functional.leaky_relu(self.norm(self.hidden(x)), self.slope)).view(-1, 3, 3)


def translate(state):
    renamed = {key.replace("bn.", "norm.").replace("out.", "head."): value for key, value in state.items()}
    ours = {key: value for key, value in renamed.items() if key.split(".")[0] in ("norm", "head")}
    for kind in ("weight", "bias"):
        ours[f"hidden.{kind}"] = torch.cat([state[f"w_x.{kind}"], state[f"w_y.{kind}"]])
    return ours


CALL = {"translate": translate, "call": lambda module, x: module(x.flatten(1))}


@pytest.fixture(scope="module", name="golden")
def _golden(tmp_path_factory) -> Golden:
    path = tmp_path_factory.mktemp("golden") / "official.npz"
    generator = torch.Generator().manual_seed(0)
    x, target = torch.randn(5, 2, 2, generator=generator), torch.randn(5, 3, 3, generator=generator)
    write_golden(path, Official(), x, target, repo="somebody/code", commit="0" * 40)
    return Golden(path)


def test_what_the_file_holds(golden):
    assert golden.meta["repo"] == "somebody/code"
    assert {key.split("/")[0] for key in golden.arrays} == {"sd", "in", "out", "grad"}
    assert set(golden.state_dict()) == set(Official().state_dict())
    assert all(
        value.dtype == np.float32 for key, value in golden.arrays.items() if key in ("in/x", "in/g", "in/target")
    )
    assert all(
        golden.arrays[key].dtype == np.float64 for key in ("out/y", "grad/x", "out/train_y", "out/gnorm/out.bias")
    )
    assert "out/gnorm/unused.weight" not in golden, "what the network does not use has no gradient"
    assert golden["sd/bn.running_var"].min() >= 0.5
    assert not torch.equal(golden["out/after/bn.running_mean"], golden["sd/bn.running_mean"])
    network = Official()
    network.load_state_dict(golden.state_dict())
    golden.assert_close(network.double().eval()(golden["in/x"]), "out/y")


def test_a_port_is_judged(golden):
    check_evaluation(golden, Port(), **CALL)
    check_training(golden, Port(), **CALL)


@pytest.mark.parametrize("wrong", [{"eps": 1e-4}, {"slope": 0.01}])
def test_another_network_is_told_apart(golden, wrong):
    with pytest.raises(AssertionError, match=r"out/y: .*not close"):
        check_evaluation(golden, Port(**wrong), **CALL)
    with pytest.raises(AssertionError, match=r"out/train_y: "):
        check_training(golden, Port(**wrong), **CALL)


def test_batch_statistics_and_gradients_are_compared(golden):
    with pytest.raises(AssertionError, match=r"out/after/bn\.running_mean"):
        check_training(golden, Port(momentum=0.2), **CALL)
    with pytest.raises(AssertionError, match="out/train_loss"):
        check_training(golden, Port(), loss=nn.functional.l1_loss, **CALL)

    def stopped(module, x):
        return module(x.flatten(1)) - 0 * module.head.bias.sum() + (module.head.bias.detach() - module.head.bias).mean()

    with pytest.raises(AssertionError, match=r"out/gnorm/out\.bias"):
        check_evaluation(golden, Port(), translate, stopped)


def test_weights_can_be_kept_and_training_left_out(tmp_path):
    network = Official()
    before = copy.deepcopy(network.state_dict())
    write_golden(tmp_path / "kept.npz", network, torch.randn(2, 2, 2), seed=None)
    golden = Golden(tmp_path / "kept.npz")
    assert all(torch.equal(value, before[key]) for key, value in golden.state_dict().items())
    check_evaluation(golden, Port(), **CALL)
    with pytest.raises(AssertionError, match="no numbers of training"):
        check_training(golden, Port(), **CALL)


def test_the_readme_names_the_source_of_every_file():
    folder = Path(__file__).parents[1] / "golden"
    text = (folder / "README.md").read_text()
    for path in sorted(folder.glob("*.npz")):
        meta = Golden(path).meta
        if "repo" in meta:
            assert f"`{meta['repo']}` @ `{meta['commit'][:8]}`" in text, path.name
        prefixes = [prefix for prefix in re.findall(r"`([a-z_0-9]+)\*?`", text) if path.stem.startswith(prefix)]
        assert prefixes, f"{path.name} stands in no row of the table"
