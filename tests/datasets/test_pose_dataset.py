"""The common form of all motion: values, PyG's ways of using it, and the errors of bad clips."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from skelgraph import as_skeleton
from skelgraph.datasets.cameras import Camera
from skelgraph.datasets.pose_dataset import Clip, MotionClip, PoseDataset, kept_frames
from skelgraph.errors import DataError, SkelgraphError
from skelgraph.geometry import camera_to_world, denormalize_screen

Make = Callable[..., PoseDataset]


def build(*clips: MotionClip, **options: object) -> PoseDataset:
    settings: dict[str, Any] = {"skeleton": "h36m17", "name": "test", "split": "train", "frame_rate": 50.0, **options}
    settings.setdefault("unchecked", True)  # most tests film random joints
    return PoseDataset(clips, **settings)


@pytest.fixture
def motion(camera: Camera) -> MotionClip:
    return MotionClip("S1", "Walking 1", camera, np.random.default_rng(1).normal(scale=0.5, size=(6, 17, 3)))


def test_arrays_go_back_to_the_world_and_the_image(motion: MotionClip) -> None:
    keypoints = np.random.default_rng(2).uniform(0, 1000, size=(6, 17, 2))
    dataset = build(dataclasses.replace(motion, keypoints=keypoints))
    camera = motion.camera
    for array, shape in [("keypoints_2d", (6, 17, 2)), ("poses_3d", (6, 17, 3)), ("root_3d", (6, 3))]:
        assert getattr(dataset, array).shape == shape
        assert getattr(dataset, array).dtype == torch.float32

    absolute = dataset.poses_3d + dataset.root_3d[:, None]
    world = camera_to_world(absolute, torch.tensor(camera.orientation), torch.tensor(camera.translation))
    torch.testing.assert_close(world.double(), torch.from_numpy(motion.positions), atol=1e-5, rtol=0)
    assert dataset.poses_3d[:, 0].abs().max() == 0
    pixels = denormalize_screen(dataset.keypoints_2d, camera.width, camera.height)
    torch.testing.assert_close(pixels.double(), torch.from_numpy(keypoints), atol=1e-3, rtol=0)


def test_axes_are_right_down_forward(camera: Camera) -> None:
    """The camera stands at y = -5 and looks along +y with z up: right is +x, down is -z, forward is +y."""
    positions = np.zeros((1, 17, 3))
    positions[0, 1] = [0.3, 0.2, 0.1]
    dataset = build(MotionClip("S1", "Stand", camera, positions))
    torch.testing.assert_close(dataset.poses_3d[0, 1], torch.tensor([0.3, -0.1, 0.2]))
    torch.testing.assert_close(dataset.root_3d[0], torch.tensor([0.0, 1.0, 5.0]))
    hip, other = dataset.keypoints_2d[0, 0], dataset.keypoints_2d[0, 1]
    assert other[0] > hip[0]  # farther to the right
    assert other[1] < hip[1]  # higher up


def test_projects_where_there_are_no_keypoints(motion: MotionClip) -> None:
    """Against the projection formula of Human3.6M written out."""
    dataset = build(motion)
    fx, fy, cx, cy, k1, k2, k3, p1, p2 = motion.camera.intrinsics
    x, y, z = (dataset.poses_3d + dataset.root_3d[:, None]).double().unbind(-1)
    u, v = x / z, y / z
    r2 = u**2 + v**2
    factor = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3 + p1 * u + p2 * v
    pixels = torch.stack([fx * (u * factor + p1 * r2) + cx, fy * (v * factor + p2 * r2) + cy], -1)
    expected = pixels / 1000 * 2 - torch.tensor([1, 1.002])
    torch.testing.assert_close(dataset.keypoints_2d.double(), expected, atol=1e-6, rtol=0)


def test_clips_and_actions(make_dataset: Make, camera: Camera) -> None:
    dataset = make_dataset([3, 2, 4], actions=["Walking 1", "Eating", "Walking 2"])
    assert dataset.actions == ("Eating", "Walking")
    assert dataset.subjects == ("S1",)
    assert dataset.clip_id.tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 2]
    assert dataset.action_id.tolist() == [1, 1, 1, 0, 0, 1, 1, 1, 1]
    assert dataset.clips[2] == Clip(
        "S1",
        "Walking 2",
        "front",
        start=5,
        length=4,
        intrinsics=camera.intrinsics,
        width=1000,
        height=1002,
        orientation=camera.orientation,
        translation=camera.translation,
        distortion="human36m",
    )
    assert dataset.clips[2].action_name == "Walking"


def test_downsample_keeps_every_second_frame(motion: MotionClip) -> None:
    motion = dataclasses.replace(motion, keypoints=np.random.default_rng(2).uniform(0, 1000, size=(8, 17, 2)))
    full, half = build(motion), build(motion, downsample=2)
    assert len(half) == 3
    assert half.frame_rate == 25
    assert half.clips[0].length == 3
    torch.testing.assert_close(half.poses_3d, full.poses_3d[::2])
    torch.testing.assert_close(half.keypoints_2d, full.keypoints_2d[::2])


@pytest.mark.parametrize(
    ("length", "downsample", "subset", "kept"),
    [  # the first bytes of the SHA-256 of "1000" are 40 51 01 75, little-endian 0.457051 of 2^32 - 1, and so on
        (1000, 1, 0.1, (411, 511, 1)),  # 0.457051 * 901 places
        (1612, 5, 0.1, (1032, 1192, 5)),  # 76 ce d5 b5, 0.710293; 322 // 10 = 32 times 5 frames
        (37, 1, 0.5, (4, 22, 1)),  # 7a 61 b5 37, 0.217611; 18.5 is rounded to the even number
        (4, 1, 0.1, (2, 2, 1)),  # 4b 22 77 77: less than a frame
        (37, 4, 1.0, (0, 37, 4)),
    ],
)
def test_place_of_a_subset(length: int, downsample: int, subset: float, kept: tuple[int, int, int]) -> None:
    assert kept_frames(length, downsample, subset) == slice(*kept)


def test_a_subset_is_cut_of_positions_keypoints_and_masks(camera: Camera) -> None:
    rng = np.random.default_rng(3)
    visible = rng.uniform(size=(37, 17)) > 0.2
    visible[:, 0] = True
    clips = [
        MotionClip(
            "S1", "Walk", camera, rng.normal(size=(n, 17, 3)), rng.uniform(0, 1000, (n + 3, 17, 3)) % 1, visible[:n]
        )
        for n in (37, 1, 21)
    ]
    full, part = build(*clips), build(*clips, subset=0.5, downsample=2)
    rows = [*range(4, 22, 2), *(38 + start for start in range(*kept_frames(21, 2, 0.5).indices(21)))]
    assert [clip.length for clip in part.clips] == [9, 5]
    for name in ("poses_3d", "root_3d", "keypoints_2d", "confidence", "visible_3d"):
        assert torch.equal(getattr(part, name), getattr(full, name)[rows])
    with pytest.raises(SkelgraphError, match="subset is 0; expected a number of at most 1 and above 0"):
        build(*clips, subset=0)


def test_actions_are_chosen_by_their_name_or_take(motion: MotionClip) -> None:
    clips = [dataclasses.replace(motion, action=action) for action in ("Sit 1", "SitDown 2", "Sit", "Walk 2")]
    assert [clip.action for clip in build(*clips, actions=["Sit"]).clips] == ["Sit 1", "Sit"]
    assert [clip.action for clip in build(*clips, actions=("Walk", "Sit 1")).clips] == ["Sit 1", "Walk 2"]
    assert build(*clips, actions=["Walk"]).actions == ("Walk",)
    with pytest.raises(DataError, match=r"three\.npz: unknown action 'Sti'; did you mean Sit"):
        build(*clips, actions=["Walk", "Sti"], sources=("three.npz", "two.npz"))


def test_longer_keypoints_are_cut_at_the_end(motion: MotionClip) -> None:
    keypoints = np.random.default_rng(2).uniform(0, 1000, size=(9, 17, 2))
    long = build(dataclasses.replace(motion, keypoints=keypoints))
    cut = build(dataclasses.replace(motion, keypoints=keypoints[:6]))
    assert torch.equal(long.keypoints_2d, cut.keypoints_2d)


def test_tensors_and_arrays_are_the_same(motion: MotionClip) -> None:
    tensor = dataclasses.replace(motion, positions=torch.from_numpy(motion.positions))
    assert torch.equal(build(motion).poses_3d, build(tensor).poses_3d)


def test_mean_pose_of_a_view(make_dataset: Make) -> None:
    dataset = make_dataset([5, 4])
    torch.testing.assert_close(dataset.mean_pose(), dataset.poses_3d.mean(0))
    torch.testing.assert_close(dataset[[1, 7]].mean_pose(), dataset.poses_3d[[1, 7]].mean(0))


def test_items_are_graphs(make_dataset: Make) -> None:
    dataset = make_dataset([3, 4])
    data = dataset[4]
    assert isinstance(data, Data)
    data.validate()
    assert torch.equal(data.x, dataset.keypoints_2d[4])
    assert torch.equal(data.y, dataset.poses_3d[4])
    assert torch.equal(data.edge_index, as_skeleton("h36m17").edge_index)
    assert (data.subject, data.action, data.camera, data.num_nodes) == ("S1", "Walk 1", "front", 17)
    assert dataset.num_node_features == 2
    assert torch.equal(dataset[-1].x, dataset.keypoints_2d[6])
    assert repr(dataset) == "PoseDataset(7)"


@pytest.mark.parametrize(
    "index",
    [slice(2, 6), slice(None, None, 3), [4, 0, 4], torch.tensor([5, 1]), np.array([6]), torch.arange(7) > 4],
    ids=["slice", "step", "list", "tensor", "array", "mask"],
)
def test_views(make_dataset: Make, index: object) -> None:
    dataset = make_dataset([3, 4])
    expected = torch.arange(7)[index].tolist()  # type: ignore[index]
    view = dataset[index]
    assert isinstance(view, PoseDataset)
    assert len(view) == len(expected)
    assert view.frames.tolist() == expected
    for data, i in zip(view, expected, strict=True):
        assert torch.equal(data.x, dataset.keypoints_2d[i])
    assert view[1:].frames.tolist() == expected[1:]
    assert len(dataset) == 7


def test_works_in_the_loader_of_pyg(make_dataset: Make) -> None:
    dataset = make_dataset([3, 4])
    batches = list(DataLoader(dataset[1:], batch_size=4))
    assert [batch.num_graphs for batch in batches] == [4, 2]
    assert torch.equal(torch.cat([batch.y for batch in batches]).view(6, 17, 3), dataset.poses_3d[1:])
    assert batches[0].edge_index.max() == 4 * 17 - 1
    assert batches[1].action == ["Walk 1", "Walk 1"]


def test_transform_is_applied(make_dataset: Make) -> None:
    dataset = make_dataset([3])
    dataset.transform = lambda data: data.x
    assert torch.equal(dataset[1], dataset.keypoints_2d[1])


def test_pickle_and_copy(make_dataset: Make) -> None:
    dataset = make_dataset([3, 4])[2:]
    for other in (pickle.loads(pickle.dumps(dataset)), dataset.copy()):
        assert other.clips == dataset.clips
        assert other.skeleton == dataset.skeleton
        assert torch.equal(other[1].x, dataset[1].x)
        other.keypoints_2d.zero_()
    assert dataset.keypoints_2d.abs().sum() > 0
    assert dataset.copy([0]).frames.tolist() == [2]


def test_to_moves_every_tensor(make_dataset: Make) -> None:
    dataset = make_dataset([3, 4])
    assert dataset.to("meta") is dataset
    assert {name for name, value in vars(dataset).items() if isinstance(value, torch.Tensor)} == set(dataset._arrays)
    for name in dataset._arrays:
        assert getattr(dataset, name).device.type == "meta"


def test_other_skeleton(make_dataset: Make) -> None:
    dataset = make_dataset([2], skeleton_name="h36m16")
    assert dataset[0].x.shape == (16, 2)
    assert dataset[0].num_nodes == 16


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"positions": np.zeros((6, 15, 3))}, r"found 15 joints, expected the 17 of skeleton h36m17"),
        ({"positions": np.zeros((6, 17, 2))}, r"shape \(6, 17, 2\), expected \(frames, 17, 3\)"),
        ({"positions": np.zeros((17, 3))}, r"shape \(17, 3\), expected \(frames, 17, 3\)"),
        ({"positions": np.zeros((0, 17, 3))}, r"shape \(0, 17, 3\), expected"),
        ({"positions": {"x": 1}}, "are not an array of numbers"),
        ({"positions": np.full((6, 17, 3), "x")}, "are not an array of numbers"),
        ({"positions": np.full((6, 17, 3), np.nan)}, "NaN or infinite in 6 of 6 frames, first in frame 0"),
        ({"keypoints": np.full((6, 17, 2), np.inf)}, "keypoints: NaN or infinite in 6 of 6 frames"),
        ({"keypoints": np.zeros((5, 17, 2))}, "found 5 frames of keypoints, expected at least 6"),
        ({"keypoints": np.zeros((6, 16, 2))}, "keypoints: found 16 joints, expected the 17"),
        ({"keypoints": np.zeros((6, 17, 4))}, r"keypoints: found an array of shape \(6, 17, 4\), expected .* 2 or 3\)"),
    ],
)
def test_bad_clips(motion: MotionClip, change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        build(dataclasses.replace(motion, **change), sources=("three.npz", "two.npz"))  # type: ignore[arg-type]
    assert ("two.npz" if "keypoints" in change else "three.npz") in str(caught.value)
    assert "subject S1, action 'Walking 1', camera front" in str(caught.value)


def test_bad_options(motion: MotionClip) -> None:
    with pytest.raises(DataError, match="downsample is 0"):
        build(motion, downsample=0)
    with pytest.raises(DataError, match="no motion for split 'train'"):
        build()
    with pytest.raises(SkelgraphError, match="h36m17"):
        build(motion, skeleton="h36m71")
