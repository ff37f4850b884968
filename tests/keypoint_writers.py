"""Files of 2D keypoints as the programs write them, of two people who cross and of whom one leaves, in portrait."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from skelgraph import Skeleton, as_skeleton
from skelgraph.datasets import Detections

FRAMES = 7


def people(joints: int, seed: int = 0) -> list[tuple[int, int, np.ndarray]]:
    """Frame, person and keypoints ``(J, 3)``: the second person is there in frames 2 to 4 only and in frame 3 stands
    first, nobody is there in frame 5; joint 1 of the first person is never seen."""
    rng = np.random.default_rng(seed)
    found = []
    for frame in range(FRAMES):
        here = {2: [0, 1], 3: [1, 0], 4: [0, 1], 5: []}.get(frame, [0])
        for person in here:
            keypoints = np.column_stack(
                [rng.uniform(5, 1070, joints), rng.uniform(5, 1900, joints), rng.uniform(0.1, 1, joints)]
            )
            if person == 0:
                keypoints[1] = 0
            found.append((frame, person, np.round(keypoints, 3)))
    return found


def first_frames(seen: Detections, count: int) -> Detections:
    """The first frames of keypoints."""
    kept = seen.frames < count
    persons = None if seen.persons is None else seen.persons[kept]
    return replace(seen, keypoints=seen.keypoints[kept], frames=seen.frames[kept], persons=persons, num_frames=count)


def write_openpose(folder: Path, found: list, name: str = "video_{:012d}_keypoints.json", frames: int = FRAMES) -> None:
    """A folder of OpenPose's files."""
    folder.mkdir(exist_ok=True)
    for frame in range(frames):
        document = {
            "version": 1.3,
            "people": [
                {
                    "person_id": [-1],
                    "pose_keypoints_2d": keypoints.ravel().tolist(),
                    "face_keypoints_2d": [],
                    "hand_left_keypoints_2d": [],
                    "hand_right_keypoints_2d": [],
                    "pose_keypoints_3d": [],
                    "face_keypoints_3d": [],
                    "hand_left_keypoints_3d": [],
                    "hand_right_keypoints_3d": [],
                }
                for at, _, keypoints in found
                if at == frame
            ],
        }
        (folder / name.format(frame)).write_text(json.dumps(document))


def coco_results(found: list, **more: Any) -> list[dict[str, Any]]:
    """The list of COCO's results."""
    return [
        {"image_id": frame, "category_id": 1, "keypoints": keypoints.ravel().tolist(), "score": 0.9, **more}
        for frame, _, keypoints in found
    ]


def coco_annotations(found: list) -> dict[str, Any]:
    """Pictures with ids of no order that begin far from 0, visibilities, a box without keypoints and one unlabelled."""
    entries = coco_results(found)
    for entry in entries:
        entry["image_id"] = 1000 + 10 * entry["image_id"]
        entry["keypoints"] = [v if i % 3 < 2 else min(1 + i % 2, 9) * (v > 0) for i, v in enumerate(entry["keypoints"])]
    entries += [{"image_id": 1020, "bbox": [1, 2, 3, 4]}, {"image_id": 1020, "keypoints": [0, 0, 0] * 17}]
    images = [
        {"id": 1000 + 10 * frame, "file_name": f"{frame}.jpg", "width": 1080, "height": 1920} for frame in range(9)
    ]
    return {"info": {}, "images": images[::-1], "annotations": entries, "categories": [{"id": 1, "name": "person"}]}


def instances(found: list, frame: int) -> list[dict[str, Any]]:
    """The people of a frame as MMPose writes them."""
    return [
        {
            "keypoints": keypoints[:, :2].tolist(),
            "keypoint_scores": keypoints[:, 2].tolist(),
            "bbox": [[1.0, 2.0, 3.0, 4.0]],
            "bbox_score": 0.9,
        }
        for at, _, keypoints in found
        if at == frame
    ]


def names_of(layout: str, count: int) -> dict[str, str]:
    """The names of joints in MMPose's ``meta_info``: those of a layout, and of a face."""
    names = [*as_skeleton(layout).joint_names]
    return dict(enumerate([*names, *(f"face-{i}" for i in range(count - len(names)))]))  # type: ignore[arg-type]


LANDMARKS = [name.replace("left_mouth", "mouth_left").replace("right_mouth", "mouth_right")
             for name in as_skeleton("blazepose33").joint_names]  # fmt: skip
SIZE = (1080, 1920)


def mediapipe_long(found: list, person: bool, named: bool) -> str:
    """A row for each landmark."""
    lines = ["frame,timestamp_ms,landmark,x,y,z,visibility" + ",person" * person]
    for frame, who, keypoints in found:
        for joint, (x, y, seen) in enumerate(keypoints):
            landmark = LANDMARKS[joint].upper() if named else joint
            line = f"{frame},{frame * 33},{landmark},{float(x) / SIZE[0]!r},{float(y) / SIZE[1]!r},-0.1,{float(seen)!r}"
            lines.append(line + f",{who}" * person)
    return "\n".join(lines) + "\n"


