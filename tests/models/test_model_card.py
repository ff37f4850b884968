"""Model cards, and models on a Hub that is a folder."""

from __future__ import annotations

import copy
import importlib
import json
import re
import sys
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard
from torch import nn

from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.models import FrameLifter, PoseLifter, SemGCN, create_model, register_model, registry
from skelgraph.topology import Skeleton

HAND = Skeleton([-1, 0, 1], joint_names=["wrist", "a|b", "<b>`c"], symmetric_pairs=(), name="hand3")
STATED = {
    "license": "cc-by-4.0",
    "errors_mm": {"MPJPE, Human3.6M S9 and S11": 47.1, "P-MPJPE": 37},
    "trained_on": "Human3.6M S1, S5 to S8",
}


@pytest.fixture(name="model")
def _model():
    torch.manual_seed(0)
    return create_model("sem_gcn", HAND, hidden_channels=8).eval()


def cells(text: str) -> dict[str, str]:
    """The rows of the tables of a card."""
    return dict(re.findall(r"^\| (.+?) \| (.+) \|$", text, re.MULTILINE))


def test_a_card_says_what_the_model_is(model, tmp_path):
    model.save_pretrained(tmp_path, model_card_kwargs=STATED)
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.to_dict() == {
        "library_name": "skelgraph",
        "license": "cc-by-4.0",
        "tags": ["2d-to-3d-lifting", "graph-neural-network"],
    }
    rows = cells(card.text)
    assert rows["parameters"] == f"{sum(p.numel() for p in model.parameters()):,}"
    assert rows["skeleton"] == "hand3, 3 joints"
    assert rows["frames of a window"] == "1"
    assert rows["input form"] == "screen"
    assert rows["trained on"] == STATED["trained_on"]
    assert rows["MPJPE, Human3.6M S9 and S11"] == "47.1"
    assert rows["P-MPJPE"] == "37"
    assert "Semantic" in rows["network"]
    assert "\n## Licence\n\ncc-by-4.0\n" in card.text
    assert "wrist, a\\|b, &lt;b>'c" in card.text, "names are no tables, tags or code"
    (config,) = re.findall(r"```json\n(.*?)\n```", card.text, re.DOTALL)
    assert json.loads(config) == json.loads(json.dumps(model.config))


