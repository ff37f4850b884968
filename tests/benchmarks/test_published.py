"""The plain formulations compute the same as the models that they are timed against."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
import torch

from skelgraph.models import create_model, list_models, model_info
from skelgraph.nn import DropPath

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from test_all_models import SMALL

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize("train", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("name", list_models())
def test_same_function(name, train, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    published = importlib.import_module("published")
    torch.manual_seed(0)
    model = create_model(name, model_info(name).published_skeleton, **SMALL[name])
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout | DropPath):
            module.p = 0.0
    model = model.double().train(train)
    plain = published.from_ours(model).double().train(train)
    frames = (model.num_frames,) if model.num_frames > 1 else ()
    x = torch.randn(4, *frames, model.skeleton.num_joints, 2, dtype=torch.float64)
    torch.testing.assert_close(plain(x), model(x), atol=1e-8, rtol=1e-6)
