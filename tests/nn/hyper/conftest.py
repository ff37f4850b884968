"""What the tests of hyperedge layers share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from skelgraph.topology import JointHypergraph


@pytest.fixture(scope="session")
def reference(golden) -> Any:
    """The reference numbers of PyG, DHG and the equations."""
    return golden("hypergraph")


@pytest.fixture(scope="session")
def assert_reference(reference) -> Callable[[Tensor, str], None]:
    """``assert_reference(actual, "pyg.conv.out")``: to 1e-9, and to 1e-4 what DHG computes, in single precision."""

    def check(actual: Tensor, key: str) -> None:
        kind = "float32" if key.startswith("dhg.") else "float64"
        tolerance = reference.meta["tolerance"][kind]
        torch.testing.assert_close(actual.detach().double(), reference[key], atol=tolerance, rtol=0, msg=key)

    return check


@pytest.fixture(scope="session")
def topologies(reference) -> dict[str, JointHypergraph]:
    """The hypergraph of the reference numbers without and with weights, by the ending of their names."""
    incidence = reference["graph.incidence"]
    return {
        "out": JointHypergraph.from_incidence(incidence),
        "out_weighted": JointHypergraph.from_incidence(incidence, hyperedge_weight=reference["graph.hyperedge_weight"]),
    }
