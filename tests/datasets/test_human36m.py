"""Human3.6M: small files in the layout of the real ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from skelgraph import as_skeleton
from skelgraph.datasets.cameras import H36M_CAMERAS, read_cameras
from skelgraph.datasets.human36m import H36M_KEYPOINTS, H36M_SUBJECTS, Human36M
from skelgraph.datasets.mocap import HOURGLASS_JOINTS
from skelgraph.datasets.preparation import check_human36m
from skelgraph.errors import DataError, SkelgraphError
from skelgraph.geometry import project, world_to_camera
from skelgraph.training import TrainConfig
from skelgraph.viz.drawing import rest_positions

# VideoPose3D's list of the joints that it drops from the 32 of the raw files.
DROPPED = [4, 5, 9, 10, 11, 16, 20, 21, 22, 23, 24, 28, 29, 30, 31]
KEPT = [joint for joint in range(32) if joint not in DROPPED]
SUBJECTS = [*H36M_SUBJECTS["train"], *H36M_SUBJECTS["test"]]
METADATA = {
    "layout_name": "h36m",
    "num_joints": 17,
    "keypoints_symmetry": [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]],
}


def save(path: Path, **members: Any) -> Path:
    np.savez_compressed(path, **members)
    return path


def positions(joints: int = 32, subjects: list[str] = SUBJECTS) -> dict[str, dict[str, np.ndarray]]:
    """For every subject two takes of one action and one of another, 6, 3 and 4 frames."""
    rng = np.random.default_rng(0)
    rest = rest_positions(as_skeleton("h36m32"))[:joints]
    figure = np.stack([rest[:, 0], np.zeros(joints), rest[:, 1]], -1)
    takes = {"Walking 1": 6, "Walking": 3, "Eating 2": 4}
    return {
        subject: {
            action: (figure + rng.normal(scale=0.02, size=(frames, joints, 3))).astype(np.float32)
            for action, frames in takes.items()
        }
        for subject in subjects
    }


def keypoints(motion: dict[str, dict[str, np.ndarray]], joints: int = 17, extra: int = 2) -> dict[str, dict[str, Any]]:
    rng = np.random.default_rng(1)
    return {
        subject: {
            action: [rng.uniform(0, 1000, size=(len(array) + extra, joints, 2)).astype(np.float32) for _ in range(4)]
            for action, array in actions.items()
        }
        for subject, actions in motion.items()
    }


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a position file and CPN keypoints."""
    motion = positions()
    save(tmp_path / "data_3d_h36m.npz", positions_3d=motion)
    save(tmp_path / H36M_KEYPOINTS["cpn"], positions_2d=keypoints(motion), metadata=METADATA)
    return tmp_path


def test_camera_axes_and_projection(golden: Callable[[str], Any], tmp_path: Path) -> None:
    """The reference's world points, one action for each camera, seen by that camera."""
    g = golden("protocol_camera")
    world = g.arrays["in/X_world"]  # (subject, camera, frame, joint, 3)
    motion: dict[str, dict[str, np.ndarray]] = {}
    for s, subject in enumerate(g.arrays["in/subjects"]):
        motion[str(subject)] = {}
        for c in range(4):
            raw = np.full((world.shape[2], 32, 3), 7.0)
            raw[:, KEPT] = world[s, c]
            motion[str(subject)][f"Camera{c} 1"] = raw
    path = save(tmp_path / "data_3d_h36m.npz", positions_3d=motion)

    dataset = Human36M(path, subjects=list(motion))
    for i, clip in enumerate(dataset.clips):
        c = int(clip.action_name.removeprefix("Camera"))
        if clip.camera != read_cameras(H36M_CAMERAS, ["S1"])["S1"][c].id:
            continue
        rows = dataset.clip_id == i
        expected = g["out/X_camera"][dataset.subjects.index(clip.subject), c]
        absolute = dataset.poses_3d[rows] + dataset.root_3d[rows][:, None]
        torch.testing.assert_close(absolute.double(), expected, atol=2e-6, rtol=0)
        torch.testing.assert_close(dataset.poses_3d[rows].double(), expected - expected[:, :1], atol=1e-6, rtol=0)
        seen = project(expected, g["out/intrinsic_normalised"][c], "human36m")
        torch.testing.assert_close(dataset.keypoints_2d[rows].double(), seen, atol=1e-6, rtol=0)
    assert len(dataset) == 7 * 4 * 4 * world.shape[2]


