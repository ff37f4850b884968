"""What MLP-Graph does beyond the contract of every model."""

from __future__ import annotations

import pytest
import torch

from skelgraph.models import MLPGraph, load_official


@pytest.mark.parametrize("pad", [0, 13])
def test_published_rule_matches_the_corrected_official_code(pad, golden):
    reference = golden(f"mlp_graph_pad{pad}")
    model = load_official("mlp_graph", reference.state_dict(), neighbours=True).double()
    assert model.num_frames == 2 * pad + 1
    x = reference["in/x"].requires_grad_()
    y = model(x.squeeze(-1).permute(0, 2, 3, 1))
    y = y.mT.view(reference["in/g"].shape)
    (y * reference["in/g"]).sum().backward()
    reference.assert_close(y, "out/y_neighbour")
    reference.assert_close(x.grad, "grad/x_neighbour")


def test_frames_are_the_outer_index_of_the_embedding():
    model = MLPGraph(num_frames=3, hidden_channels=8, graph_channels=12).eval()
    clip = torch.randn(1, 3, 16, 2)
    with torch.no_grad():
        model.embedding.weight[:, 2:] = 0  # leaves the first frame
    changed = clip.clone()
    changed[:, 1:] += 1
    torch.testing.assert_close(model(changed), model(clip), atol=0, rtol=0)
