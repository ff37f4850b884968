"""HGCN: its options."""

from __future__ import annotations

import pytest
import torch

from skelgraph.models import create_model, load_official


@pytest.mark.parametrize(
    "options", [{"reduce": "sum"}, {"hops": "exact"}, {"hops": "within"}, {"num_hops": 1}, {"num_hops": 5}], ids=str
)
def test_fusions_and_hops(options):
    model = create_model("hgcn", "h36m16", hidden_channels=4, num_blocks=1, **options)
    assert model(torch.randn(2, 16, 2)).shape == (2, 16, 3)
    width = 4 * (1 if options.get("reduce") == "sum" else model.head.num_hops + 1)
    assert model.forward_features(torch.randn(2, 16, 2)).shape == (2, 16, width)


def test_sizes_are_inferred_and_unread_biases_dropped(golden):
    state = golden("hgcn_model_17").state_dict()
    model = load_official("hgcn", state, "h36m17")
    options = model.config["options"]
    assert (options["hidden_channels"], options["num_blocks"], options["num_hops"]) == (8, 2, 3)
    state["gconv_input.0.gconv.bias_2"] += 1
    state["gconv_output.bias"] += 1
    x = torch.randn(2, 17, 2)
    torch.testing.assert_close(load_official("hgcn", state, "h36m17")(x), model(x), atol=0, rtol=0)
