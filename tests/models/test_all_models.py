"""What every model must do, whatever its network."""

from __future__ import annotations

import pytest
import torch

from skelgraph.models import create_model, list_models, model_info
from skelgraph.testing import MODEL_CLAUSES, check_model

SMALL: dict[str, dict] = {
    "any_gcn": {"hidden_channels": 8, "num_blocks": 2},
    "hgcn": {"hidden_channels": 4, "num_blocks": 2},
    "hgn": {"hidden_channels": 4},
    "hoif_net": {"hidden_channels": 4, "num_layers": 2},
    "modulated_gcn": {"hidden_channels": 8, "num_blocks": 2},
    "nehs_net": {"depth": 2, "d_model": 12, "n_heads": 2},
    "rs_net": {"hidden_channels": 4, "num_blocks": 2},
    "sem_gcn": {"hidden_channels": 8, "num_blocks": 2},
    "martinez": {"hidden_channels": 8},
    "graph_mlp": {"num_frames": 3, "hidden_channels": 8, "token_channels": 6, "mlp_channels": 12},
    "mlp_graph": {"num_frames": 3, "hidden_channels": 8, "graph_channels": 12},
    "st_gcn_pose": {"num_frames": 3, "hidden_channels": [6, 8], "part_channels": 8, "fused_channels": 4},
    "video_pose": {"filter_widths": [3, 3], "hidden_channels": 8},
}
PARAMETERS = [
    ("any_gcn", "h36m16", {"conv": "vanilla"}, 135_171),
    ("any_gcn", "h36m16", {"conv": "dc_vanilla"}, 266_883),
    ("any_gcn", "h36m16", {"conv": "preagg"}, 2_110_851),
    ("any_gcn", "h36m16", {"conv": "postagg"}, 2_110_851),
    ("any_gcn", "h36m16", {}, 4_218_243),
    ("any_gcn", "h36m16", {"conv": "dc_postagg"}, 4_218_243),
    ("any_gcn", "h36m16", {"conv": "convst"}, 398_595),
    ("any_gcn", "h36m16", {"conv": "nosharing"}, 33_721_731),
    ("any_gcn", "h36m16", {"conv": "modulated"}, 287_923),
    ("any_gcn", "h36m16", {"conv": "vanilla", "num_experts": 6}, 155_961),
    ("any_gcn", "h36m16", {"num_experts": 6}, 4_239_033),
    ("any_gcn", "h36m16", {"conv": "modulated", "num_experts": 6}, 308_713 - 9 * 16**2),  # without what nothing reads
    ("hgcn", "h36m16", {}, 1_197_055),
    ("hgcn", "h36m17", {}, 1_197_195),
    ("hgn", "h36m17", {}, 1_041_017 + 9 * 318 + 5 * 654),
    ("hoif_net", "h36m16", {}, 536_447),
    ("hoif_net", "h36m17", {}, 536_587),
    ("modulated_gcn", "h36m16", {}, 287_923),
    ("modulated_gcn", "h36m16", {"non_local": True}, 455_283),
    ("modulated_gcn", "h36m17", {"variant": "benchmark"}, 2_731_840),
    ("modulated_gcn", "h36m17", {"variant": "benchmark", "hidden_channels": 256}, 1_232_384),
    ("nehs_net", "h36m17", {}, 4_047_600),
    ("rs_net", "h36m16", {}, 1_767_491),
    ("rs_net", "h36m16", {"hidden_channels": 96}, 3_923_971),
    ("sem_gcn", "h36m16", {}, 267_343),
    ("sem_gcn", "h36m16", {"non_local": True}, 434_703),
    ("martinez", "h36m16", {}, 4_291_632),
    ("graph_mlp", "h36m17", {}, 9_488_284),
    ("graph_mlp", "h36m17", {"num_frames": 27}, 9_516_546),
    ("graph_mlp", "h36m17", {"num_frames": 81}, 9_571_842),
    ("graph_mlp", "h36m17", {"num_frames": 243}, 9_737_730),
    ("mlp_graph", "h36m16", {}, 627_763),
    ("mlp_graph", "h36m16", {"num_frames": 243}, 689_715),
    ("mlp_graph", "h36m16", {"hidden_channels": 384, "graph_channels": 768}, 5_419_059),
    ("mlp_graph", "h36m16", {"num_frames": 243, "hidden_channels": 384, "graph_channels": 768}, 5_604_915),
    ("st_gcn_pose", "h36m17", {"num_frames": 1}, 3_627_847),
    ("st_gcn_pose", "h36m17", {}, 5_040_455),
    ("st_gcn_pose", "h36m17", {"num_frames": 7}, 5_040_455),
    ("video_pose", "h36m17", {}, 16_952_371),
    ("video_pose", "h36m17", {"filter_widths": (3, 3, 3, 3)}, 12_753_971),
    ("video_pose", "h36m17", {"filter_widths": (3, 3, 3)}, 8_555_571),
    ("video_pose", "h36m17", {"filter_widths": (1, 1, 1, 1, 1)}, 8_494_131),
    ("video_pose", "h36m17", {"filter_widths": (1, 1, 1)}, 4_291_635),
]


def test_every_model_has_a_small_version_here():
    missing = ", ".join(sorted(set(list_models()) - set(SMALL)))
    assert not missing, f"enter small options of {missing} in SMALL of this file, so that the model is tested"
    assert set(SMALL) == set(list_models())
    uncounted = ", ".join(sorted(set(list_models()) - {name for name, *_ in PARAMETERS}))
    assert not uncounted, f"enter the published number of parameters of {uncounted} in PARAMETERS of this file"


@pytest.mark.parametrize(("name", "layout", "options", "expected"), PARAMETERS)
def test_parameter_count_is_the_published_one(name, layout, options, expected):
    model = create_model(name, layout, **options)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == expected


@pytest.mark.parametrize("clause", MODEL_CLAUSES)
@pytest.mark.parametrize("name", list_models())
def test_contract(name, clause):
    check_model(name, options=SMALL[name], clauses=[clause])


@pytest.mark.parametrize("name", [name for name in list_models() if hasattr(model_info(name).cls, "forward_features")])
def test_forward_features_feed_the_output(name):
    model = create_model(name, "h36m17", **SMALL[name]).eval()
    features = model.forward_features(torch.randn(2, 17, 2))
    assert all(x.shape[0] == 2 for x in (features if isinstance(features, tuple) else [features]))


@pytest.mark.parametrize("name", list_models())
def test_registry_entry(name):
    info = model_info(name)
    assert info.paper
    assert info.url.startswith("https://")
    assert all(p2 is None or p1 is None or p2 < p1 for p1, p2 in info.published.values())