def mediapipe_wide(found: list) -> str:
    """A row for each frame; one of nobody is frame 77."""
    lines = [
        ",".join(["frame", *(f"{name}_{channel}" for name in LANDMARKS for channel in ("x", "y", "z", "visibility"))])
    ]
    for frame, _, keypoints in found:
        cells = (f"{x / SIZE[0]!r},{y / SIZE[1]!r},0.5,{seen!r}" for x, y, seen in keypoints.tolist())
        lines.append(f"{frame},{','.join(cells)}")
    lines.insert(5, "77" + "," * 132)  # nobody was found
    return "\r\n".join(lines)


PAW = Skeleton([-1, 0, 0, 2], ["nose", "left_paw", "tail_base", "tail_tip"], name="paw")
PARTS = ["tail tip", "Nose", "paw_left", "tailBase"]  # in another order, and spelt as people do
ORDER = [1, 2, 3, 0]


def deeplabcut(several: bool, likelihood: bool = True) -> tuple[list[tuple[str, ...]], np.ndarray, list]:
    """Columns, values and what is expected: of several animals the second is there in frames 2 and 3 only."""
    coords = ("x", "y", "likelihood") if likelihood else ("x", "y")
    animals = ["mouse1", "mouse2"] if several else [""]
    columns = [("DLC_resnet50", animal, part, coord) for animal in animals for part in PARTS for coord in coords]
    if several:
        columns += [("DLC_resnet50", "single", f"lamp{i}", coord) for i in range(6) for coord in coords]
    values = np.round(np.random.default_rng(5).uniform(0.05, 1, (5, len(columns))), 3)
    values[:, [column[3] != "likelihood" for column in columns]] *= 700
    values[1, 3:5] = np.nan  # the nose
    if several:
        values[[0, 1, 4], len(coords) * 4 : len(coords) * 8] = np.nan
    table = values[:, : len(animals) * 4 * len(coords)].reshape(5, len(animals), 4, len(coords))[:, :, ORDER]
    if not likelihood:
        table = np.concatenate([table, np.ones((*table.shape[:3], 1))], -1)
    known = np.isfinite(table).all(-1, keepdims=True)
    expected = [
        (frame, animal, np.where(known, table, 0)[frame, animal])
        for frame in range(5)
        for animal in range(len(animals))
        if known[frame, animal].any()
    ]
    return (columns if several else [(c[0], *c[2:]) for c in columns]), values, expected


def deeplabcut_csv(columns: list, values: np.ndarray, index: list[str]) -> str:
    """As ``DataFrame.to_csv``."""
    levels = ["scorer", "individuals", "bodyparts", "coords"]
    if len(columns[0]) == 3:
        levels.remove("individuals")
    extra = index[0].count(",")
    lines = [
        ",".join([level, *[""] * extra, *names])
        for level, names in zip(levels, zip(*columns, strict=True), strict=True)
    ]
    for name, row in zip(index, values.tolist(), strict=True):
        lines.append(",".join([name, *("" if value != value else repr(value) for value in row)]))
    return "\n".join(lines) + "\n"


def write_deeplabcut_h5(path: Path, columns: list, values: np.ndarray, index: np.ndarray, **options: Any) -> None:
    """As ``DataFrame.to_hdf(key="df_with_missing", format="table")`` of pandas 3.1 with PyTables 3.11."""
    import h5py

    rows = np.zeros(len(values), [("index", "<i8"), ("values_block_0", "<f8", (values.shape[1],))])
    rows["index"], rows["values_block_0"] = index, values
    with h5py.File(path, "w") as file:
        group = file.create_group("df_with_missing")
        group.attrs["pandas_type"] = np.bytes_(b"frame_table")
        group.attrs["non_index_axes"] = np.bytes_(pickle.dumps([(1, columns)], protocol=0))
        table = group.create_dataset("table", data=rows, chunks=(512,), maxshape=(None,), **options)
        table.attrs["CLASS"] = np.bytes_(b"TABLE")
        table.attrs["values_block_0_kind"] = np.bytes_(pickle.dumps(columns, protocol=0))
        group.create_group("_i_table").create_group("index").attrs["CLASS"] = np.bytes_(b"INDEX")


def objects(frames: list) -> np.ndarray:
    """What older versions of NumPy make of lists of different lengths."""
    made = np.empty((len(frames), 2), dtype=object)
    for row, frame in zip(made, frames, strict=True):
        row[0], row[1] = frame
    return made


SPORTS2D = "Hip RHip RKnee RAnkle RBigToe RSmallToe RHeel LHip LKnee LAnkle LBigToe LSmallToe LHeel Neck Head Nose "
SPORTS2D += "RShoulder RElbow RWrist LShoulder LElbow LWrist"


def sports2d_trc(values: np.ndarray, names: list[str]) -> str:
    """A TRC file in pixels as Sports2D writes it."""
    frames, joints = values.shape[:2]
    keys = "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames"
    lines = [
        "PathFileType\t4\t(X/Y/Z)\tdemo_Sports2D_px_person00.trc",
        keys,
        f"30.0\t30.0\t{frames}\t{joints}\tm\t30.0\t0\t{frames}",
        "Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t\t",
        "\t\t" + "\t".join(f"X{i + 1}\tY{i + 1}\tZ{i + 1}" for i in range(joints)),
    ]
    for frame, row in enumerate(values.tolist()):
        cells = ["" if value != value else repr(value) for joint in row for value in joint]
        lines.append("\t".join([str(frame), repr(frame / 30.0), *cells]))
    return "\n".join(lines) + "\n"