def test_splits_order_and_names(files: Path) -> None:
    train = Human36M(files / "data_3d_h36m.npz")
    test = Human36M(files / "data_3d_h36m.npz", split="test")
    assert train.subjects == ("S1", "S5", "S6", "S7", "S8")
    assert test.subjects == ("S9", "S11")
    assert len(train) == 5 * 4 * 13
    assert train.actions == ("Eating", "Walking")
    assert (train.name, train.split, train.frame_rate, train.is_synthetic) == ("human36m", "train", 50.0, False)
    assert [(clip.action, clip.camera) for clip in train.clips[3:5]] == [
        ("Walking 1", "60457274"),
        ("Walking", "54138969"),
    ]
    assert Human36M(files / "data_3d_h36m.npz", subjects=["S8", "S9"]).subjects == ("S8", "S9")
    assert len(Human36M(files / "data_3d_h36m.npz", downsample=4)) == 5 * 4 * (2 + 1 + 1)


@pytest.mark.parametrize(("name", "dropped"), [("h36m17", DROPPED), ("h36m16", [*DROPPED, 14])])
def test_joints_of_the_raw_files(files: Path, name: str, dropped: list[int]) -> None:
    raw = positions()["S9"]["Walking 1"]
    # Also as reading a file of the joints that are kept, which needs no selection.
    kept = {"S9": {"Walking 1": np.delete(raw, dropped, axis=1)}}
    expected = Human36M(save(files / "kept.npz", positions_3d=kept), subjects=["S9"], skeleton=name)
    found = Human36M(files / "data_3d_h36m.npz", subjects=["S9"], skeleton=name)
    assert torch.equal(found.poses_3d[: len(expected.clips) * 6], expected.poses_3d)
    assert found.skeleton == as_skeleton(name)


def test_sixteen_joints_of_seventeen(files: Path) -> None:
    """2D files have 17 joints; the layout of 16 leaves out number 9, neck/nose."""
    path = files / "data_3d_h36m.npz"
    full = Human36M(path, keypoints="cpn", split="test")
    less = Human36M(path, keypoints="cpn", split="test", skeleton="h36m16")
    assert torch.equal(less.keypoints_2d, full.keypoints_2d[:, [*range(9), *range(10, 17)]])
    assert torch.equal(less.poses_3d, full.poses_3d[:, [*range(9), *range(10, 17)]])


SIXTEEN = [*range(9), *range(10, 17)]
SIDES_16 = [[4, 5, 6, 10, 11, 12], [1, 2, 3, 13, 14, 15]]
RAW_SIDES = [[3, 4, 5, 13, 14, 15], [0, 1, 2, 10, 11, 12]]
RAW_TO_16 = [6, 2, 1, 0, 3, 4, 5, 7, 8, 9, 13, 14, 15, 12, 11, 10]


def filmed(motion: dict[str, dict[str, np.ndarray]], extra: int = 0) -> dict[str, dict[str, Any]]:
    """The keypoints of the cameras themselves, 17 joints, ``extra`` frames longer."""
    cameras = read_cameras(H36M_CAMERAS, list(motion))
    seen: dict[str, dict[str, Any]] = {}
    for subject, actions in motion.items():
        seen[subject] = {}
        for action, world in actions.items():
            long = torch.tensor(np.concatenate((world, world[-1:].repeat(extra, 0))))[:, KEPT].double()
            seen[subject][action] = [
                project(
                    world_to_camera(
                        long, *(torch.tensor(n).double() for n in (camera.orientation, camera.translation))
                    ),
                    torch.tensor(camera.intrinsics).double(),
                    camera.distortion,
                ).numpy()
                for camera in cameras[subject]
            ]
    return seen


def picked(seen: dict[str, dict[str, Any]], joints: list[int]) -> dict[str, dict[str, Any]]:
    return {s: {a: [xy[:, joints] for xy in views] for a, views in takes.items()} for s, takes in seen.items()}


@pytest.mark.parametrize("joints", [16, 17])
def test_files_of_16_and_17_joints_under_one_name(tmp_path: Path, joints: int) -> None:
    motion = positions()
    path = save(tmp_path / "data_3d_h36m.npz", positions_3d=motion)
    seen, metadata = filmed(motion), METADATA
    if joints == 16:
        seen, metadata = picked(seen, SIXTEEN), {"num_joints": 16, "keypoints_symmetry": SIDES_16}
    data_2d = save(tmp_path / H36M_KEYPOINTS["gt"], positions_2d=seen, metadata=metadata)
    given = Human36M(path, data_2d, split="test", skeleton="h36m16")
    projected = Human36M(path, split="test", skeleton="h36m16")
    torch.testing.assert_close(given.keypoints_2d, projected.keypoints_2d, atol=1e-6, rtol=0)
    if joints == 16:
        with pytest.raises(DataError, match="metadata: found num_joints 16, expected 17 or 32 for skeleton h36m17"):
            Human36M(path, data_2d, split="test")
    else:
        assert Human36M(path, data_2d, split="test").keypoints_2d.shape[1] == 17


