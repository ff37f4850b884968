"""Whether a lifter knows how wrong it is: deviations of joints, told in several ways, against the errors that it makes.

One scale for each way is fitted on ``S02``, and all are judged on the other sets. Errors are distances of joints from
their true places, relative to the root; a deviation says that they are as those of a normal distribution with the same
deviation along each axis, whose mean square distance is its square.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from open_judging import lifted_views
from torch import Tensor

from skelgraph import Lifter
from skelgraph.datasets.pose_dataset import PoseDataset
from skelgraph.geometry import box_view, flip_average, turn, turned_answers
from skelgraph.lifting import LIMB_JOINTS
from skelgraph.lifting.judging import joints_of
from skelgraph.models import PoseLifter, load_expected_error, load_network
from skelgraph.nn import ExpectedError
from skelgraph.training.judging import with_root

FITTED_ON = "S02"
ANGLES = (-20.0, -10.0, 0.0, 10.0, 20.0)
"""By how much the picture is turned, degrees."""
PASSES = 16
"""Answers with dropout."""
SMALLEST = 1e-3
"""No deviation is below a millimetre."""
WITHIN = {
    1: math.erf(math.sqrt(1.5)) - math.sqrt(6 / math.pi) * math.exp(-1.5),
    2: math.erf(math.sqrt(6)) - math.sqrt(24 / math.pi) * math.exp(-6),
}
"""Share of errors that are below one and two deviations where these are right: of chi-square with three degrees of
freedom, below 3 and 12."""
COLOURS = {"head": "#0072B2", "flips and turns": "#D55E00", "dropout": "#009E73"}

Way = Callable[[Tensor], Tensor]
"""Maps the input of a network ``(B, T, J, C)`` to the deviation of each joint ``(B, J)``, metres."""


class Samples(NamedTuple):
    """What is known of the joints of many poses.

    Args:
        errors: Distances from the truth ``(N, J)``, metres.
        deviations: What each way tells of them, ``(N, J)``, metres.
    """

    errors: np.ndarray
    deviations: dict[str, np.ndarray]


def ways_of(network: PoseLifter, head: ExpectedError | None) -> dict[str, Way]:
    """The ways in which a network can tell deviations: its head, where it has one; the spread of its answers to the
    mirrored and turned picture, where it takes rays; and with dropout, where it has any."""
    mirror_index = network.skeleton.mirror_index
    ways: dict[str, Way] = {}
    if head is not None:
        ways["head"] = lambda x: flip_average(head.beside(network), x, mirror_index)[..., 3]
    if network.input_form == "rays":
        angles = [math.radians(angle) for angle in ANGLES]
        ways["flips and turns"] = lambda x: _spread(network, turned_answers(network, x, angles, mirror_index))
    layers = [part for part in network.modules() if isinstance(part, torch.nn.Dropout) and part.p > 0]
    if layers:

        def with_dropout(x: Tensor) -> Tensor:
            for layer in layers:
                layer.train()
            answers = torch.stack([flip_average(network, x, mirror_index) for _ in range(PASSES)])
            for layer in layers:
                layer.eval()
            return _spread(network, answers)

        ways["dropout"] = with_dropout
    return ways


def _spread(network: PoseLifter, answers: Tensor) -> Tensor:
    """Root mean square distance of answers ``(N, B, J, 3)`` from their mean, ``(B, J)``."""
    answers = with_root(answers, network.skeleton.root, "subtract")
    return (answers - answers.mean(0)).square().sum(-1).mean(0).sqrt()


def _told(network: PoseLifter, ways: Mapping[str, Way], x: Tensor) -> tuple[Tensor, dict[str, np.ndarray]]:
    """What the network answers, its root as it is, and what each way tells of that."""
    pose = flip_average(network, x, network.skeleton.mirror_index)
    return pose, {name: way(x).clamp(min=SMALLEST).numpy() for name, way in ways.items()}


def motion_samples(network: PoseLifter, ways: Mapping[str, Way], poses: PoseDataset) -> Samples:
    """Those of a set of motion, all joints but the root."""
    parts = [*_of_batches(network, ways, poses)]
    others = np.arange(network.skeleton.num_joints) != network.skeleton.root
    return Samples(
        np.concatenate([part.errors for part in parts])[:, others],
        {name: np.concatenate([part.deviations[name] for part in parts])[:, others] for name in ways},
    )


def _of_batches(network: PoseLifter, ways: Mapping[str, Way], poses: PoseDataset) -> Iterator[Samples]:
    for batch in poses.windows(network.num_frames).loader(1024):
        given = batch.in_form(network.input_form)
        pose, told = _told(network, ways, given.network_input(network.in_channels))
        pose = with_root(pose, network.skeleton.root, "subtract")  # as in tests
        yield Samples((pose - given.poses_3d).norm(dim=-1).numpy(), told)


def clip_samples(network: PoseLifter, ways: Mapping[str, Way], weights: str | Path) -> Samples:
    """Those of the four views, the twelve limb joints; what the network is given is what a lifter gives it."""
    lifter, inputs = Lifter(weights, flip=False), []
    hook = lifter.prediction.network.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    views = lifted_views(lifter)
    hook.remove()
    parts = []
    windows = torch.cat(inputs)
    for view, lifted in views.values():
        for person in lifted.people:
            x, windows = windows[: len(person.poses)], windows[len(person.poses) :]
            pose, told = _told(network, ways, x)
            pose = with_root(pose, network.skeleton.root, "zero")  # as lifters have it
            if network.input_form == "rays":
                keypoints = torch.from_numpy(person.keypoints_2d[..., :2])
                rotation, _ = box_view(keypoints, torch.from_numpy(lifted.intrinsics))
                pose = turn(pose, rotation.mT.to(pose))
            truth = view.truth[person.first_frame : person.last_frame + 1]
            errors = _limbs(pose.numpy(), network) - _limbs(truth, view.detections)
            told = {name: _of_limbs(values, network) for name, values in told.items()}
            parts.append(Samples(np.linalg.norm(errors, axis=-1), told))
    return Samples(
        np.concatenate([part.errors for part in parts]),
        {name: np.concatenate([part.deviations[name] for part in parts]) for name in ways},
    )


def _limbs(points: np.ndarray, of: Any) -> np.ndarray:
    """The limb joints ``(T, 12, 3)`` relative to the middle of the hips."""
    middle = joints_of(points, of.skeleton, "h36m17", ("hip",))
    return joints_of(points, of.skeleton, "coco17", LIMB_JOINTS) - middle


def _of_limbs(deviations: np.ndarray, network: PoseLifter) -> np.ndarray:
    """The numbers of the limb joints, of those of all joints ``(T, J)``."""
    as_points = np.repeat(deviations[..., None], 3, -1)
    return joints_of(as_points, network.skeleton, "coco17", LIMB_JOINTS)[..., 0]


@torch.inference_mode()
def calibration(weights: str | Path, sets: Mapping[str, PoseDataset]) -> dict[str, Any]:
    """How well each way tells the errors of a network, after one scale.

    Args:
        weights: A file of weights.
        sets: The sets of motion, with that on which the scale is fitted.

    Returns:
        ``scales`` of the ways, and ``sets``: of each set and way the numbers of :func:`compared`.
    """
    torch.manual_seed(0)
    network = load_network(weights)
    ways = ways_of(network, load_expected_error(weights))
    samples = {name: motion_samples(network, ways, poses) for name, poses in sets.items()}
    samples["clip"] = clip_samples(network, ways, weights)
    fitted = samples[FITTED_ON]
    scales = {name: rms(fitted.errors / deviations) for name, deviations in fitted.deviations.items()}
    judged = {name: each for name, each in samples.items() if name != FITTED_ON}
    numbers = {
        name: {way: compared(each.errors, scales[way] * told) for way, told in each.deviations.items()}
        for name, each in judged.items()
    }
    constant = rms(fitted.errors)
    for name, each in judged.items():
        numbers[name]["one number"] = compared(each.errors, np.full_like(each.errors, constant))
    return {"scales": scales | {"one number": 1.0}, "sets": numbers}


def rms(values: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def compared(errors: np.ndarray, deviations: np.ndarray) -> dict[str, Any]:
    """Deviations against errors, both metres, of any shape.

    Returns:
        ``correlation`` of both (``None`` where all deviations are the same); the share of errors ``within_1`` and
        ``within_2`` deviations; ``nll``, the mean negative log likelihood of a joint, its place in metres; and
        ``deciles``: for each tenth of the joints, ordered by their deviations, the root mean squares of deviations and
        of errors, millimetres.
    """
    errors, deviations = errors.ravel().astype(np.float64), deviations.ravel().astype(np.float64)
    along = deviations / math.sqrt(3)  # each axis
    likelihood = 3 * np.log(along) + (errors / along) ** 2 / 2 + 1.5 * math.log(2 * math.pi)
    order = np.argsort(deviations, kind="stable")
    return {
        "correlation": float(np.corrcoef(deviations, errors)[0, 1]) if np.ptp(deviations) > 0 else None,
        **{f"within_{many}": float(np.mean(errors <= many * deviations)) for many in WITHIN},
        "nll": float(likelihood.mean()),
        "deciles": [
            {"deviation_mm": 1e3 * rms(deviations[part]), "error_mm": 1e3 * rms(errors[part])}
            for part in np.array_split(order, 10)
        ],
    }


def best_way(sets: Mapping[str, Mapping[str, Any]]) -> str:
    """The way under which the errors of all sets are likeliest."""
    ways = next(iter(sets.values()))
    return min(ways, key=lambda way: statistics.mean(numbers[way]["nll"] for numbers in sets.values()))


def calibration_figure(sets: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Deviations that were told against errors that were made, tenth by tenth."""
    figure = Figure(figsize=(3.6 * len(sets), 3.8), layout="constrained")
    for ax, (name, ways) in zip(figure.subplots(1, len(sets), squeeze=False)[0], sets.items(), strict=True):
        curves = {way: numbers["deciles"] for way, numbers in ways.items() if way in COLOURS}
        both = [value for curve in curves.values() for point in curve for value in point.values()]
        ends = [min(both) / 1.1, max(both) * 1.1]
        ax.plot(ends, ends, color="black", linewidth=0.8, linestyle=":")
        for way, curve in curves.items():
            told, made = ([point[key] for point in curve] for key in ("deviation_mm", "error_mm"))
            ax.plot(told, made, marker="o", markersize=4, color=COLOURS[way], label=way)
        ax.set(xscale="log", yscale="log", title=name, xlabel="deviation (mm)")
        ticks = [tick for power in range(-1, 5) for tick in (10**power, 2 * 10**power, 5 * 10**power)]
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
            axis.set_ticks([], minor=True)
        ax.set(xlim=ends, ylim=ends)
        ax.set_ylabel("error, root mean square (mm)")
        ax.legend(frameon=False)
        ax.spines[["top", "right"]].set_visible(False)
    return figure
