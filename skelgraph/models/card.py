"""The model card: what a folder of ``save_pretrained`` and a repository of ``push_to_hub`` say of their model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from skelgraph.errors import SkelgraphError
from skelgraph.models.measured import REPORTED, ROOT_RULES
from skelgraph.models.registry import model_info
from skelgraph.options import NotNegative, check_option
from skelgraph.text import plain, shown
from skelgraph.topology.limbs import LIMBS
from skelgraph.version import __version__

TEMPLATE = Path(__file__).with_name("model_card.md.j2")
MARKER = "Written by skelgraph, which writes it anew with the model; without this line it is left as it is."
"""The line of a card that may be overwritten."""

_TAKEN = {
    "screen": "2D keypoints on the normalised screen, x from -1 to 1 over the width of the picture, y in the same unit "
    "and down: `skelgraph.geometry.normalize_screen` of pixels",
    "rays": "keypoints as rays turned to the person: `skelgraph.geometry.window_rays`",
}
_AXES = {
    "screen": "the axes of the camera: x to the right, y down, z forward",
    "rays": "the axes of the rays, which `window_rays` returns the turn of",
}


def model_card(
    model: Any,
    *,
    license: str | None = None,  # noqa: A002 - the name that the Hub gives it
    license_name: str | None = None,
    license_link: str | None = None,
    errors_mm: Mapping[str, float] | None = None,
    protocol: str | None = None,
    trained_on: str | None = None,
    repo_id: str | None = None,
) -> ModelCard:
    """Return the card of a model: what it is, takes and gives is read off the model, all else is said by the caller.

    Args:
        model: A registered model.
        license: The licence of the weights, an identifier of the Hub such as ``"cc-by-4.0"``; the card says that none
            was stated unless given.
        license_name: Name of a licence that the Hub does not know, with ``license="other"``.
        license_link: Its address.
        errors_mm: Measured errors in millimetres, by what was measured: ``{"MPJPE, Human3.6M S9 and S11": 47.1}``.
            What the run of the weights measured stands beside them.
        protocol: How these were measured: with flips or without, what was done with the predicted root, the joints.
        trained_on: The data that the weights were trained on; by default what their run has told.
        repo_id: The repository of the Hub that the card is for.

    Raises:
        SkelgraphError: If the model is not a registered one, or something is no text or no number.
    """
    given = {
        "license": license,
        "license_name": license_name,
        "license_link": license_link,
        "protocol": protocol,
        "trained_on": trained_on,
    }
    for name, value in given.items():
        check_option(name, value, str | None)
    if errors_mm is not None and not isinstance(errors_mm, Mapping):
        raise SkelgraphError(f"errors_mm is {shown(errors_mm)}; expected numbers by what was measured")
    errors = {
        name: check_option(f"errors_mm[{shown(name)}]", mm, NotNegative) for name, mm in (errors_mm or {}).items()
    }
    if protocol is not None and not errors:
        raise SkelgraphError(f"protocol is {shown(protocol)}, but there are no errors_mm that were measured so")
    config = model.config
    if config["name"] is None:
        raise SkelgraphError(f"{type(model).__name__} is not a registered model; register_model(...) makes it one")
    info, layout, form = model_info(config["name"]), model.skeleton, model.input_form
    trained_on = config.get("trained_on") if trained_on is None else trained_on
    module = None if info.own is None else info.cls.__module__
    is_body = layout.parts.keys() >= LIMBS.keys()
    joints = [_cell(name) for name in layout.joint_names]
    rate = "" if model.frame_rate is None else f", {model.frame_rate:g} of them in a second"
    facts = {
        "network": ", ".join(filter(None, (_cell(info.name), _link(info.paper, info.url)))),
        "skeleton": f"{_cell(layout.name or 'one of its own')}, {len(joints)} joints",
        "parameters": f"{sum(parameter.numel() for parameter in model.parameters()):,}",
        "frames of a window": f"{model.num_frames}{rate}",
        "input form": form,
        "trained on": "not stated" if trained_on is None else _cell(trained_on),
        "version of skelgraph": __version__,
    }
    return ModelCard.from_template(
        ModelCardData(
            library_name="skelgraph",
            license=license,
            license_name=license_name,
            license_link=license_link,
            tags=["2d-to-3d-lifting", "graph-neural-network", *["human-pose-estimation"] * is_body],
        ),
        template_path=str(TEMPLATE),
        marker=MARKER,
        title=f"{_cell(info.name)} on {_cell(layout.name or 'a skeleton of its own')}",
        facts=facts,
        own=None if info.own is None else _cell(info.own),
        name=_cell(info.name),
        module=None if module == "__main__" else module,
        arguments='"path/of/this/folder"' if repo_id is None else f"{json.dumps(repo_id)}, local_files_only=False",
        shape=", ".join(map(str, model.input_shape)),
        taken=_TAKEN[form],
        axes=_AXES[form],
        joints=joints,
        root=joints[layout.root],
        errors={_cell(measure): f"{value:g}" for measure, value in errors.items()},
        protocol=None if protocol is None else _cell(protocol),
        tested=_tested(config.get("tested")),
        licence=None if license is None else _link(license_name or license, license_link or ""),
        config=json.dumps(config, indent=2, default=shown).replace("`", "\\u0060"),
    )


def _tested(errors: Mapping[str, Any] | None) -> dict[str, str]:
    """The errors that the run of a network measured, and how, for a table; nothing if they are not known."""
    if errors is None:
        return {}
    both = {mean: (errors[f"mpjpe_{mean}mm"], errors[f"p_mpjpe_{mean}mm"]) for mean in ("", "frames_")}
    return {
        "MPJPE / P-MPJPE, mean over actions": "{:.2f} / {:.2f} mm".format(*both[""]),
        "MPJPE / P-MPJPE, mean over frames": "{:.2f} / {:.2f} mm".format(*both["frames_"]),
        "of": f"{_cell(errors['data'])}: {errors['frames']:,} frames, {errors['joints']} joints",
        "judged of each pose": "the mean of the answers to it and to its mirror image (flip test)"
        if errors["flip_test"]
        else "the answer to it alone (no flip test)",
        "predicted root": ROOT_RULES[errors["root"]],
        "epoch of the run": REPORTED[errors["select"]].removeprefix("its "),
    }


def is_generated(path: Path) -> bool:
    """Whether a file is a card that nobody has made their own, so that a new one may take its place."""
    return path.is_file() and MARKER in path.read_text(encoding="utf-8", errors="replace")


def _link(text: str, address: str) -> str:
    return f"[{_cell(text)}]({_cell(address)})" if address else _cell(text)


def _cell(text: str) -> str:
    """A text on one line, nothing of which Markdown takes for the end of a cell, a tag or code."""
    return plain(text, 500).replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
