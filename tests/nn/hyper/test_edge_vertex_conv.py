"""Joints and bones that update each other."""

from __future__ import annotations

import pytest
import torch

from skelgraph.errors import SkelgraphError
from skelgraph.nn import EdgeVertexConv
from skelgraph.topology import Skeleton, bone_incidence

TREE = Skeleton([-1, 0, 1, 1, 0, 4, -1])
DENSE = pytest.mark.parametrize("dense", [True, False])


@DENSE
def test_censnet_matches_the_reference(reference, assert_reference, dense):
    conv = EdgeVertexConv(8, 12, "h36m17", bias=False, dense=dense).double()
    names = {"lin_node.weight": "W_v", "lin_bone.weight": "W_e", "score_bone": "p_e", "score_node": "p_v"}
    conv.load_state_dict({ours: reference[f"ref.censnet.{theirs}"].t() for ours, theirs in names.items()})
    x, z = conv(reference["in.x"], reference["in.edge_attr"])
    assert_reference(x, "ref.censnet.out_v")
    assert_reference(z, "ref.censnet.out_e")


@DENSE
def test_directed_matches_the_reference(reference, assert_reference, dense):
    conv = EdgeVertexConv(8, 12, "h36m17", kind="directed", bias=False, dense=dense).double()
    conv.load_state_dict({f"lin_{part}.weight": reference[f"ref.directed.H_{k}"].t() for part, k in
                          (("node", "v"), ("bone", "e"))})  # fmt: skip
    x, z = conv(reference["in.x"], reference["in.edge_attr"])
    assert_reference(x, "ref.directed.out_v")
    assert_reference(z, "ref.directed.out_e")


def symmetric(adjacency):
    root = torch.diag(adjacency.sum(dim=1) ** -0.5)
    return root @ adjacency @ root


@DENSE
@pytest.mark.parametrize("bounded", [False, True])
def test_censnet_is_the_published_product_of_matrices(dense, bounded):
    conv = EdgeVertexConv(3, 4, TREE, bone_channels=2, bone_out_channels=5, bounded=bounded, dense=dense).double()
    for linear in (conv.lin_node, conv.lin_bone):
        torch.nn.init.normal_(linear.bias)
    x, z = torch.randn(7, 3, dtype=torch.float64), torch.randn(5, 2, dtype=torch.float64)
    T = bone_incidence(TREE).double().abs()
    nodes, edges = (TREE.adjacency() > 0).double(), ((T.t() @ T) > 0).double()

    def coupling(T, score, adjacency):
        inner = T @ torch.diag(score.sigmoid() if bounded else score) @ T.t()
        inner.fill_diagonal_(1)
        return inner * symmetric((adjacency + torch.eye(len(adjacency), dtype=torch.float64)).clamp(max=1))

    by_bones, by_joints = coupling(T, z @ conv.score_bone, nodes), coupling(T.t(), x @ conv.score_node, edges)
    new_x, new_z = conv(x, z)
    torch.testing.assert_close(new_x, conv.lin_node(by_bones @ x))
    torch.testing.assert_close(new_z, conv.lin_bone(by_joints @ z))


@DENSE
def test_directed_takes_means_of_bones_by_loops(dense):
    conv = EdgeVertexConv(3, 4, TREE, bone_channels=2, kind="directed", dense=dense).double()
    x, z = torch.randn(7, 3, dtype=torch.float64), torch.randn(5, 2, dtype=torch.float64)
    zero = torch.zeros(2, dtype=torch.float64)
    rows = []
    for i in range(7):
        ending = [z[k] for k, (_, child) in enumerate(TREE.edges) if child == i]
        starting = [z[k] for k, (parent, _) in enumerate(TREE.edges) if parent == i]
        means = [torch.stack(bones).mean(dim=0) if bones else zero for bones in (ending, starting)]
        rows.append(torch.cat([x[i], *means]))
    new_x, new_z = conv(x, z)
    torch.testing.assert_close(new_x, conv.lin_node(torch.stack(rows)))
    ends = [torch.cat([z[k], x[parent], x[child]]) for k, (parent, child) in enumerate(TREE.edges)]
    torch.testing.assert_close(new_z, conv.lin_bone(torch.stack(ends)))


def test_difference_leaves_the_joints_and_adds_to_the_bones():
    conv = EdgeVertexConv(3, 3, TREE, bone_channels=2, kind="difference")
    x, z = torch.randn(4, 7, 3), torch.randn(4, 5, 2)
    new_x, new_z = conv(x, z)
    assert torch.equal(new_x, x)
    vectors = bone_incidence(TREE).t() @ x
    torch.testing.assert_close(new_z, z + torch.nn.functional.gelu(conv.lin_bone(vectors)))
    flat_x, flat_z = conv(x.flatten(0, 1), z.flatten(0, 1))
    torch.testing.assert_close(flat_z, new_z.flatten(0, 1))
    assert torch.equal(flat_x, x.flatten(0, 1))
    values = (torch.randn(7, 3, dtype=torch.float64, requires_grad=True),
              torch.randn(5, 2, dtype=torch.float64, requires_grad=True))  # fmt: skip
    assert torch.autograd.gradcheck(conv.double(), values)


def test_number_of_parameters():
    def count(kind):
        return sum(p.numel() for p in EdgeVertexConv(12, 12, "h36m17", kind=kind).parameters())

    assert count("censnet") == 2 * 12**2 + 4 * 12
    assert count("directed") == 6 * 12**2 + 2 * 12
    assert count("difference") == 12**2 + 12


def test_errors():
    with pytest.raises(SkelgraphError, match="kind is 'line'"):
        EdgeVertexConv(3, 4, TREE, kind="line")
    with pytest.raises(SkelgraphError, match="expected those of the input, 3 and 3"):
        EdgeVertexConv(3, 4, TREE, kind="difference")
    conv = EdgeVertexConv(3, 4, TREE)
    with pytest.raises(ValueError, match="needs bones with 3 channels"):
        conv(torch.randn(2, 7, 3), torch.randn(2, 5, 4))
    with pytest.raises(ValueError, match="needs features of 5 hyperedges"):
        conv(torch.randn(2, 7, 3), torch.randn(2, 6, 3))
