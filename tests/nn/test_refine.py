"""The refinement head against the authors' code, and what it is given."""

from __future__ import annotations

import pytest
import torch

from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.geometry import back_project_relative
from skelgraph.models import list_models, load_official
from skelgraph.models.official import OFFICIAL_PARTS
from skelgraph.nn import PostRefine
from skelgraph.topology import Skeleton, as_skeleton

FILES = [
    ("modulated_gcn_post_refine", "h36m17"),
    ("rs_net_post_refine", "h36m16"),
    ("mlp_graph_refine", "h36m16"),
]


def signed_symmetry(pose, layout):
    """The released symmetry term: the mean of |left bone| - |right bone|, without absolute value, summed over pairs."""

    def bone(joint):
        return (pose[..., joint, :] - pose[..., layout.parents[joint], :]).norm(dim=-1)

    return sum((bone(left) - bone(right)).mean() for left, right in layout.symmetric_pairs)


@pytest.mark.parametrize(("file", "layout"), FILES)
def test_matches_official_code(file, layout, golden):
    reference = golden(file)
    official = {k: v.double().requires_grad_() for k, v in reference.state_dict().items()}
    head = load_official("post_refine", reference.state_dict(), layout).double()
    pred, back_projected = (reference[key].requires_grad_() for key in ("in/x", "in/x_1"))
    state = OFFICIAL_PARTS["post_refine"].official.translate(official)
    y = torch.func.functional_call(head, state, (pred, back_projected))
    (y * reference["in/g"]).sum().backward()
    reference.assert_close(y, "out/y")
    reference.assert_close(pred.grad, "grad/x")
    reference.assert_close(back_projected.grad, "grad/x_1")
    for key in reference.keys("out/gnorm/"):
        reference.assert_close(official[key.removeprefix("out/gnorm/")].grad.norm(), key)


@pytest.mark.parametrize(("file", "layout"), FILES[:2])
def test_training_matches_official_code(file, layout, golden):
    reference = golden(file)
    official = {k: v.double().requires_grad_() for k, v in reference.state_dict().items()}
    head = load_official("post_refine", reference.state_dict(), layout, dropout=0.0).double().train()
    state = OFFICIAL_PARTS["post_refine"].official.translate(official)
    y = torch.func.functional_call(head, state, (reference["in/x"], reference["in/x_1"]))
    reference.assert_close(y, "out/train_y")
    error = (y - reference["in/target"]).norm(dim=-1).mean()
    loss = error + 0.01 * signed_symmetry(y, as_skeleton(layout))
    loss.backward()
    reference.assert_close(loss, "out/train_loss")
    for key in reference.keys("out/train_gnorm/"):
        reference.assert_close(official[key.removeprefix("out/train_gnorm/")].grad.norm(), key)


def test_published_weights_reproduce_the_official_output(golden, shared_dir):
    reference = golden("modulated_gcn_post_refine_real")
    head = load_official("post_refine", shared_dir("real") / "ckpt_modulated_gcn_benchmark_post_refine.pth").double()
    assert sum(p.numel() for p in head.parameters()) == 140_322
    pred, back_projected = (reference[key].requires_grad_() for key in ("in/x", "in/x_1"))
    y = head(pred, back_projected)
    (y * reference["in/g"]).sum().backward()
    reference.assert_close(y, "out/y")
    reference.assert_close(pred.grad, "grad/x")
    reference.assert_close(back_projected.grad, "grad/x_1")
    names = {"post_refine.0": head.hidden, "post_refine.3": head.gate}
    for key in reference.keys("out/gnorm/"):
        module, _, kind = key.removeprefix("out/gnorm/").rpartition(".")
        reference.assert_close(getattr(names[module], kind).grad.norm(), key)


def test_with_back_projection_matches_official_code(golden):
    reference = golden("graph_mlp_refine")
    head = load_official("post_refine", reference.state_dict()).double()
    pred = reference["in/output_3D"].requires_grad_()
    root_depth, camera = reference["in/gt_3D"][:, :, 0, 2], reference["in/cam"].unsqueeze(1)
    back_projected = back_project_relative(reference["in/input_2D"], pred[..., 2], root_depth, camera)
    reference.assert_close(back_projected, "out/uvd2xyz")
    y = head(pred, back_projected)
    (y * reference["in/g"]).sum().backward()
    reference.assert_close(y, "out/y")
    reference.assert_close(pred.grad, "grad/x")


def test_size_and_any_skeleton():
    assert sum(p.numel() for p in PostRefine("h36m16").parameters()) == 132_128
    head = PostRefine(Skeleton([-1, 0, 1]), hidden_channels=4).eval()
    pred, other = torch.randn(2, 5, 3, 3), torch.randn(2, 5, 3, 3)
    y = head(pred, other)
    torch.testing.assert_close(y[..., 2], pred[..., 2], atol=0, rtol=0)
    low, high = torch.minimum(pred, other), torch.maximum(pred, other)
    assert ((y >= low - 1e-6) & (y <= high + 1e-6))[..., :2].all(), "x and y lie between the two poses"
    torch.testing.assert_close(head(pred[0, 0], other[0, 0]), y[0, 0])
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(head(pred, other), y, atol=0.1, rtol=0.1)


def test_faults_are_named(golden):
    with pytest.raises(SkelgraphError, match=r"needs two poses of shape \(\.\.\., 17, 3\)"):
        PostRefine("h36m17")(torch.randn(2, 17, 3), torch.randn(2, 17, 2))
    state = golden("modulated_gcn_post_refine").state_dict()
    with pytest.raises(CheckpointError, match="expected \\(40, 96\\)"):
        load_official("post_refine", state, "h36m16")
    with pytest.raises(CheckpointError, match="not an official post_refine checkpoint"):
        load_official("post_refine", golden("sem_gcn_model").state_dict())


def test_is_no_model():
    assert not set(OFFICIAL_PARTS) & set(list_models())
