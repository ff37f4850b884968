"""What is measured of an answer to the test set, and what has to be said of it to make the numbers mean something."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from skelgraph.datasets import PoseDataset, Protocol
from skelgraph.datasets.windows import normalized_intrinsics
from skelgraph.metrics import AUC, MPJPE, MPJVE, NMPJPE, PCK, PMPJPE, JointMetric
from skelgraph.models.measured import ROOT_RULES
from skelgraph.text import plain
from skelgraph.topology import Skeleton
from skelgraph.training.config import RootDepth, RootRule

ROWS = {
    "network": "network",
    "refined_true_depth": "refined, true root depth",
    "refined_estimated_depth": "refined, estimated root depth",
}
"""The answers that are judged side by side: their names in ``metrics.json``, and for people."""

MEASURES = {
    "mpjpe_mm": "MPJPE, mean over actions (mm)",
    "mpjpe_frames_mm": "MPJPE, mean over frames (mm)",
    "p_mpjpe_mm": "P-MPJPE, mean over actions (mm)",
    "p_mpjpe_frames_mm": "P-MPJPE, mean over frames (mm)",
    "n_mpjpe_mm": "N-MPJPE, scale aligned (mm)",
    "mpjve_mm": "MPJVE, error of the step to the next tested frame (mm)",
    "pck": "PCK, mean over actions (%)",
    "pck_frames": "PCK, mean over frames (%)",
    "auc": "AUC, mean over actions (%)",
    "auc_frames": "AUC, mean over frames (%)",
}
"""What is measured of each of them, likewise."""


def headline(has_head: bool, depth: RootDepth) -> str:
    """The row whose numbers are those of the run: of the refined pose where there is a head."""
    return f"refined_{depth}_depth" if has_head else "network"


def judged_rows(test_set: PoseDataset) -> list[str]:
    """The rows that can be judged of a network and its head: refined ones need cameras, that with the true depth of the
    root a root that is known."""
    rows = ["network"]
    if normalized_intrinsics(test_set.clips, test_set.clip_id.device) is not None:
        if not test_set.root_3d[:, 2].isnan().any():
            rows.append("refined_true_depth")
        rows.append("refined_estimated_depth")
    return rows


def lacking(test_set: PoseDataset, depth: RootDepth) -> str:
    """What a test set lacks for poses to be refined with this depth of the root, in words; empty: nothing."""
    rows = judged_rows(test_set)
    if headline(True, depth) in rows:
        return ""
    name = plain(test_set.name)
    return f"{name} has no cameras" if len(rows) == 1 else f"{name} does not know the depth of the root (root-depth)"


FAR_ROOT = 0.2
"""Distance of the predicted root from the true one, as a share of the error, from which on it is said."""


class Answer(NamedTuple):
    """One answer to a batch of windows.

    Args:
        pose: Poses ``(B, J, 3)``, metres, the root as the rule has it.
        raw: The same with the root as it was predicted.
        depth: Of refined poses the depth of the root that the keypoints were back-projected with, ``(B,)``, metres; NaN
            where none could be estimated, and the pose is that of the network.
        expected_error: Of poses of a network with a head that tells it, the error to expect ``(B, J)``, metres.
    """

    pose: Tensor
    raw: Tensor
    depth: Tensor | None = None
    expected_error: Tensor | None = None


def with_root(pose: Tensor, root: int, rule: RootRule) -> Tensor:
    """A predicted pose ``(..., J, 3)`` with its root subtracted from all joints (``"subtract"``), with its root set to
    0 while the other joints stay, as in GraphMLP and ST-GCN (``"zero"``), or as it is, as in VideoPose3D (``"keep"``).

    True poses are relative to the root, whatever the rule is.
    """
    if rule == "subtract":
        return pose - pose[..., root, None, :]
    if rule == "keep":
        return pose
    is_root = torch.arange(pose.shape[-2], device=pose.device) == root
    return pose.masked_fill(is_root[:, None], 0)


def judged_joints(visible: Tensor | None, poses: Tensor, skeleton: Skeleton, protocol: Protocol) -> Tensor | None:
    """Which joints of poses ``(B, J, 3)`` count, ``(B, J)``: those that are known and that the protocol judges;
    ``None`` if all do."""
    if protocol.joints is None:
        return visible
    mask = torch.zeros(skeleton.num_joints, dtype=torch.bool)
    mask[[skeleton.index(joint) for joint in protocol.joints]] = True
    judged = mask.to(poses.device).expand(poses.shape[:-1])
    return judged if visible is None else judged & visible


class Judge:
    """All errors of one answer to a test set.

    Args:
        test_set: What it is the answer to: its actions, protocol and scenes.
        device: Where the answers are.
    """

    def __init__(self, test_set: PoseDataset, device: torch.device) -> None:
        joints, actions, scenes = test_set.skeleton.num_joints, test_set.actions, test_set.scenes
        protocol = test_set.protocol

        def pck_and_auc(groups: tuple[str, ...]) -> tuple[PCK, AUC]:
            auc = AUC(joints, groups, thresholds_mm=protocol.auc_thresholds_mm)
            return PCK(joints, groups, threshold_mm=protocol.pck_threshold_mm).to(device), auc.to(device)

        self.mpjpe = MPJPE(joints, actions).to(device)
        self.p_mpjpe = PMPJPE(joints, actions).to(device)
        self.n_mpjpe = NMPJPE(joints, actions).to(device)
        self.mpjve = MPJVE(joints, actions).to(device)
        self.pck, self.auc = pck_and_auc(actions)
        self.of_scenes: dict[str, JointMetric] = {}
        if scenes:
            pck, auc = pck_and_auc(scenes)
            self.of_scenes = {"mpjpe_mm": MPJPE(joints, scenes).to(device), "pck": pck, "auc": auc}

    def update(
        self,
        pred: Tensor,
        target: Tensor,
        action: Tensor,
        clip: Tensor,
        visible: Tensor | None = None,
        scene: Tensor | None = None,
    ) -> None:
        """Count the answers to a batch of frames.

        Args:
            pred: Predicted poses ``(B, J, 3)``, metres.
            target: True poses ``(B, J, 3)``, metres.
            action: Row of each frame in the actions ``(B,)``.
            clip: Number of the clip of each frame ``(B,)``.
            visible: Which joints count, boolean ``(B, J)``; all unless given.
            scene: Row of each frame in the scenes ``(B,)``.
        """
        for metric in (self.mpjpe, self.p_mpjpe, self.n_mpjpe, self.pck, self.auc):
            metric.update(pred, target, action, visible=visible)
        self.mpjve.update(pred, target, action, clip, visible=visible)
        for of_scenes in self.of_scenes.values():
            of_scenes.update(pred, target, scene, visible=visible)

    def results(self) -> dict[str, Any]:
        """The numbers under their names in ``metrics.json``, over all processes: means over actions, and over frames
        where their names say so."""
        results: dict[str, Any] = {
            "mpjpe_mm": float(self.mpjpe.compute()),
            "p_mpjpe_mm": float(self.p_mpjpe.compute()),
            "mpjpe_frames_mm": float(self.mpjpe.over_frames()),
            "p_mpjpe_frames_mm": float(self.p_mpjpe.over_frames()),
            "n_mpjpe_mm": float(self.n_mpjpe.compute()),
            "mpjve_mm": float(self.mpjve.compute()),
            "pck": float(self.pck.compute()),
            "auc": float(self.auc.compute()),
            "pck_frames": float(self.pck.over_frames()),
            "auc_frames": float(self.auc.over_frames()),
        }
        p1, p2 = self.mpjpe.per_action(), self.p_mpjpe.per_action()
        results["per_action"] = {action: {"mpjpe_mm": p1[action], "p_mpjpe_mm": p2[action]} for action in p1}
        if self.of_scenes:
            by_metric = {name: metric.per_action() for name, metric in self.of_scenes.items()}
            results["per_scene"] = {
                scene: {name: values[scene] for name, values in by_metric.items()} for scene in by_metric["mpjpe_mm"]
            }
        return results


def protocol_record(protocol: Protocol) -> dict[str, Any]:
    """A protocol as it stands in ``metrics.json``."""
    each = [f"{threshold:.4g}" for threshold in protocol.auc_thresholds_mm]
    thresholds = ", ".join(each if len(each) < 5 else [*each[:2], "...", each[-1]])
    return dataclasses.asdict(protocol) | {"auc_thresholds_mm": thresholds}


def statements(metrics: Mapping[str, Any]) -> list[str]:
    """What has to be said of the numbers of a run, a sentence each.

    Args:
        metrics: What ``metrics.json`` holds.
    """
    protocol, rows = metrics["protocol"], metrics["rows"]
    joints = protocol["joints"]
    counted = "all joints, the root among them" if joints is None else f"{len(joints)} joints: {', '.join(joints)}"
    flips = (
        "the mean of the answers to it and to its mirror image (flip-test)"
        if metrics["flip_test"]
        else "the answer to it alone (no-flip-test)"
    )
    said = [
        f"Predicted root: {ROOT_RULES[metrics['root']]}.",
        f"Judged of each pose: {flips}; {counted}.",
        f"PCK: errors below {protocol['pck_threshold_mm']:g} mm; AUC: mean over {protocol['auc_thresholds_mm']} mm "
        f"({protocol['name']}).",
    ]
    off, zero = metrics["predicted_root_mm"], metrics["mpjpe_root_zero_mm"]
    if metrics["root"] != "zero" and off > FAR_ROOT * metrics["mpjpe_mm"] and zero < metrics["mpjpe_mm"]:
        said.append(
            f"The predicted root is {off:.1f} mm off on average; with --root zero, set to zero while the other joints "
            f"stay, the error (MPJPE) is {zero:.1f} mm."
        )
    if "weights_of" in metrics:  # a run says which epoch it reports
        chosen = metrics["weights_of"]
        said.append(
            "On which data these weights were chosen, the file does not say."
            if chosen == "not known"
            else f"The weights are those of {chosen}."
        )
    if (estimated := rows.get("refined_estimated_depth")) is not None:
        without = estimated["frames_without_depth"]
        said.append(
            "Depth of the root for back-projection: true, from the data, or estimated from the keypoints, off by "
            f"{estimated['root_depth_error_mm']:.0f} mm on average"
            + (f" (none in {without} frames, whose pose is that of the network)." if without else ".")
        )
    if (expected := metrics.get("expected_error")) is not None:
        said.append(
            f"Expected errors of the joints but for the root: {expected['rms_expected_mm']:.1f} mm, true ones "
            f"{expected['rms_error_mm']:.1f} mm (roots of mean squares); {100 * expected['within_1']:.0f} % of these "
            f"are below the expected one, {100 * expected['within_2']:.0f} % below twice that. "
            + (
                f"Calibrated on validation data by the factor {expected['scale']:.3f}."
                if expected["calibrated"]
                else "They are not calibrated, as there were no validation subjects (val-subjects)."
            )
        )
    if metrics["refine_dropout_at_test"]:
        said.append(
            f"The dropout of the head is on, as released: its numbers are random, here of seed {metrics['seed']}."
        )
    return said + metrics["notes"]
