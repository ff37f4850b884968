"""Models for inference whose wide products are in bfloat16."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import nn

import skelgraph
from skelgraph.errors import SkelgraphError
from skelgraph.models import bfloat16, create_model, optimized
from skelgraph.models.bfloat16 import products_in_bfloat16
from skelgraph.models.fold import fold_constants, trace

aten = torch.ops.aten
PRODUCTS = (aten.matmul.default, aten.bmm.default, aten.linear.default, aten.conv1d.default)


@pytest.fixture(autouse=True)
def _instructions(monkeypatch):
    """As on a processor that has them: the numbers are the same on one that has not."""
    monkeypatch.setattr(optimized, "has_bfloat16", lambda device: True)


@pytest.fixture(scope="module", name="model")
def _model():
    torch.manual_seed(0)
    model = create_model("martinez", "h36m17", hidden_channels=32)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.normal_(module.bias)
    return model.eval()


class Everything(nn.Module):
    """All kinds of products that networks are made of, and what stands between them."""

    def __init__(self):
        super().__init__()
        self.first, self.inner, self.last = nn.Linear(2, 32), nn.Linear(32, 32), nn.Linear(32, 3)
        self.early = nn.Linear(32, 32)
        self.norm, self.conv = nn.LayerNorm(32), nn.Conv1d(32, 32, 3, padding=1)
        self.adjacency = nn.Parameter(torch.randn(2, 17, 17))

    def forward(self, x):
        x = self.early(self.first(x))
        y = self.inner(torch.einsum("kij,bjc->bic", self.adjacency, self.norm(x)))
        y = y + x + self.conv(y.mT).mT  # read twice: once as it is, once turned
        scores = (y @ y.mT).softmax(-1)
        return self.last(scores @ y + x)


class Types(torch.fx.Interpreter):
    """Runs a graph and keeps the types of its products, and of all else that computes."""

    def __init__(self, graph):
        super().__init__(graph)
        self.products, self.others = {}, {}

    def run_node(self, node):
        operands = [self.env[x] for x in node.all_input_nodes if x in self.env]
        result = super().run_node(node)
        if node.op == "call_function" and node.target in PRODUCTS:
            self.products[str(node)] = result.dtype, {operand.dtype for operand in operands[:2]}
        elif isinstance(result, torch.Tensor) and node.op == "call_function" and node.target is not aten.to.dtype:
            self.others[str(node)] = result.dtype
        return result


def test_wide_products_but_the_first_are_in_bfloat16():
    torch.manual_seed(0)
    module, x = Everything().eval().requires_grad_(False), torch.randn(5, 17, 2)
    graph = trace(fold_constants(trace(module, x[:2]).module()), x[:2]).module()
    before = Types(graph)
    before.run(x)
    products_in_bfloat16(graph)
    after = Types(graph)
    actual = after.run(x)
    first, early, *_, last = before.products  # of two terms; of coordinates' features; of three columns
    assert before.products.keys() == after.products.keys()
    low, single = torch.bfloat16, torch.float32
    expected = {name: (single, {single}) if name in (first, early, last) else (low, {low}) for name in before.products}
    assert after.products == expected
    copies = {name: dtype for name, dtype in after.others.items() if name not in before.others}
    assert {name: dtype for name, dtype in after.others.items() if name in before.others} == before.others
    assert set(copies.values()) <= {low}
    assert actual.dtype == single
    assert 1e-5 < (actual - module(x)).norm() / module(x).norm() < 0.05
    rounded = [node for node in graph.graph.nodes if node.target is aten.to.dtype and node.args[1] is low]
    assert len(rounded) == len({node.args[0] for node in rounded}), "each value is rounded once"


def test_double_precision_stays_beside_it(model):
    model = copy.deepcopy(model).double()
    x = torch.randn(3, 17, 2, dtype=torch.float64)
    fast = skelgraph.optimize(model, compile=False, precision="bf16")
    assert fast(x).dtype == torch.float64
    assert 1e-6 < (fast(x) - model(x)).norm() / model(x).norm() < 0.01


def test_compiled_serves_all_batch_sizes(model):
    fast = skelgraph.optimize(model, precision="bf16")
    folded = skelgraph.optimize(model, compile=False, precision="bf16")
    for batch in (7, 1, 3):
        x = torch.randn(batch, 17, 2)
        with torch.no_grad():
            expected = model(x)
        assert fast(x).dtype == torch.float32
        assert 1e-6 < (fast(x) - expected).norm() / expected.norm() < 0.01
        torch.testing.assert_close(fast(x), folded(x), atol=0.01 * expected.abs().max().item(), rtol=0)
    assert fast(torch.randn(0, 17, 2)).shape == (0, 17, 3)
    with pytest.raises(SkelgraphError, match=r"optimized for torch\.float32 on cpu.*torch\.bfloat16"):
        fast(torch.randn(2, 17, 2, dtype=torch.bfloat16))


def test_without_instructions_a_warning_and_float32(model, monkeypatch):
    monkeypatch.setattr(optimized, "has_bfloat16", lambda device: False)
    with pytest.warns(UserWarning, match=r"cpu has no instructions for bfloat16.*stays in torch\.float32"):
        fast = skelgraph.optimize(model, compile=False, precision="bf16")
    x = torch.randn(2, 17, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(fast(x), skelgraph.optimize(model, compile=False)(x))


@pytest.mark.parametrize(("name", "has"), [("avx512_bf16", True), ("amx_bf16", True), ("bf16", True), ("avx2", False)])
def test_what_a_processor_tells(name, has, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"architecture": "x86_64", name: True, "avx512_f": True})
    assert bfloat16.has_bfloat16(torch.device("cpu")) is has


def test_other_names_are_refused(model):
    with pytest.raises(SkelgraphError, match="precision"):
        skelgraph.optimize(model, compile=False, precision="fp16")
