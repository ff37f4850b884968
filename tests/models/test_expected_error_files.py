"""Weights with a head that tells the errors to expect, a frame rate and half-precision numbers, in one file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from skelgraph import create_model, load_model
from skelgraph.errors import CheckpointError, SkelgraphError
from skelgraph.models import load_expected_error, load_network, optimize
from skelgraph.models.pretrained import save_weights
from skelgraph.nn import ExpectedError, PostRefine


def model(**options: Any) -> Any:
    torch.manual_seed(0)
    made = create_model("martinez", "h36m16", input_form="rays", hidden_channels=16, num_stages=1, **options)
    for buffer in made.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 2.0)
    return made.eval()


def head(scale: float = 1.25) -> ExpectedError:
    torch.manual_seed(1)
    made = ExpectedError("h36m16", 3, 24)
    made.scale.fill_(scale)
    return made.eval()


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(value, b[key]) for key, value in a.items())


@pytest.fixture
def both(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_weights(model(), path, expected_error=head(), frame_rate=25)
    return path


def test_both_come_back(both: Path) -> None:
    found = load_network(both)
    assert same(found, model())
    assert (found.frame_rate, found.input_form) == (25.0, "rays")
    told = load_expected_error(both)
    assert told is not None
    assert same(told, head())
    assert (told.training, told.in_channels, told.hidden_channels, float(told.scale)) == (False, 3, 24, 1.25)
    assert told.skeleton == found.skeleton
    assert all(p.device.type == "cpu" for p in told.parameters())
    assert same(load_model(both.parent), model()), "also from the folder"
    assert load_expected_error(both.parent) is not None
    assert optimize(found, compile=False).frame_rate == 25.0


def test_the_frame_rate_stays_with_the_network(both: Path, tmp_path: Path) -> None:
    load_network(both).save_pretrained(tmp_path / "again")
    assert load_network(tmp_path / "again").frame_rate == 25.0
    assert load_expected_error(tmp_path / "again") is None
    assert model().frame_rate is None
    save_weights(model(), tmp_path / "plain")
    assert load_network(tmp_path / "plain").frame_rate is None
    for rate in (0, -25.0, "25", True, float("nan")):
        with pytest.raises(SkelgraphError, match="frame_rate is"):
            save_weights(model(), tmp_path / "bad", frame_rate=rate)
    assert not (tmp_path / "bad").exists()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_read_as_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    save_weights(model(), tmp_path / "full", expected_error=head())
    save_weights(model(), tmp_path / "half", expected_error=head(), dtype=dtype)
    assert (tmp_path / "half").stat().st_size < 0.6 * (tmp_path / "full").stat().st_size
    stored = load_file(tmp_path / "half")
    assert {value.dtype for value in stored.values()} == {dtype, torch.int64}, "counters stay whole numbers"
    for found, given in ((load_network(tmp_path / "half"), model()), (load_expected_error(tmp_path / "half"), head())):
        assert found is not None
        for name, value in found.state_dict().items():
            expected = given.state_dict()[name]
            assert value.dtype == expected.dtype
            assert torch.equal(value, expected.to(dtype).to(expected.dtype) if value.is_floating_point() else expected)
    large = model()
    next(large.parameters()).data.fill_(1e5)
    if dtype == torch.float16:
        with pytest.raises(SkelgraphError, match=r"has numbers up to 100000, too large for torch\.float16"):
            save_weights(large, tmp_path / "large", dtype=dtype)
        assert not (tmp_path / "large").exists()
    with pytest.raises(SkelgraphError, match=r"dtype is .*int8; expected torch\.float16"):
        save_weights(model(), tmp_path / "large", dtype=torch.int8)


def test_heads_of_other_networks_are_refused(tmp_path: Path) -> None:
    for wrong in (ExpectedError("h36m17", 3, 8), ExpectedError("h36m16", 2, 8)):
        with pytest.raises(SkelgraphError, match=r"expected_error is for .*; expected 16 of 3 \('h36m16'\)"):
            save_weights(model(), tmp_path / "bad", expected_error=wrong)
    with pytest.raises(SkelgraphError, match="PostRefine has no expected errors"):
        save_weights(PostRefine("h36m16", 8), tmp_path / "bad", expected_error=head())
    assert not (tmp_path / "bad").exists()


def set_option(**options: Any) -> Callable[[Any, Any], Any]:
    return lambda about, state: about["expected_error"].update(options)


DAMAGES: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "lacks-a-tensor": (lambda about, state: state.pop("expected_error.last.bias"), r"missing tensors: last\.bias"),
    "too-wide": (set_option(hidden_channels=48), "misshapen tensors"),
    "huge": (set_option(hidden_channels=65536), "misshapen tensors"),
    "of-no-width": (set_option(hidden_channels="x"), "hidden_channels is 'x'"),
    "unknown-option": (set_option(depth=3), "unusable configuration"),
    "no-options": (lambda about, state: about.update(expected_error=7), "options is 7"),
    "infinite": (lambda about, state: state["expected_error.first.bias"].fill_(torch.inf), "NaN or infinite"),
    "negative": (lambda about, state: state["expected_error.scale"].fill_(-1), "scale of the expected errors is -1"),
}


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_damaged_heads_are_refused_and_the_network_is_whole(both: Path, tmp_path: Path, damage: str) -> None:
    change, message = DAMAGES[damage]
    path = rewritten(both, tmp_path / "damaged.safetensors", change)
    with pytest.raises(CheckpointError, match=rf"damaged\.safetensors.*{message}"):
        load_expected_error(path)
    assert same(load_network(path), model())


def test_what_the_configuration_does_not_tell_of_is_refused(both: Path, tmp_path: Path) -> None:
    path = rewritten(both, tmp_path / "untold", lambda about, state: about.pop("expected_error"))
    assert load_expected_error(path) is None
    with pytest.raises(CheckpointError, match="unexpected tensors: expected_error"):
        load_network(path)
    for rate in (0, "fast", 1e9):
        path = rewritten(both, tmp_path / "rate", lambda about, state, rate=rate: about.update(frame_rate=rate))
        with pytest.raises(CheckpointError, match="unusable configuration: frame_rate is"):
            load_network(path)


def rewritten(path: Path, other: Path, change: Callable[[Any, Any], Any]) -> Path:
    """A copy of a file in which something is changed."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        about, state = json.loads(file.metadata()["skelgraph"]), load_file(path)
    change(about, state)
    save_file(state, other, metadata={"skelgraph": json.dumps(about)})
    return other


def test_weights_of_others_tell_none(tmp_path: Path, golden: Any) -> None:
    torch.save(golden("rs_net_model").state_dict(), tmp_path / "official.pth")
    assert load_expected_error(tmp_path / "official.pth") is None
    with pytest.raises(CheckpointError, match="nothing"):
        load_expected_error(tmp_path / "nothing")
