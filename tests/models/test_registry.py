"""Names of models and their options."""

from __future__ import annotations

import copy

import pytest

from skelgraph.errors import SkelgraphError
from skelgraph.models import PoseLifter, create_model, list_models, model_info, register_model
from skelgraph.models.registry import _MODELS
from skelgraph.registry import Registry


def test_lists_by_pattern():
    assert "sem_gcn" in list_models("*gcn*")
    assert "martinez" not in list_models("*gcn*")


def test_unknown_names_list_the_near_ones():
    with pytest.raises(SkelgraphError, match="did you mean sem_gcn"):
        create_model("semgcn")
    with pytest.raises(SkelgraphError, match="did you mean hidden_channels"):
        create_model("sem_gcn", hidden_channel=3)
    with pytest.raises(SkelgraphError, match="h36m17"):
        create_model("sem_gcn", "h36m18")
    for theirs, ours in {"SemGCN": "sem_gcn", "HOIF-Net": "hoif_net", "VideoPose3D": "video_pose"}.items():
        with pytest.raises(SkelgraphError, match=f"unknown model '{theirs}'; did you mean {ours}"):
            create_model(theirs)
    with pytest.raises(
        SkelgraphError, match=r"skeleton is \[-1, 0, 1\]; .*Skeleton\(\[-1, 0, 1\]\), if these are the pa"
    ):
        create_model("sem_gcn", [-1, 0, 1])


def test_name_cannot_be_taken_twice():
    with pytest.raises(SkelgraphError, match="registered already"):
        register_model("sem_gcn", paper="")(PoseLifter)


CELL = """
from skelgraph.models import FrameLifter, register_model

@register_model("of_a_cell", paper="{paper}")
class OfACell(FrameLifter):
    pass
"""


def test_a_cell_that_is_run_again_takes_the_place_of_the_one_before(monkeypatch):
    monkeypatch.setattr("skelgraph.models.registry._MODELS", copy.copy(_MODELS))
    notebook = {"__name__": "__main__"}
    for paper in ("first", "second"):
        exec(CELL.format(paper=paper), notebook)
        assert model_info("of_a_cell").paper == paper
        assert model_info("of_a_cell").cls is notebook["OfACell"]
    with pytest.raises(SkelgraphError, match="model 'of_a_cell' is registered already, by OfACell"):
        exec(CELL.format(paper="another"), {"__name__": "another_module"})
    with pytest.raises(SkelgraphError, match="model 'of_a_cell' is registered already, by OfACell"):
        exec(CELL.replace("class OfACell", "class Another"), notebook)


def test_what_is_made_in_functions_is_not_the_same_again():
    registry = Registry("thing")
    registry.add("it", 1, made_by=lambda: None)
    with pytest.raises(SkelgraphError, match="thing 'it' is registered already"):
        registry.add("it", 2, made_by=lambda: None)


def test_config_rebuilds_the_model():
    model = create_model("sem_gcn", "h36m16", hidden_channels=8)
    again = create_model(model.config["name"], model.config["skeleton"], **model.config["options"])
    assert {k: v.shape for k, v in again.state_dict().items()} == {k: v.shape for k, v in model.state_dict().items()}


def test_options_have_defaults():
    for name in list_models():
        assert all(default is not model_info(name).cls.__init__ for default in model_info(name).options.values())
        create_model(name)
