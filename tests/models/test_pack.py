"""`skelgraph pack`: one file of a network, to be handed on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from skelgraph import create_model, load_model
from skelgraph.__main__ import main
from skelgraph.models import load_expected_error
from skelgraph.models.pretrained import save_weights
from skelgraph.nn import ExpectedError


def packed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["pack", *arguments])
    out, err = capsys.readouterr()
    return code, out + err


def test_half_of_the_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    model = create_model("video_pose", "h36m16", hidden_channels=32, filter_widths=(3, 3), input_form="rays").eval()
    head = ExpectedError("h36m16", 3, 8).eval()
    save_weights(model, tmp_path / "run.safetensors", expected_error=head)
    source, whole, half = (str(tmp_path / f"{name}.safetensors") for name in ("run", "whole", "half"))
    assert packed(capsys, "--weights", source, "--out", whole)[0] == 0
    code, told = packed(capsys, "--weights", source, "--out", half, "--half", "--frame-rate", "25")
    assert code == 0
    assert f"video_pose of {model.num_frames} frames, h36m16, " in told
    exact, rounded = load_model(whole), load_model(half)
    assert rounded.config == exact.config | {"frame_rate": 25.0}
    assert Path(half).stat().st_size < 0.6 * Path(whole).stat().st_size
    for name, value in model.state_dict().items():
        assert torch.equal(exact.state_dict()[name], value)
        assert rounded.state_dict()[name].dtype == value.dtype
        torch.testing.assert_close(rounded.state_dict()[name], value, rtol=1e-3, atol=1e-4)
    for path in (whole, half):
        again = load_expected_error(path)
        assert again is not None
        torch.testing.assert_close(again.state_dict(), head.state_dict(), rtol=1e-3, atol=1e-4)


def test_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    create_model("martinez", hidden_channels=8).save_pretrained(tmp_path)
    out = tmp_path / "out.safetensors"
    given = ["--weights", str(tmp_path), "--out", str(out)]
    code, told = packed(capsys, *given, "--frame-rate", "25")
    assert code == 2
    assert "frame_rate is 25, but martinez sees one frame" in told
    assert packed(capsys, *given, "--model", "sem_gcn")[0] == 2
    assert not out.exists()
    assert packed(capsys, *given)[0] == 0
    code, told = packed(capsys, *given)
    assert code == 2
    assert "exists already" in told
