"""Modulated GCN: its two released forms."""

from __future__ import annotations

import pytest
import torch

from skelgraph.errors import SkelgraphError
from skelgraph.models import create_model, load_official
from skelgraph.nn import EmbeddedGaussianNonLocal


def test_forms_have_their_published_settings():
    gt, benchmark = (create_model("modulated_gcn", "h36m17", variant=v) for v in ("gt", "benchmark"))
    assert (gt.head.modulation == 1).all()
    assert benchmark.head.modulation.std() > 0.1
    assert gt.input_block.dropout.p == 0
    assert benchmark.input_block.dropout.p == 0.2
    assert isinstance(benchmark.non_local, EmbeddedGaussianNonLocal)
    assert create_model("modulated_gcn", variant="benchmark", hidden_channels=8, dropout=0.0).input_block.dropout.p == 0
    with pytest.raises(SkelgraphError, match=r"variant is 'bench'; expected .*did you mean 'benchmark'"):
        create_model("modulated_gcn", variant="bench")


@pytest.mark.parametrize(
    ("file", "layout", "variant", "non_local"),
    [
        ("modulated_gcn_gt", "h36m16", "gt", False),
        ("modulated_gcn_gt_nonlocal", "h36m16", "gt", True),
        ("modulated_gcn_benchmark", "h36m17", "benchmark", False),
    ],
)
def test_form_is_read_off_the_weights(file, layout, variant, non_local, golden):
    options = load_official("modulated_gcn", golden(file).state_dict(), layout).config["options"]
    assert (options["variant"], options["non_local"]) == (variant, non_local)
    assert (options["hidden_channels"], options["num_blocks"]) == (24, 4)


def test_a_single_pose_passes_the_benchmark_form():
    """The released code drops the batch axis of a single pose and stops."""
    model = create_model("modulated_gcn", "h36m16", variant="benchmark", hidden_channels=8).eval()
    x = torch.randn(3, 16, 2)
    torch.testing.assert_close(model(x[:1]), model(x)[:1])
