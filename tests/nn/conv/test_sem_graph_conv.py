"""Semantic graph convolutions against the authors' code."""

from __future__ import annotations

import pytest
import torch

from skelgraph.nn import SemCHGraphConv, SemGraphConv


@pytest.mark.parametrize(
    ("file", "cls"),
    [
        ("sem_gcn_conv", SemGraphConv),
        ("sem_gcn_ch_conv", SemCHGraphConv),
        ("any_gcn_conv_sem", SemGraphConv),
        ("any_gcn_conv_sem_ch", SemCHGraphConv),
    ],
)
def test_matches_official_code(file, cls, golden, assert_official):
    reference = golden(file)
    conv = cls(reference["sd/W"].size(1), reference["sd/W"].size(2), "h36m16")
    assert_official(reference, conv, lambda sd: {"weight": sd["W"], "attention.logits": sd["e"], "bias": sd["bias"]})


@pytest.mark.parametrize("cls", [SemGraphConv, SemCHGraphConv])
def test_initialisation_is_as_published(cls):
    conv = cls(64, 128, "h36m16")
    bound = 1.414 * (6 / (128 * (64 + 2))) ** 0.5
    assert 0.95 * bound < conv.weight.abs().max() <= bound
    assert (conv.attention.logits == 1).all()
    bias_bound = (64 if cls is SemCHGraphConv else 128) ** -0.5
    assert 0.8 * bias_bound < conv.bias.abs().max() <= bias_bound


def test_number_of_edges_on_16_joints():
    assert SemGraphConv(2, 3, "h36m16").attention.logits.shape == (1, 46)
    assert SemCHGraphConv(2, 3, "h36m16").attention.logits.shape == (3, 46)


def test_edges_can_be_given():
    adjacency = torch.eye(16)
    adjacency[0, 5] = 0.3
    assert SemGraphConv(2, 3, "h36m16", adjacency=adjacency).attention.logits.shape == (1, 17)
