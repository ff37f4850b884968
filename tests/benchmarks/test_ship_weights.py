"""What is put into the package, and its model card."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from skelgraph import SkelgraphError
from skelgraph.__main__ import main
from skelgraph.models import load_expected_error, load_model, load_network, shipped, shipped_weights
from skelgraph.training import TrainConfig

TRAIN = (
    "train --dataset synthetic --downsample 400 --test-downsample 400 --actions Walking --max-epochs 1 "
    "--skeleton h36m16 --input-form rays --virtual-views --tilt 20 --expected-error --no-flip-test --device cpu "
    "--no-progress --model martinez --option hidden_channels=16"
)


@pytest.fixture(scope="module", name="run")
def _run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "tiny"
    assert main([*TRAIN.split(), "--out", str(out)]) == 0
    return out


def test_the_page_is_that_of_the_table(load: Any) -> None:
    card = load("open_card")
    measured = json.loads(card.MEASURED.read_text()) if card.MEASURED.exists() else None
    assert card.CARD.read_text() == card.card(shipped_weights(), measured), "python benchmarks/ship_weights.py makes it"


def test_errors_stand_on_the_card_where_they_were_measured(load: Any) -> None:
    card = load("open_card")
    judging = load("open_judging")
    motion = {name: dict.fromkeys(judging.MEASURES, 10.0) for name in judging.SETS}
    motion["test"] |= {"mpjpe_mm": 33.14, "p_mpjpe_mm": 22.06, "mpjpe_frames_mm": 41.0}
    motion["S02"] |= {"mpjpe_frames_mm": 44.4, "p_mpjpe_frames_mm": 30.3}
    views = {f"cam0{number}": {"mpjpe_mm": 90.0 + number, "p_mpjpe_mm": 60.0} for number in range(1, 5)}
    clip = {"mpjpe_mm": 92.5, "p_mpjpe_mm": 60.0, "views": views}
    entry = {"motion": motion, "clip": clip, "seeds": [{}, {}, {}]}
    measured = {"command": "python benchmarks/open_weights.py", "weights": {"of_other_seeds": entry, "open": entry}}
    page = card.card(shipped_weights(), measured)
    row = next(line for line in page.splitlines() if line.startswith("| `open` | 3 |"))
    assert row == (
        "| `open` | 3 | 33.1 / 22.1 | 44.4 / 30.3 | 10.0 / 10.0 | 91.0 / 60.0 | 92.0 / 60.0 | 93.0 / 60.0 | "
        "94.0 / 60.0 | 92.5 / 60.0 |"
    )
    assert "of_other_seeds" not in page
    for nothing in (None, {"command": "", "weights": {"of_other_seeds": entry}}):
        assert "## Errors" not in card.card(shipped_weights(), nothing)


def test_a_run_is_put_into_the_package(load: Any, run: Path, tmp_path: Path) -> None:
    """Into another folder here: file, checksum and settings; other weights stay, those of the name are replaced."""
    ship = load("ship_weights")
    folder = tmp_path / "weights"
    shutil.copytree(shipped.FOLDER, folder)
    told = json.loads((run / "config.json").read_text())
    told |= {"command": f"/home/me/.venv/bin/skelgraph train --data-3d /data/my.npz --tilt 20 --out {run}"}
    told["git"] = {"commit": "0" * 40, "dirty": True}
    (run / "config.json").write_text(json.dumps(told))
    for name in ("open", "other"):
        entry = ship.ship(run, run / "checkpoints" / "last.ckpt", name, None, folder)
        assert shipped.read_shipped(folder / "weights.json")[name] == entry
    assert (entry.model, entry.skeleton, entry.frames, entry.file) == ("martinez", "h36m16", 1, "open_f1.safetensors")
    assert entry.command == "skelgraph train --data-3d my.npz --tilt 20 --out tiny"
    assert entry.commit == "0" * 40 + " (changed)"
    about = {"skeleton": "h36m16", "downsample": 400, "test_downsample": 400, "actions": ["Walking"], "max_epochs": 1}
    assert entry.settings == about | {"virtual_views": True, "tilt": 20.0, "expected_error": True}
    content = (folder / entry.file).read_bytes()
    assert hashlib.sha256(content).hexdigest() == entry.sha256
    trained, packed = load_network(run / "checkpoints" / "last.ckpt"), load_model(folder / entry.file)
    for name, value in trained.state_dict().items():
        torch.testing.assert_close(
            packed.state_dict()[name], value.half().float() if value.is_floating_point() else value
        )
    assert load_expected_error(folder / entry.file) is not None
    config = TrainConfig("").replace(extra_motion="/data/of_mine", generated_share=0.3)
    assert ship.settings_of(config) == {"extra_motion": "of_mine", "generated_share": 0.3}
    assert {path.name for path in folder.iterdir()} == {"weights.json", "open_f1.safetensors"}


def test_a_file_that_is_too_large(load: Any, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ship = load("ship_weights")
    (tmp_path / "weights.json").write_text("{}")
    monkeypatch.setitem(ship.LARGEST, 1, 1000)
    with pytest.raises(SkelgraphError, match="expected at most 1,000"):
        ship.ship(run, run / "checkpoints" / "last.ckpt", "open", None, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["weights.json"]
