"""Geometry of cameras and poses: pure, differentiable functions over leading dimensions."""

from skelgraph.geometry.camera import (
    DISTORTIONS,
    Distortion,
    back_project,
    back_project_relative,
    camera_to_world,
    denormalize_screen,
    look_at,
    normalize_intrinsics,
    normalize_screen,
    project,
    project_linear,
    world_to_camera,
)
from skelgraph.geometry.kinematics import forward_kinematics
from skelgraph.geometry.mirror import flip_average, mirror, mirror_intrinsics
from skelgraph.geometry.procrustes import procrustes
from skelgraph.geometry.rays import box_view, from_rays, rotation_to_axis, to_rays, turn, window_rays
from skelgraph.geometry.root import estimate_root
from skelgraph.geometry.segments import segment_distance, sine_about
from skelgraph.geometry.size import beside_a_body, pose_sizes
from skelgraph.geometry.turned_answers import turned_answers

__all__ = [
    "DISTORTIONS",
    "Distortion",
    "back_project",
    "back_project_relative",
    "beside_a_body",
    "box_view",
    "camera_to_world",
    "denormalize_screen",
    "estimate_root",
    "flip_average",
    "forward_kinematics",
    "from_rays",
    "look_at",
    "mirror",
    "mirror_intrinsics",
    "normalize_intrinsics",
    "normalize_screen",
    "pose_sizes",
    "procrustes",
    "project",
    "project_linear",
    "rotation_to_axis",
    "segment_distance",
    "sine_about",
    "to_rays",
    "turn",
    "turned_answers",
    "window_rays",
    "world_to_camera",
]
