"""What the temporal convolution baseline does beyond the contract of every model."""

from __future__ import annotations

import pytest
import torch

from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.models import VideoPose, load_official


def make(**options):
    torch.manual_seed(0)
    model = VideoPose(**({"filter_widths": (3, 5), "hidden_channels": 6} | options)).double().eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            torch.nn.init.normal_(module.running_mean)
            torch.nn.init.normal_(module.bias)
    return model


VARIANTS = [
    {},
    {"causal": True},
    {"dense_filters": True},
    {"causal": True, "dense_filters": True},
    {"filter_widths": (1, 1)},
]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
@pytest.mark.parametrize("frames", [1, 4, 15, 40])
def test_forward_is_the_centre_of_the_sequence(options, frames):
    model = make(**options)
    clip = torch.randn(2, frames, 17, 2, dtype=torch.float64)
    sequence = model.forward_sequence(clip)
    assert sequence.shape == (2, frames, 17, 3)
    torch.testing.assert_close(model(clip), sequence[:, frames // 2])


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_a_frame_depends_on_its_receptive_field_only(options):
    model = make(**options)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            torch.nn.init.constant_(module.bias, 10)  # no unit is cut off by chance
    field = model.receptive_field
    clip = torch.randn(1, 60, 17, 2, dtype=torch.float64, requires_grad=True)
    model.forward_sequence(clip)[0, 30].sum().backward()
    used = clip.grad[0].flatten(1).abs().sum(dim=1).nonzero().flatten().tolist()
    first = 30 - (field - 1 if model.causal else field // 2)
    assert used == list(range(first, first + field))


@pytest.mark.parametrize("causal", [False, True])
def test_strided_form_equals_dilated_form(causal):
    model = make(causal=causal)
    clip = torch.randn(2, 16, 17, 2, dtype=torch.float64)
    both = model.forward_sequence(clip, pad=False)  # one frame too long for strides
    one = model.forward_sequence(clip[:, :15], pad=False)
    assert (both.shape[1], one.shape[1]) == (2, 1)
    torch.testing.assert_close(one, both[:, :1])


@pytest.mark.parametrize("causal", [False, True])
def test_training_on_windows_takes_the_strided_form(causal):
    """Its batch statistics are over the positions that lead to the output only, as in the authors' training."""
    model = make(causal=causal).train()
    seen = []
    model.expand_norm.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].shape))
    model(torch.randn(2, model.num_frames, 17, 2, dtype=torch.float64))
    assert seen == [(2, 6, 5)]


def test_hooks_of_the_convolutions_see_the_strided_form():
    model = make().eval()
    seen = []
    for name, part in model.named_modules():
        if isinstance(part, torch.nn.Conv1d):
            part.register_forward_hook(lambda *_, name=name: seen.append(name))
    model(torch.randn(2, model.num_frames, 17, 2, dtype=torch.float64))
    assert seen == [name for name, part in model.named_modules() if isinstance(part, torch.nn.Conv1d)]


def test_causal_window_reaches_over_its_past():
    model = make(causal=True)
    assert (model.receptive_field, model.num_frames) == (15, 29)
    clip = torch.randn(1, 29, 17, 2, dtype=torch.float64)
    future = clip.clone()
    future[:, 15:] += 1
    torch.testing.assert_close(model(future), model(clip), atol=0, rtol=0)
    torch.testing.assert_close(model(clip), model.forward_sequence(clip[:, :15], pad=False)[:, 0])


@pytest.mark.parametrize(
    ("file", "widths", "dense"),
    [
        ("temporal_243", (3, 3, 3, 3, 3), False),
        ("single_frame", (1, 1, 1, 1, 1), False),
        ("mixed_widths", (3, 5, 3), False),
        ("dense_27", (3, 3, 3), True),
    ],
)
def test_sizes_are_inferred(file, widths, dense, golden):
    reference = golden(f"video_pose_{file}")
    options = load_official("video_pose", {"model_pos": reference.state_dict(), "epoch": 80}).config["options"]
    assert (options["filter_widths"], options["dense_filters"], options["hidden_channels"]) == (
        widths,
        dense,
        reference.meta["constructor"]["channels"],
    )


def test_kernels_of_a_dense_model_can_be_told_to_be_dilated(golden):
    state = golden("video_pose_dense_27").state_dict()
    model = load_official("video_pose", state, dense_filters=False, filter_widths=(3, 7, 19))
    assert model.receptive_field == 3 * 7 * 19


def test_faults_are_named(golden):
    for widths in ((), (3, 2), (3, -1)):
        with pytest.raises(
            SkelgraphError, match=r"filter_widths is .*(positive odd numbers|from 1 to 100 of them|an integer from 1)"
        ):
            VideoPose(filter_widths=widths)
    with pytest.raises(SkelgraphError, match="receptive field of 15"):
        make().forward_sequence(torch.randn(1, 14, 17, 2, dtype=torch.float64), pad=False)
    with pytest.raises(CheckpointError, match="not an official video_pose checkpoint"):
        load_official("video_pose", golden("sem_gcn_model").state_dict())
