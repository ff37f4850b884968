"""Models for inference: folded, and compiled."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from test_all_models import SMALL

import skelgraph
from skelgraph.errors import SkelgraphError
from skelgraph.models import create_model, list_models


def trained(name, **options):
    """A model whose batch statistics and scales are not those of its start, so that folding has something to do."""
    torch.manual_seed(0)
    model = create_model(name, "h36m17", **(SMALL[name] | options))
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.uniform_(module.running_mean, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias)
    return model.eval()


@pytest.mark.parametrize("name", list_models())
def test_folding_changes_nothing_but_rounding(name):
    model = trained(name)
    fast = skelgraph.optimize(model, compile=False)
    for batch in (1, 2, 5):
        x = torch.randn(batch, model.num_frames, 17, 2)
        expected = model(x)
        torch.testing.assert_close(fast(x), expected, atol=1e-5 * max(1.0, expected.abs().max().item()), rtol=1e-4)
    assert not any("batch_norm" in str(node.target) for node in fast.run.graph.nodes), "all are folded"
    assert not any("softmax" in str(node.target) for node in fast.run.graph.nodes) or name in (
        "modulated_gcn", "nehs_net", "rs_net", "st_gcn_pose",
    ), "learned adjacencies are constants; only attention stays"  # fmt: skip


def test_folds_in_float64_exactly():
    model = trained("sem_gcn", non_local=True).double()
    x = torch.randn(3, 17, 2, dtype=torch.float64)
    torch.testing.assert_close(skelgraph.optimize(model, compile=False)(x), model(x), atol=1e-11, rtol=1e-10)


def test_compiled_serves_all_batch_sizes_and_leaves_the_model_alone():
    model = trained("sem_gcn").train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    fast = skelgraph.optimize(model)
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    model.eval()
    for x in (torch.randn(1, 17, 2), torch.randn(7, 17, 2), torch.randn(3, 5, 17, 2)):
        torch.testing.assert_close(fast(x), model(x), atol=1e-5, rtol=1e-4)
    assert fast(torch.randn(0, 17, 2)).shape == (0, 17, 3)
    assert not fast(torch.randn(2, 17, 2)).requires_grad
    with pytest.raises(SkelgraphError, match=r"optimized for torch\.float32 on cpu.*torch\.float64"):
        fast(torch.randn(2, 17, 2, dtype=torch.float64))
    with pytest.raises(SkelgraphError, match="needs keypoints of shape"):
        fast(torch.randn(2, 16, 2))


@pytest.mark.parametrize("environment", [{"CXX": "/nonexistent/g++"}, {"PATH": "/nonexistent", "CXX": ""}])
def test_without_a_compiler_the_way_out_is_named(environment, tmp_path):
    """In a process of its own: torch remembers the compiler that it found."""
    code = """
import skelgraph
model = skelgraph.create_model("sem_gcn", hidden_channels=8, num_blocks=1)
try:
    skelgraph.optimize(model)
except skelgraph.SkelgraphError as error:
    print(error)
"""
    done = {key: value for key, value in os.environ.items() if key != "CXX"} | environment
    done |= {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = {key: value for key, value in done.items() if value}
    result = subprocess.run([sys.executable, "-c", code], env=done, capture_output=True, text=True, check=True)
    assert result.stdout.count("\n") == 1
    assert "could not be compiled: " in result.stdout
    assert "compiler" in result.stdout.partition("; expected")[0], "torch's own reason"
    assert "optimize(model, compile=False)" in result.stdout


def test_a_model_without_weights_is_refused():
    with torch.device("meta"):
        model = create_model("sem_gcn")
    with pytest.raises(SkelgraphError, match="without weights"):
        skelgraph.optimize(model)
