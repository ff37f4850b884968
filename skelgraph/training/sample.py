"""The clip that the animation of a report shows."""

from __future__ import annotations

import torch

from skelgraph.datasets import PoseDataset
from skelgraph.text import plain
from skelgraph.training.module import LiftingModule
from skelgraph.training.report import Sample


@torch.no_grad()
def typical_clip(
    module: LiftingModule, test_set: PoseDataset, causal: bool = False, seconds: float = 4.0, frame_rate: float = 25.0
) -> Sample:
    """The middle of a typical clip for the animation: of the action whose error is nearest to the mean; in causal
    windows if the network was trained on them."""
    errors = {action: row["mpjpe_mm"] for action, row in module.results["per_action"].items()}
    typical = min(errors, key=lambda action: abs(errors[action] - module.results["mpjpe_mm"]))
    rate = test_set.frame_rate or frame_rate
    step = max(1, round(rate / frame_rate))
    frames = test_set.frames
    chosen = next(i for i in test_set.clip_id[frames].unique().tolist() if test_set.clips[i].action_name == typical)
    rows = (test_set.clip_id[frames] == chosen).nonzero().flatten()
    length = min(len(rows), max(1, round(seconds * rate)))
    first = (len(rows) - length) // 2
    windows = test_set.windows(module.model.num_frames, causal=causal)
    clip, batch = test_set.clips[chosen], windows[rows[first : first + length : step]]
    module.eval()
    prediction = module.answers(batch.to(module.device), module.headline)[module.headline].pose
    centre, target = batch.keypoints_2d[:, windows.target], batch.poses_3d
    if batch.confidence is not None:  # what nobody has seen is not drawn
        centre = torch.where(batch.confidence[:, windows.target, :, None] > 0, centre, torch.nan)
    if batch.visible_3d is not None:
        target = torch.where(batch.visible_3d[..., None], target, torch.nan)
    subject, action, camera = (plain(name, 30) for name in (clip.subject, clip.action, clip.camera))
    title = f"{'Synthetic data: ' * test_set.is_synthetic}{subject}, {action}, camera {camera}"
    return Sample(centre.cpu(), prediction.cpu(), target.cpu(), rate / step, title)
