"""What GraphMLP does beyond the contract of every model."""

from __future__ import annotations

import pytest
import torch

from skelgraph.errors import CheckpointError
from skelgraph.models import GraphMLP, load_official

SMALL = {"hidden_channels": 8, "token_channels": 6, "mlp_channels": 12}


@pytest.mark.parametrize("file", ["graph_mlp_f1", "graph_mlp_f27", "graph_mlp_f81"])
def test_import_drops_the_fixed_adjacency_only(file, golden):
    state = golden(file).state_dict()
    model = load_official("graph_mlp", state)
    stored, fixed = sum(v.numel() for v in state.values()), (1 + 3 * len(model.blocks)) * 4 * 17 * 17
    assert sum(p.numel() for p in model.parameters()) == stored - fixed
    assert model.num_frames == int(file.partition("_f")[2])


def test_missing_token_perceptron_is_named(golden):
    state = {key: v for key, v in golden("graph_mlp_f27").state_dict().items() if "blocks.0.mlp_1.fc1" not in key}
    with pytest.raises(CheckpointError, match=r"blocks\.0\.mlp_1\.fc1\.weight"):
        load_official("graph_mlp", state)


def test_drop_path_grows_with_depth():
    model = GraphMLP(num_blocks=5, drop_path=0.2, **SMALL)
    assert [block.drop_path.p for block in model.blocks] == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])


def test_coordinates_are_the_outer_index_of_the_embedding():
    model = GraphMLP(num_frames=3, **SMALL).eval()
    clip = torch.randn(1, 3, 17, 2)
    with torch.no_grad():
        model.embedding.weight[:, 3:] = 0  # leaves the x coordinates of the three frames
    changed = clip.clone()
    changed[..., 1] += 1
    torch.testing.assert_close(model(changed), model(clip), atol=0, rtol=0)
    changed[:, 2, :, 0] += 1
    assert not torch.isclose(model(changed), model(clip)).all()
