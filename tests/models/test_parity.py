"""Every model against numbers from the authors' code: outputs, input gradients, parameter gradients, BatchNorm
updates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import Module

from skelgraph.files import read_checkpoint
from skelgraph.models import list_models, load_official, model_info
from skelgraph.models.state_dicts import unwrap_state_dict
from skelgraph.nn import DropPath
from skelgraph.testing import check_evaluation, check_training


def squared_and_absolute_error(y: Tensor, target: Tensor) -> Tensor:
    """The training loss of several systems."""
    error = y - target
    return 0.9 * error.square().mean() + 0.1 * error.abs().mean()


def joint_and_absolute_error(y: Tensor, target: Tensor) -> Tensor:
    """The training loss of the benchmark form of Modulated GCN, on ``(B, 3, 1, J, 1)``."""
    error = y - target
    return 0.99 * error.norm(dim=1).mean() + 0.01 * error.abs().mean()


def joint_error(y: Tensor, target: Tensor) -> Tensor:
    """The mean joint error with the root of the target, but not of the prediction, at the origin."""
    target = target.clone()
    target[..., 0, :] = 0
    return (y - target).norm(dim=-1).mean()


def mlp_graph_loss(y: Tensor, target: Tensor) -> Tensor:
    """The training loss of MLP-Graph."""
    target = target.clone()
    target[..., 0, :] = 0
    return 0.99 * joint_error(y, target) + 0.01 * (y - target).abs().mean()


@dataclass(frozen=True)
class Case:
    """One reference file, and how our model of that name takes its input."""

    file: str
    model: str
    skeleton: str
    options: dict[str, Any] = field(default_factory=dict)
    loss: Callable[[Tensor, Tensor], Tensor] = torch.nn.functional.mse_loss
    call: Callable[[Any, Tensor], Tensor] = lambda model, x: model(x)
    output: str = "out/y"

    def keypoints(self, x: Tensor) -> Tensor:
        """The official input as ``(B, J, 2)`` or ``(B, T, J, 2)``."""
        if x.dim() == 5:  # (B, 2, T, J, 1)
            return x.squeeze(-1).permute(0, 2, 3, 1)
        return x.unflatten(1, (-1, 2)) if self.model == "martinez" else x

    def official_form(self, y: Tensor, like: Tensor) -> Tensor:
        """Our output in the official shape."""
        if like.dim() == 5:  # (B, 3, T, J, 1)
            y = y.view(-1, like.size(2), *y.shape[-2:]).permute(0, 3, 1, 2)
        return y.reshape(like.shape)


CASES = [
    *(
        Case(f"any_gcn_model_{file}", "any_gcn", "h36m16", loss=squared_and_absolute_error)
        for file in ("convst", "dc_preagg", "modulated_experts", "nosharing", "vanilla_nonlocal")
    ),
    Case("hgcn_model", "hgcn", "h36m16"),
    Case("hgcn_model_17", "hgcn", "h36m17"),
    Case("hoif_net_model", "hoif_net", "h36m16"),
    Case("hoif_net_model_17", "hoif_net", "h36m17"),
    Case("modulated_gcn_gt", "modulated_gcn", "h36m16", loss=squared_and_absolute_error),
    Case("modulated_gcn_gt_nonlocal", "modulated_gcn", "h36m16", loss=squared_and_absolute_error),
    Case("modulated_gcn_benchmark", "modulated_gcn", "h36m17", loss=joint_and_absolute_error),
    Case("rs_net_model", "rs_net", "h36m16", loss=squared_and_absolute_error),
    Case("rs_net_model_17", "rs_net", "h36m17", loss=squared_and_absolute_error),
    Case("rs_net_model_no_dropout", "rs_net", "h36m16", {"dropout": None}, loss=squared_and_absolute_error),
    Case("sem_gcn_model", "sem_gcn", "h36m16"),
    Case("sem_gcn_model_nonlocal", "sem_gcn", "h36m16"),
    Case("martinez_model", "martinez", "h36m16"),
    *(Case(f"graph_mlp_f{frames}", "graph_mlp", "h36m17", loss=joint_error) for frames in (1, 27, 81)),
    *(Case(f"mlp_graph_pad{pad}", "mlp_graph", "h36m16", loss=mlp_graph_loss) for pad in (0, 13)),
    *(
        Case(
            f"st_gcn_pad{pad}",
            "st_gcn_pose",
            "h36m17",
            loss=joint_error,
            call=lambda model, x: model.forward_sequence(x),
            output="out/y_all",
        )
        for pad in (0, 1)
    ),
    *(
        Case(
            f"video_pose_{file}",
            "video_pose",
            "h36m17",
            {"causal": "causal" in file},
            loss=joint_error,
            call=lambda model, x: model.forward_sequence(x, pad=False),
        )
        for file in (
            "temporal_243",
            "optimized_1f_243",
            "causal_27",
            "optimized_1f_causal_27",
            "single_frame",
            "optimized_1f_single_frame",
            "mixed_widths",
            "dense_27",
        )
    ),
]


ELSEWHERE = {"hgn"}
"""Models whose golden file is of another form and compared in a file of their own."""


def port(case: Case, reference: Any, train: bool, official: dict[str, Tensor] | None = None) -> Any:
    """What :mod:`skelgraph.testing` checks: our model, how official weights become ours, and how it is called."""
    official = official or reference.state_dict()
    options = ({"dropout": 0.0} if train else {}) | case.options
    model = load_official(case.model, official, case.skeleton, **options)
    for module in model.modules():  # every rate: some stand in a layer, out of reach of the options
        if isinstance(module, torch.nn.Dropout | DropPath):
            module.p = 0.0
    assert type(model).official is not None

    def call(model: Any, x: Tensor) -> Tensor:
        y = case.call(model, case.keypoints(x))
        return case.official_form(y, reference["out/train_y" if train else case.output])

    return {"golden": reference, "module": model, "translate": type(model).official.translate, "call": call}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_evaluation_matches_official_code(case, golden):
    check_evaluation(**port(case, golden(case.file), train=False), output=case.output)


def test_every_model_with_an_official_layout_has_a_golden_file():
    with_weights = {name for name in list_models() if model_info(name).cls.official is not None}
    missing = ", ".join(sorted(with_weights - {case.model for case in CASES} - ELSEWHERE))
    assert not missing, (
        f"enter a golden file of {missing} in CASES of this file; tests/golden/README.md says how to make one"
    )


SHELL: dict[str, Callable[[Any], Module]] = {
    "gconv_input": lambda model: model.attention[0],
    "gconv_layers": lambda model: model.attention[-1],
}
INSIDE: dict[str, dict[str, Callable[[Any], Module]]] = {
    "any_gcn": SHELL,
    "hgcn": SHELL,
    "hoif_net": {"gconv_input": lambda model: model.input_block, "gconv_layers": lambda model: model.blocks[-1]},
    "modulated_gcn": SHELL | {"non_local": lambda model: model.non_local},
    "rs_net": {
        "gconv_input": lambda model: model.activation,
        "gconv_layers": lambda model: model.blocks[-1],
        "non_local": lambda model: model.non_local,
    },
    "sem_gcn": SHELL,
}
"""Per model, the modules after which the features inside the official network are known."""


@pytest.mark.parametrize("case", [case for case in CASES if case.model in INSIDE], ids=lambda case: case.file)
def test_features_inside_match_official_code(case, golden):
    reference = golden(case.file)
    model = load_official(case.model, reference.state_dict(), case.skeleton, **case.options).double()
    seen: dict[str, Tensor] = {}
    for key in reference.keys("mid/"):
        module = INSIDE[case.model][key.removeprefix("mid/")](model)
        module.register_forward_hook(lambda module, inputs, output, key=key: seen.update({key: output}))
    model(case.keypoints(reference["in/x"]))
    assert len(seen) >= 2
    for key, features in seen.items():  # the official non-local block works on (B, C, 1, J)
        reference.assert_close(features.mT.unsqueeze(2) if reference[key].dim() == 4 else features, key)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_training_matches_official_code(case, golden):
    check_training(**port(case, golden(case.file), train=True), loss=case.loss)


def test_published_weights_reproduce_the_official_output(golden, shared_dir):
    reference = golden("modulated_gcn_gt_real")
    path = shared_dir("real") / "ckpt_modulated_gcn_gt.pth.tar"
    official = unwrap_state_dict(read_checkpoint(path), str(path))
    case = Case("modulated_gcn_gt_real", "modulated_gcn", "h36m16")
    check_evaluation(**port(case, reference, train=False, official=official), official=official)
    model = load_official("modulated_gcn", path)
    assert model.config["options"]["hidden_channels"] == 128
    assert model.config["options"]["variant"] == "gt"
    torch.testing.assert_close(model(reference["in/x"].float()), reference["out/y"].float(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("case", [case for case in CASES if case.model in INSIDE], ids=lambda case: case.file)
def test_our_parameters_are_those_that_the_official_network_uses(case, golden):
    reference = golden(case.file)
    official = reference.state_dict()
    stored = {k: v.numel() for k, v in official.items() if v.is_floating_point() and "running_" not in k}
    assert sum(stored.values()) == reference.meta["trainable_params_in_this_file"]
    used = sum(count for key, count in stored.items() if f"out/gnorm/{key}" in reference)
    model = load_official(case.model, official, case.skeleton, **case.options)
    assert sum(p.numel() for p in model.parameters()) == used
