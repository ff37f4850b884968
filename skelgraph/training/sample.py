"""The clip that the animation of a report shows."""

from __future__ import annotations

import torch

from skelgraph.datasets import PoseDataset
from skelgraph.text import plain
from skelgraph.training.module import LiftingModule
from skelgraph.training.report import Sample


@torch.no_grad()
def typical_clip(
    module: LiftingModule, test_set: PoseDataset, seconds: float = 4.0, frame_rate: float = 25.0
) -> Sample:
    """The middle of a typical clip for the animation: of the action whose error is nearest to the mean."""
    errors = {action: row["mpjpe_mm"] for action, row in module.results["per_action"].items()}
    typical = min(errors, key=lambda action: abs(errors[action] - module.results["mpjpe_mm"]))
    clip = next(clip for clip in test_set.clips if clip.action_name == typical)
    step = max(1, round(test_set.frame_rate / frame_rate))
    length = min(clip.length, max(1, round(seconds * test_set.frame_rate)))
    first = clip.start + (clip.length - length) // 2
    windows = test_set.windows(module.model.num_frames)
    batch = windows[slice(first, first + length, step)]
    module.eval()
    prediction = module.answers(batch.to(module.device), module.headline)[module.headline].pose
    middle = batch.keypoints_2d.size(1) // 2
    centre, target = batch.keypoints_2d[:, middle], batch.poses_3d
    if batch.confidence is not None:  # what nobody has seen is not drawn
        centre = torch.where(batch.confidence[:, middle, :, None] > 0, centre, torch.nan)
    if batch.visible_3d is not None:
        target = torch.where(batch.visible_3d[..., None], target, torch.nan)
    subject, action, camera = (plain(name, 30) for name in (clip.subject, clip.action, clip.camera))
    title = f"{'Synthetic data: ' * test_set.is_synthetic}{subject}, {action}, camera {camera}"
    return Sample(centre.cpu(), prediction.cpu(), target.cpu(), test_set.frame_rate / step, title)
