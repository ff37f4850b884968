"""Semantic graph convolutions against the authors' code."""

from __future__ import annotations

import pytest
import torch

from skelgraph.nn import SemCHGraphConv, SemGraphConv


@pytest.mark.parametrize(("file", "cls"), [("sem_gcn_conv", SemGraphConv), ("sem_gcn_ch_conv", SemCHGraphConv)])
def test_matches_official_code(file, cls, golden):
    reference = golden(file)
    official = {key: value.double().requires_grad_() for key, value in reference.state_dict().items()}
    conv = cls(official["W"].size(1), official["W"].size(2), "h36m16").double()
    ours = {"weight": official["W"], "attention.logits": official["e"], "bias": official["bias"]}
    x = reference["in/x"].requires_grad_()
    y = torch.func.functional_call(conv, ours, (x,))
    (y * reference["in/g"]).sum().backward()
    reference.assert_close(y, "out/y")
    reference.assert_close(x.grad, "grad/x")
    for key, value in official.items():
        reference.assert_close(value.grad.norm(), f"out/gnorm/{key}")


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