@pytest.mark.parametrize(
    ("name", "options", "shape", "words"),
    [
        ("martinez", {"hidden_channels": 8}, "17, 2", "normalize_screen"),
        ("video_pose", {"hidden_channels": 8, "input_form": "rays"}, "243, 17, 3", "window_rays"),
    ],
)
def test_the_code_of_a_card_runs(name, options, shape, words, tmp_path, monkeypatch):
    model = create_model(name, "h36m17", **options).eval()
    model.config["frame_rate"] = 25.0
    model.save_pretrained(tmp_path / "path" / "of" / "this" / "folder")
    text = (tmp_path / "path" / "of" / "this" / "folder" / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    namespace: dict = {}
    exec(code, namespace)
    assert namespace["poses"].shape == (1, 17, 3)
    torch.testing.assert_close(namespace["poses"], model(torch.zeros(1, *map(int, shape.split(", ")))))
    assert f"Input `(B, {shape})`" in text
    assert words in text
    assert "25 of them in a second" in cells(text)["frames of a window"]


def test_nothing_is_guessed(model, tmp_path):
    model.save_pretrained(tmp_path)
    card = ModelCard.load(tmp_path / "README.md")
    assert "license" not in card.data.to_dict()
    assert card.text.count("Who saved the model has stated none.") == 2, "no licence, no errors"
    assert cells(card.text)["trained on"] == "not stated"
    assert " mm " not in card.text


def test_a_card_of_ones_own_stays(model, tmp_path):
    card = tmp_path / "README.md"
    model.save_pretrained(tmp_path, model_card_kwargs=STATED)
    wide = create_model("sem_gcn", HAND, hidden_channels=16)
    with pytest.raises(SkelgraphError, match=r"holds a model already: replace it \(overwrite=True\)"):
        wide.save_pretrained(tmp_path)
    assert cells(card.read_text())["P-MPJPE"] == "37", "as it was"
    torch.testing.assert_close(PoseLifter.from_pretrained(tmp_path).state_dict(), model.state_dict())
    wide.save_pretrained(tmp_path, overwrite=True)
    assert cells(card.read_text())["parameters"] == f"{sum(p.numel() for p in wide.parameters()):,}", "written anew"
    assert "47.1" not in card.read_text(), "measured of other weights"
    card.write_text("# Mine\n")
    model.save_pretrained(tmp_path, model_card_kwargs=STATED, overwrite=True)
    assert card.read_text() == "# Mine\n"


@pytest.mark.parametrize(
    ("stated", "fault"),
    [
        ({"license": 3}, "license is 3"),
        ({"errors_mm": 47.1}, "errors_mm is 47.1; expected numbers by what was measured"),
        ({"errors_mm": {"MPJPE": "47 mm"}}, r"errors_mm\['MPJPE'\]"),
        ({"errors_mm": {"MPJPE": float("nan")}}, r"errors_mm\['MPJPE'\]"),
        ({"trained_on": ["h36m"]}, "trained_on"),
        ({"licence": "mit"}, "unknown entry of model_card_kwargs: 'licence'; did you mean license"),
    ],
)
def test_faults_are_said_before_anything_is_written(model, tmp_path, stated, fault):
    with pytest.raises(SkelgraphError, match=fault):
        model.save_pretrained(tmp_path / "new", model_card_kwargs=stated)
    assert not (tmp_path / "new").exists()


def test_the_card_of_a_network_of_ones_own_says_how_to_find_it(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_MODELS", copy.copy(registry._MODELS))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "hand_models.py").write_text(
        "import torch\nfrom skelgraph.models import FrameLifter, register_model\n"
        "@register_model('hand_net', published_skeleton='hand21')\n"
        "class HandNet(FrameLifter):\n"
        "    def __init__(self, skeleton='h36m16'):\n"
        "        super().__init__(skeleton)\n"
        "        self.head = torch.nn.Linear(2, 3)\n"
        "    def lift_frame(self, x):\n"
        "        return self.head(x)\n"
    )
    importlib.import_module("hand_models")
    model = create_model("hand_net").eval()
    assert model.skeleton.name == "hand21", "the one it is registered with"
    model.save_pretrained("path/of/this/folder")
    text = Path("path/of/this/folder/README.md").read_text()
    assert "`hand_net` is `hand_models.HandNet`, which does not come with skelgraph" in text
    assert cells(text)["network"] == "hand_net", "there is no paper"
    registry._MODELS.pop("hand_net")
    del sys.modules["hand_models"]
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    namespace: dict = {}
    exec(code, namespace)
    assert namespace["poses"].shape == (1, 21, 3)
    assert create_model("sem_gcn", hidden_channels=4).skeleton.name == "h36m17", "as ever"


def test_the_card_of_a_network_of_a_notebook_asks_for_its_definition(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_MODELS", copy.copy(registry._MODELS))
    register_model("of_a_cell")(type("OfACell", (Own,), {"__module__": "__main__"}))
    create_model("of_a_cell").save_pretrained(tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert "`of_a_cell` is `__main__.OfACell`, defined in a notebook or a script and not in skelgraph" in text
    assert "needs the module" not in text
    assert "import __main__" not in text


class Own(FrameLifter):
    """A network without a name."""

    def __init__(self, skeleton="h36m17"):
        super().__init__(skeleton)
        self.head = nn.Linear(2, 3)

    def lift_frame(self, x):
        return self.head(x)


def test_a_model_without_a_name_has_no_card():
    with pytest.raises(SkelgraphError, match="Own is not a registered model"):
        Own().generate_model_card()


def test_what_is_pushed_comes_back(model, hub):
    address = model.push_to_hub("someone/hands", model_card_kwargs=STATED, commit_message="first")
    assert address.endswith("?first")
    again = PoseLifter.from_pretrained("someone/hands", cache_dir=hub)
    assert type(again) is SemGCN
    assert again.config == model.config
    x = torch.randn(2, 3, 2)
    torch.testing.assert_close(again(x), model(x), atol=0, rtol=0)
    (card,) = hub.rglob("README.md")
    assert 'PoseLifter.from_pretrained("someone/hands", local_files_only=False)' in card.read_text()
    assert cells(card.read_text())["P-MPJPE"] == "37"
    assert {path.name for path in Path(card).parent.iterdir()} == {"README.md", "model.safetensors"}
    with pytest.raises(CheckpointError, match="neither a folder nor a repository"):
        PoseLifter.from_pretrained("someone/feet", cache_dir=hub)


def test_a_branch_is_another_revision(model, hub):
    model.push_to_hub("someone/hands", branch="narrow")
    assert SemGCN.from_pretrained("someone/hands", cache_dir=hub, revision="narrow").config == model.config
    with pytest.raises(CheckpointError, match="neither a folder nor a repository"):
        SemGCN.from_pretrained("someone/hands", cache_dir=hub)