@pytest.mark.filterwarnings("error")
def test_hrnet_has_16_joints_and_no_metadata(tmp_path: Path) -> None:
    motion = positions()
    path = save(tmp_path / "data_3d_h36m.npz", positions_3d=motion)
    save(tmp_path / "data_2d_h36m_hr.npz", positions_2d=picked(filmed(motion, extra=3), SIXTEEN))
    found = Human36M(path, keypoints="hr", split="test", skeleton="h36m16")
    projected = Human36M(path, split="test", skeleton="h36m16")
    torch.testing.assert_close(found.keypoints_2d, projected.keypoints_2d, atol=1e-6, rtol=0)
    with pytest.raises(DataError, match=r"hr\.npz: .*found 16 joints, expected the 17"):
        Human36M(path, keypoints="hr", split="test")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("keypoints", ["sh", "sh_pt_mpii"])
@pytest.mark.parametrize("raw", [True, False])
def test_both_orders_of_the_stacked_hourglass(tmp_path: Path, keypoints: str, raw: bool) -> None:
    motion = positions()
    path = save(tmp_path / "data_3d_h36m.npz", positions_3d=motion)
    seen, metadata = picked(filmed(motion), SIXTEEN), {"num_joints": 16, "keypoints_symmetry": SIDES_16}
    if raw:
        seen, metadata = (
            picked(seen, np.argsort(RAW_TO_16).tolist()),
            {"num_joints": 16, "keypoints_symmetry": RAW_SIDES},
        )
        assert seen["S9"]["Walking"][0][0, RAW_TO_16[3]].tolist() == filmed(motion)["S9"]["Walking"][0][0, 3].tolist()
    name = {"sh": "data_2d_h36m_sh_ft_h36m.npz", "sh_pt_mpii": "data_2d_h36m_sh_pt_mpii.npz"}[keypoints]
    save(tmp_path / name, positions_2d=seen, metadata=metadata)
    found = Human36M(path, keypoints=keypoints, split="test", skeleton="h36m16")
    projected = Human36M(path, split="test", skeleton="h36m16")
    torch.testing.assert_close(found.keypoints_2d, projected.keypoints_2d, atol=1e-6, rtol=0)
    assert torch.equal(found.poses_3d, projected.poses_3d)

    for wrong, message in (({"num_joints": 16}, "has no keypoints_symmetry"), (None, "has no keypoints_symmetry")):
        save(tmp_path / name, positions_2d=seen, **({} if wrong is None else {"metadata": wrong}))
        with pytest.raises(DataError, match=rf"{name}: metadata: {message}, which alone tells in which of two orders"):
            Human36M(path, keypoints=keypoints, split="test", skeleton="h36m16")
    save(tmp_path / name, positions_2d=seen, metadata={"num_joints": 16, "keypoints_symmetry": SIDES_16[::-1]})
    with pytest.raises(DataError, match=r"expected left .* as in skeleton h36m16"):
        Human36M(path, keypoints=keypoints, split="test", skeleton="h36m16")


def test_the_orders_of_hourglass_joints_agree_with_the_layouts() -> None:
    raw, ours = as_skeleton("mpii16").joint_names, as_skeleton("h36m16").joint_names
    assert list(HOURGLASS_JOINTS) == RAW_TO_16
    odd = {"hip": "pelvis", "spine": "thorax", "thorax": "upper_neck", "head": "head_top"}
    assert [raw[i] for i in HOURGLASS_JOINTS] == [odd.get(joint, joint.replace("foot", "ankle")) for joint in ours]


def test_keypoints_of_a_detector(files: Path) -> None:
    path = files / "data_3d_h36m.npz"
    found = Human36M(path, keypoints="cpn", split="test")
    given = Human36M(path, files / H36M_KEYPOINTS["cpn"], split="test")
    assert torch.equal(found.keypoints_2d, given.keypoints_2d)
    pixels = keypoints(positions())["S9"]["Walking 1"][1][:6]  # two frames longer than the positions
    second = found.keypoints_2d[found.clip_id == 1]
    expected = torch.from_numpy(pixels) / 1000 * 2 - torch.tensor([1, 1.0])  # 1000 x 1000 pixels
    torch.testing.assert_close(second, expected, atol=1e-6, rtol=0)
    assert (found.keypoints, Human36M(path, split="test").keypoints) == ("cpn", "gt")


@pytest.mark.parametrize(("name", "file"), H36M_KEYPOINTS.items())
def test_the_name_in_that_of_the_file_stands_for_the_keypoints(files: Path, name: str, file: str) -> None:
    """Everywhere, so that a run with the one goes on with the other."""
    long = file.removeprefix("data_2d_h36m_").removesuffix(".npz")
    assert TrainConfig("x").replace(keypoints=long) == TrainConfig("x").replace(keypoints=name)
    path, data_2d = files / "data_3d_h36m.npz", files / file
    (files / H36M_KEYPOINTS["cpn"]).rename(data_2d)
    assert Human36M(path, keypoints=long, split="test", unchecked=True).keypoints == name
    assert check_human36m(path, keypoints=long) == check_human36m(path, keypoints=name)
    with pytest.raises(SkelgraphError, match=r"keypoints is 'detectron_pt_coco'; expected 'gt', .* 'sh_pt_mpii'"):
        check_human36m(path, keypoints="detectron_pt_coco")


