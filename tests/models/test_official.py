"""Reading checkpoints of the authors' code, good and bad."""

from __future__ import annotations

import doctest
import os
import pickle

import pytest
import torch

from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.models import load_official, state_dicts


@pytest.fixture(name="state")
def _state(golden):
    return golden("sem_gcn_model").state_dict()


def test_wrappers_prefixes_and_files_are_understood(state, tmp_path):
    expected = load_official("sem_gcn", state).state_dict()
    parallel = {f"module.{key}": value for key, value in state.items()}
    checkpoint = {"epoch": 3, "lr": 0.1, "step": 7, "state_dict": parallel, "optimizer": {"state": {}}, "error": 40.0}
    path = tmp_path / "ckpt.pth.tar"
    torch.save(checkpoint, path)
    for source in (checkpoint, {"model_pos": state}, path, str(path)):
        model = load_official("sem_gcn", source)
        assert not model.training
        assert all(torch.equal(value, expected[key]) for key, value in model.state_dict().items())


def test_sizes_are_inferred(state, golden):
    assert load_official("sem_gcn", state).config["options"]["hidden_channels"] == state["gconv_input.0.gconv.W"].size(
        2
    )
    non_local = load_official("sem_gcn", golden("sem_gcn_model_nonlocal").state_dict())
    assert non_local.config["options"]["non_local"] is True
    assert len(non_local.blocks) == 4


def test_every_fault_is_listed(state):
    del state["gconv_output.bias"]
    state["gconv_layers.0.gconv1.gconv.W"] = state["gconv_layers.0.gconv1.gconv.W"][:, :3]
    state["extra.weight"] = torch.zeros(2)
    state["gconv_layers.1.gconv1.bn.weight"][0] = float("nan")
    with pytest.raises(CheckpointError) as error:
        load_official("sem_gcn", state)
    text = str(error.value)
    for part in ("missing tensors: head.bias", "unexpected tensors: extra.weight", "misshapen", "NaN", "expected (2, "):
        assert part in text


def test_wrong_network_and_wrong_skeleton(state, golden):
    with pytest.raises(CheckpointError, match="not an official sem_gcn checkpoint"):
        load_official("sem_gcn", golden("martinez_model").state_dict())
    with pytest.raises(
        CheckpointError, match=r"^the given state dict: these weights are of martinez, not of sem_gcn; "
    ):
        load_official("sem_gcn", golden("martinez_model").state_dict())
    told = "these weights are of 16 joints, h36m17 has 17; expected skeleton .*h36m16"
    with pytest.raises(CheckpointError, match=rf"{told}.*; .*attention\.logits"):
        load_official("sem_gcn", state, skeleton="h36m17")
    with pytest.raises(CheckpointError, match=f"{told}.*misshapen tensors"):
        load_official("post_refine", golden("rs_net_post_refine").state_dict(), "h36m17")
    with pytest.raises(CheckpointError, match=r"of 17 joints, h36m16 has 16; expected skeleton .*h36m17"):
        load_official("rs_net", golden("rs_net_model_17").state_dict(), "h36m16")
    with pytest.raises(CheckpointError, match="holds no tensors"):
        load_official("sem_gcn", {"epoch": 1})
    with pytest.raises(SkelgraphError, match="unknown model"):
        load_official("no_such_model", state)


def test_bad_files_are_refused(state, tmp_path):
    with pytest.raises(CheckpointError, match=r"none\.pth: there is no such file"):
        load_official("sem_gcn", tmp_path / "none.pth")
    with pytest.raises(CheckpointError, match="it is a folder, expected a file"):
        load_official("sem_gcn", tmp_path)
    good = tmp_path / "good.pth"
    torch.save(state, good)
    cut = tmp_path / "cut.pth"
    cut.write_bytes(good.read_bytes()[:2000])
    with pytest.raises(CheckpointError, match=r"cut\.pth is damaged"):
        load_official("sem_gcn", cut)
    listed = tmp_path / "list.pth"
    torch.save([1, 2], listed)
    with pytest.raises(CheckpointError, match="holds a list"):
        load_official("sem_gcn", listed)


class _Evil:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def test_pickled_code_is_not_executed(tmp_path):
    target, path = tmp_path / "executed", tmp_path / "evil.pth"
    torch.save({"state_dict": _Evil(target)}, path)
    with pytest.raises(CheckpointError, match="is refused"):
        load_official("sem_gcn", path)
    path.write_bytes(pickle.dumps(_Evil(target)))
    with pytest.raises(CheckpointError, match="is refused"):
        load_official("sem_gcn", path)
    assert not target.exists()


def test_docstring_example():
    result = doctest.testmod(state_dicts)
    assert result.attempted
    assert not result.failed
