"""HGN's annotations and a body model in the published layouts, small: what the tests read, and the vertices that follow
from it, worked out in NumPy by the formula of the release."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import tiny_mocap

from skelgraph.topology import as_skeleton, tube_faces

FACES = tube_faces("smpl24", 2).numpy()
NUM_VERTICES = int(FACES.max()) + 1  # 138
PARENTS = as_skeleton("smpl24").parents
RING = np.array([[0.8, 0.6, 0.0], [-0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
CAMERAS = {
    # world z is up: the camera looks along +y, the second one turned about the vertical
    1: {
        "R": [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
        "t": [100.0, 900.0, 5200.0],
        "f": [1145.0, 1143.8],
        "c": [512.5, 515.5],
    },
    3: {
        "R": (np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]) @ RING.T).tolist(),
        "t": [-300.0, 1000.0, 6100.0],
        "f": [1149.7, 1147.6],
        "c": [508.8, 508.1],
    },
}
SIZES = {1: (1000, 1002), 3: (1000, 1000)}
TAKES = {1: {2: (1, 2), 14: (1,)}, 9: {5: (1, 2), 10: (2,), 13: (1, 2)}, 11: {16: (1,)}}
"""Takes by subject and action; three of S9 are those that are left out."""
NUM_FRAMES = {1: 31, 9: 121, 11: 101}
UNFITTED = {(1, 2, 1, 10), (11, 16, 1, 0)}
UNBOXED = {(1, 14, 1, 3, 5): None, (1, 14, 1, 3, 20): [3.0, 4.0, 0.4, 90.0]}
"""By subject, action, take, camera, frame: no annotation, and one whose box is narrower than a pixel."""


def body_model() -> dict[str, np.ndarray]:
    """A body in the layout of SMPL whose joints, shapes and weights are all in use."""
    rng = np.random.default_rng(7)
    regressor, weights = rng.random((24, NUM_VERTICES)) ** 8, rng.random((NUM_VERTICES, 24)) ** 6
    parents = np.array(PARENTS)
    parents[0] = 2**32 - 1
    return {
        "f": FACES.astype(np.uint32),
        "v_template": 0.4 * rng.normal(size=(NUM_VERTICES, 3)),
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "shapedirs": 0.02 * rng.normal(size=(NUM_VERTICES, 3, 12)),
        "posedirs": 0.01 * rng.normal(size=(NUM_VERTICES, 3, 207)),
        "weights": weights / weights.sum(1, keepdims=True),
        "kintree_table": np.stack([parents, np.arange(24)]).astype(np.uint32),
    }


def joints(subject: int, action: int, take: int) -> np.ndarray:
    """World positions ``(T, 17, 3)``, mm."""
    return 1000.0 * tiny_mocap.motion(NUM_FRAMES[subject], 100 * subject + 10 * action + take).astype(float)


def fit(subject: int, action: int, take: int, frame: int) -> dict[str, list[float]]:
    """The body of a frame; every third one is far from the mean shape."""
    rng = np.random.default_rng([subject, action, take, frame])
    shape = rng.uniform(-1, 1, 10)
    shape[4] = -3.4 if frame % 3 == 0 else 2.9
    return {
        "pose": rng.normal(size=72).tolist(),
        "shape": shape.tolist(),
        "trans": rng.normal(size=3).tolist(),
    }


def documents(subject: int) -> dict[str, Any]:
    """The four files of a subject."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    positions: dict[str, Any] = {}
    fits: dict[str, Any] = {}
    for action, takes in TAKES[subject].items():
        for take in takes:
            world = joints(subject, action, take)
            frames = range(len(world))
            positions.setdefault(str(action), {})[str(take)] = {str(i): world[i].tolist() for i in frames}
            fits.setdefault(str(action), {})[str(take)] = {
                str(i): fit(subject, action, take, i) for i in frames if (subject, action, take, i) not in UNFITTED
            }
            for camera, (width, height) in SIZES.items():
                name = f"s_{subject:02d}_act_{action:02d}_subact_{take:02d}_ca_{camera:02d}"
                for frame in frames:
                    number = 10**6 * subject + len(images)
                    images.append(
                        {
                            "id": number,
                            "file_name": f"{name}/{name}_{frame + 1:06d}.jpg",
                            "width": width,
                            "height": height,
                            "subject": subject,
                            "action_name": "unused",
                            "action_idx": action,
                            "subaction_idx": take,
                            "cam_idx": camera,
                            "frame_idx": frame,
                        }
                    )
                    box = UNBOXED.get((subject, action, take, camera, frame), [300.0, 200.0, 250.5, 500.0])
                    if box is not None:
                        annotations.append({"id": number, "image_id": number, "bbox": box})
    np.random.default_rng(subject).shuffle(images)  # type: ignore[arg-type]
    return {
        "data": {"images": images, "annotations": annotations[::-1]},
        "camera": {str(view): camera for view, camera in CAMERAS.items()},
        "joint_3d": positions,
        "smpl_param": fits,
    }


def write(folder: Path, **replaced: Any) -> dict[str, str]:
    """Write the files of all subjects and the body model; the keys are the arguments of ``load_dataset``.

    Args:
        folder: Where.
        **replaced: Documents of S1 in place of the right ones; text as it is.
    """
    annotations, models = folder / "annotations", folder / "models"
    annotations.mkdir(parents=True)
    models.mkdir()
    for subject in TAKES:
        for part, document in (documents(subject) | (replaced if subject == 1 else {})).items():
            path = annotations / f"Human36M_subject{subject}_{part}.json"
            path.write_text(document if isinstance(document, str) else json.dumps(document))
    np.savez(models / "SMPL_NEUTRAL.npz", **body_model())
    np.savez(models / "SMPL_FEMALE.npz", f=FACES)
    return {"data_3d": str(annotations), "smpl": str(models)}


def rodrigues(axis_angle: np.ndarray) -> np.ndarray:
    angle = np.linalg.norm(axis_angle)
    x, y, z = axis_angle / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def true_vertices(subject: int, action: int, take: int, frame: int, view: int) -> np.ndarray:
    """Vertices ``(V, 3)`` in camera axes, metres, relative to the pelvis: the root's rotation is turned to the camera's
    axes, and the translation makes up for the root joint, about which it turns."""
    model, body, camera = body_model(), fit(subject, action, take, frame), CAMERAS[view]
    turn, shift = np.array(camera["R"]), np.array(camera["t"]) / 1000
    shape = np.array(body["shape"])
    if np.abs(shape).max() > 3:
        shape = np.zeros(10)
    rotations = [rodrigues(part) for part in np.reshape(body["pose"], (24, 3))]
    rotations[0] = turn @ rotations[0]
    rest = model["v_template"] + model["shapedirs"][:, :, :10] @ shape
    places = model["J_regressor"] @ rest
    bent = np.concatenate([(rotation - np.eye(3)).ravel() for rotation in rotations[1:]])
    rest = rest + model["posedirs"] @ bent
    orientation, origin = [rotations[0]], [places[0]]
    for joint in range(1, 24):
        parent = PARENTS[joint]
        origin.append(origin[parent] + orientation[parent] @ (places[joint] - places[parent]))
        orientation.append(orientation[parent] @ rotations[joint])
    posed = sum(
        model["weights"][:, joint, None] * ((rest - places[joint]) @ orientation[joint].T + origin[joint])
        for joint in range(24)
    )
    translation = turn @ np.array(body["trans"]) + shift - places[0] + turn @ places[0]
    pelvis = turn @ joints(subject, action, take)[frame, 0] / 1000 + shift
    return posed + translation - pelvis
