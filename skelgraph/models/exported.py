"""Models for other programs: as ONNX, or as a program of torch that needs none of this library."""

from __future__ import annotations

import importlib
import importlib.metadata
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.export import ExportedProgram

from skelgraph.errors import SkelgraphError
from skelgraph.files import writing
from skelgraph.models.fold import fold_constants, inference_copy, trace
from skelgraph.models.lifter import PoseLifter
from skelgraph.options import checked
from skelgraph.text import plain

ExportFormat = Literal["onnx", "torch-export"]

INPUT, OUTPUT = "keypoints_2d", "poses_3d"
METADATA = "skelgraph.json"
"""Name of the metadata among the extra files of a program of torch."""
TOLERANCE = 1e-4
"""How far the written file may be from the model: metres, relative where a coordinate exceeds one metre."""
_BATCHES = (1, 2, 5)
_IN_CAMERA = "camera axes: x right, y down, z forward"
UNITS = {
    "screen": ("screen-normalised: x in [-1, 1] over the image width, aspect kept, y down", _IN_CAMERA),
    "rays": (
        "(x / z / s, y / z / s, log s) of skelgraph.geometry.window_rays: rays ((p - c) / f, 1), turned by R so that "
        "the middle of their box in the centre frame is at 0; s is half of the longer side of the turned box",
        f"the axes of the rays, R times {_IN_CAMERA}",
    ),
}
"""What the numbers of a file mean, by the input form: the units of the keypoints, and the axes of the poses."""


@checked
def export_model(model: PoseLifter, path: str | PathLike[str], format: ExportFormat = "onnx") -> float:  # noqa: A002
    """Write a model to a file that other programs run on batches of any size.

    Everything that does not depend on the input becomes a constant, as in :func:`~skelgraph.models.optimize`. The file
    computes in float32. It is run beside the model before it gets its name; one that does not agree is not kept.

    Args:
        model: Any model; it is left as it is.
        path: The file, replaced if it is there.
        format: ``onnx``, for `ONNX Runtime <https://onnxruntime.ai>`_ and others; or ``torch-export``, for
            :func:`torch.export.load`.

    Returns:
        The largest difference between file and model, on random keypoints.

    Shapes:
        - input ``keypoints_2d`` of the file ``(B, J, 2)``, or ``(B, num_frames, J, 2)`` of a model of several frames
        - output ``poses_3d`` of the file ``(B, J, 3)``

    Raises:
        SkelgraphError: If the model is on ``meta`` or cannot be exported, the file does not agree with it, or the
            packages of the extra ``export`` are missing.
    """
    model = inference_copy(model).float().cpu()
    about = _metadata(model)
    write, load = (_onnx, _load_onnx) if format == "onnx" else (_torch_export, _load_torch_export)
    try:
        content = write(_folded(model, torch.zeros(2, *model.input_shape)), about)
    except RuntimeError as error:
        reason = plain(str(error).strip().partition("\n")[0] or type(error).__name__, 300)
        raise SkelgraphError(f"{type(model).__name__} could not be exported: {reason}") from error
    with writing(path) as file:
        file.write(content)
        file.flush()
        return _largest_difference(model, load(file.name), plain(str(path), 500))


def _folded(model: PoseLifter, example: Tensor) -> ExportedProgram:
    return trace(fold_constants(trace(model, example).module()), example)


def _metadata(model: PoseLifter) -> dict[str, str]:
    """What an exported file says of its model, as text: lists are JSON."""
    skeleton, (units, axes) = model.skeleton, UNITS[model.input_form]
    return {
        "skelgraph_version": importlib.metadata.version("skelgraph"),
        "model": model.registered_name or type(model).__name__,
        "skeleton": skeleton.name or "",
        "joint_names": json.dumps(skeleton.joint_names),
        "parents": json.dumps(skeleton.parents),
        "num_frames": str(model.num_frames),
        "input_form": model.input_form,
        "input_units": units,
        "output_units": f"metres, relative to the root joint; {axes}",
        "output_frame": str(model.num_frames // 2),
    }


def _largest_difference(model: PoseLifter, run: Callable[[Tensor], Tensor], label: str) -> float:
    """The largest difference between a file and its model.

    Raises:
        SkelgraphError: If it is above the tolerance, or the shapes differ.
    """
    random, largest = torch.Generator().manual_seed(0), 0.0
    for size in _BATCHES:
        x = torch.rand(size, *model.input_shape, generator=random) * 2 - 1
        with torch.no_grad():
            expected, found = model(x), run(x)
        if found.shape != expected.shape:
            raise SkelgraphError(
                f"{label} was not written: it gives {tuple(found.shape)} for a batch of {size}, expected "
                f"{tuple(expected.shape)} as of the model"
            )
        difference = (found - expected).abs().max().item()
        allowed = TOLERANCE * max(1.0, expected.abs().max().item())
        if not difference <= allowed:  # NaN is no agreement
            raise SkelgraphError(
                f"{label} was not written: it differs from the model by {difference:.2g} on a batch of {size}, "
                f"expected at most {allowed:.2g}"
            )
        largest = max(largest, difference)
    return largest


def _onnx(program: ExportedProgram, about: dict[str, str]) -> bytes:
    onnx = _package("onnx")
    _package("onnxscript")
    _package("onnxruntime")
    with _silence():
        exported = torch.onnx.export(
            program, (), dynamo=True, verbose=False, input_names=[INPUT], output_names=[OUTPUT]
        )
    assert exported is not None
    proto = exported.model_proto
    for part in (proto.graph, *proto.graph.node):
        part.ClearField("metadata_props")  # stack traces, with the paths of this machine
    proto.graph.ClearField("value_info")
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.helper.set_model_props(proto, about)
    return proto.SerializeToString()


def _load_onnx(path: str) -> Callable[[Tensor], Tensor]:
    runtime = _package("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(session.run([OUTPUT], {INPUT: x.numpy()})[0])


def _torch_export(program: ExportedProgram, about: dict[str, str]) -> bytes:
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # with the paths of this machine
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={METADATA: json.dumps(about)})
    return buffer.getvalue()


def _load_torch_export(path: str) -> Callable[[Tensor], Tensor]:
    return torch.export.load(io.BytesIO(Path(path).read_bytes())).module()  # by name only if that ends in .pt2


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise SkelgraphError(f'{name} is not installed; ONNX files need: pip install "skelgraph[export]"') from error


@contextmanager
def _silence() -> Iterator[None]:
    """Without warnings of torch about itself, and about packages that nothing here needs."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