def test_missing_detections_tell_where_they_were_looked_for(files: Path) -> None:
    with pytest.raises(DataError, match=r"data_2d_h36m_hr\.npz: there is no such file.*beside .*VideoPose3D") as caught:
        Human36M(files / "data_3d_h36m.npz", keypoints="hr")
    assert str(files) in str(caught.value)
    with pytest.raises(
        SkelgraphError,
        match=r"keypoints is 'cnp'; expected 'gt', 'cpn' \('cpn_ft_h36m_dbb'\), 'hr', .*did you mean 'cpn'",
    ):
        Human36M(files / "data_3d_h36m.npz", keypoints="cnp")
    with pytest.raises(SkelgraphError, match="unknown split 'val'"):
        Human36M(files / "data_3d_h36m.npz", split="val")


def test_errors_name_the_file_and_what_is_there(files: Path) -> None:
    some = save(files / "some.npz", positions_3d=positions(subjects=["S1", "S9"]))
    with pytest.raises(DataError, match=r"some\.npz: positions_3d: has no subject 'S5'; it has: S1, S9"):
        Human36M(some)
    with pytest.raises(DataError, match=r"cameras_h36m\.json: no cameras for subject 'S2'; .*: S1, S5"):
        Human36M(some, subjects=["S2"])
    fifteen = save(files / "fifteen.npz", positions_3d=positions(joints=15))
    with pytest.raises(DataError, match=r"fifteen\.npz: subject S1, action 'Walking 1'.* 15 joints, expected the 17"):
        Human36M(fifteen)
    broken = positions()
    broken["S6"]["Eating 2"][2, 3] = np.nan
    with pytest.raises(DataError, match=r"nan\.npz: subject S6, action 'Eating 2', camera 54138969.* 1 of 4 frames"):
        Human36M(save(files / "nan.npz", positions_3d=broken))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("cameras", "subject S5, action 'Walking': found keypoints of 3 cameras, expected 4 arrays.*55011271"),
        ("no list", "subject S5, action 'Walking': found keypoints of dict cameras"),
        ("short", r"subject S5, action 'Walking', camera 58860488: found 2 frames of keypoints, expected at least 3"),
        ("action", "subject S5: has no action 'Walking'; it has: Walking 1, Eating 2"),
        ("subject", "positions_2d: has no subject 'S5'; it has: S1, S6"),
        ("no subjects", "positions_2d: found ndarray, expected a dictionary"),
        ("joints", "subject S5, action 'Walking', camera 58860488: keypoints: found 16 joints, expected the 17"),
    ],
)
def test_faults_of_the_2d_file(files: Path, fault: str, message: str) -> None:
    pixels: Any = keypoints(positions(), extra=0)
    if fault == "cameras":
        pixels["S5"]["Walking"].pop()
    elif fault == "no list":
        pixels["S5"]["Walking"] = {}
    elif fault == "short":
        pixels["S5"]["Walking"][2] = pixels["S5"]["Walking"][2][1:]
    elif fault == "action":
        del pixels["S5"]["Walking"]
    elif fault == "subject":
        del pixels["S5"]
    elif fault == "joints":
        pixels["S5"]["Walking"][2] = pixels["S5"]["Walking"][2][:, 1:]
    else:
        pixels = [pixels]
    path = save(files / "two.npz", positions_2d=pixels)
    with pytest.raises(DataError, match=message) as caught:
        Human36M(files / "data_3d_h36m.npz", path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"num_joints": 15}, "found num_joints 15, expected 17 or 32 for skeleton h36m17"),
        ({"num_joints": [17]}, r"found num_joints \[17\]"),
        (METADATA | {"keypoints_symmetry": [[1, 2, 3, 14, 15, 16], [4, 5, 6, 11, 12, 13]]}, "keypoints_symmetry left"),
        (METADATA | {"keypoints_symmetry": [[1, 2], [3]]}, "not a pair of equally long lists"),
        ({"keypoints_symmetry": None}, "not a pair of equally long lists"),
    ],
)
def test_metadata_of_another_skeleton(files: Path, metadata: dict[str, Any], message: str) -> None:
    path = save(files / "two.npz", positions_2d=keypoints(positions()), metadata=metadata)
    with pytest.raises(DataError, match=r"two\.npz: metadata: .*" + message):
        Human36M(files / "data_3d_h36m.npz", path)
