"""Windows and their batches: against VideoPose3D's generator, against loops, and over several processes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelgraph.datasets.cameras import Camera
from skelgraph.datasets.pose_dataset import MotionClip, PoseDataset
from skelgraph.datasets.windows import PoseBatch, PoseWindows
from skelgraph.errors import DataError, SkelgraphError
from skelgraph.geometry import mirror, normalize_intrinsics, project

Make = Callable[..., PoseDataset]


@pytest.mark.parametrize("case", ["pad0", "pad3", "pad2_single_target", "stride3_pad2"])
def test_equals_the_generator_of_videopose3d(make_dataset: Make, golden: Callable[[str], Any], case: str) -> None:
    """Its chunks; it orders by sequence, plain before flipped, and we put all flipped ones last."""
    g = golden("protocol_chunks")
    lengths = g["in/lengths"].tolist()
    dataset = make_dataset(lengths)
    dataset.keypoints_2d = torch.cat([g[f"in/seq2d_{i}"] for i in range(len(lengths))])
    dataset.poses_3d = torch.cat([g[f"in/seq3d_{i}"] for i in range(len(lengths))])
    options = g.meta["cases"][case]
    chunk = options["chunk"]
    windows = dataset.windows(frames=chunk + 2 * options["pad"], stride=chunk, flip=options["augment"])

    starts = torch.tensor([clip.start for clip in dataset.clips])
    flipped = g[f"out/{case}/flip"]
    frame = starts[g[f"out/{case}/seq"]] + g[f"out/{case}/bounds"].sum(1) // 2  # the centre of [start, end)
    whole = windows[:]
    found = list(zip(whole.frame.tolist(), whole.flipped.tolist(), strict=True))
    expected = list(zip(frame.tolist(), flipped.tolist(), strict=True))
    assert sorted(found) == sorted(expected)

    selected = g[f"out/{case}/sel"]
    batch = windows[torch.tensor([found.index(expected[i]) for i in selected.tolist()])]
    target = g[f"out/{case}/x3d"]
    g.assert_close(batch.keypoints_2d, f"out/{case}/x2d")
    torch.testing.assert_close(batch.poses_3d, target[:, target.shape[1] // 2], **g.tolerance)
    assert torch.equal(batch.frame, frame[selected])
    assert torch.equal(batch.flipped, flipped[selected])


def by_loops(
    dataset: PoseDataset,
    frames: int,
    stride: int,
    flip: bool,
    backwards: bool = False,
    causal: bool = False,
    targets: str = "centre",
) -> PoseBatch:
    """Every window, one frame after the other."""
    rows = []
    signs = {"root": torch.tensor([-1.0, 1, 1]), "camera": torch.tensor([1.0, 1, -1, 1, 1, 1, 1, -1, 1])}
    copies = [(False, False)] + [(False, True)] * backwards + [(True, backwards)] * flip
    for flipped, runs_back in copies:
        for clip in dataset.clips:
            chunks = -(-clip.length // stride)
            offset = (chunks * stride - clip.length) // 2
            for chunk in range(chunks):
                centre = chunk * stride - offset + (stride - 1) // 2
                steps = [k - (frames - 1 if causal else frames // 2) for k in range(frames)]
                times = [centre - step if runs_back else centre + step for step in steps]
                times = [min(max(time, 0), clip.length - 1) for time in times]
                x = torch.stack([dataset.keypoints_2d[clip.start + time] for time in times])
                y = torch.stack([dataset.poses_3d[clip.start + time] for time in times])
                y = y if targets == "all" else y[frames - 1 if causal else frames // 2]
                root = dataset.root_3d[clip.start + centre]
                camera = normalize_intrinsics(torch.tensor(clip.intrinsics).double(), clip.width, clip.height).float()
                if flipped:
                    x, y = mirror(x, dataset.skeleton.mirror_index), mirror(y, dataset.skeleton.mirror_index)
                    root, camera = root * signs["root"], camera * signs["camera"]
                rows.append((x, y, torch.tensor(clip.start + centre), torch.tensor(flipped), root, camera))
    x, y, frame, is_flipped, root, camera = (torch.stack(column) for column in zip(*rows, strict=True))
    return PoseBatch(x, y, frame, is_flipped, root_3d=root, intrinsics=camera)


def of_each(function: Callable[[torch.Tensor], torch.Tensor], batch: PoseBatch) -> PoseBatch:
    """A batch of ``function`` of every entry that there is."""
    return PoseBatch(*(None if column is None else function(column) for column in batch))


def assert_equal(found: PoseBatch, expected: PoseBatch) -> None:
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)
        assert one is None or torch.equal(one, other)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(("frames", "stride"), [(1, 1), (3, 1), (9, 2), (27, 5)])
def test_equals_loops(make_dataset: Make, frames: int, stride: int, flip: bool) -> None:
    dataset = make_dataset([7, 1, 11, 4])
    windows = dataset.windows(frames, stride, flip)
    expected = by_loops(dataset, frames, stride, flip)
    assert len(windows) == len(expected.frame)
    assert_equal(windows[:], expected)
    pick = torch.tensor([len(windows) - 1, 0, 2, 2])
    assert_equal(windows[pick], of_each(lambda column: column[pick], expected))
    assert_equal(windows[1:-1:2], of_each(lambda column: column[1:-1:2], expected))
    assert_equal(windows[-1], of_each(lambda column: column[-1:], expected))
    with pytest.raises(IndexError):
        windows[len(windows)]


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("frames", [1, 9])
def test_targets_of_all_frames(make_dataset: Make, frames: int, flip: bool) -> None:
    """Beyond the ends of a clip they are repeated as the keypoints are."""
    dataset = make_dataset([7, 1, 11])
    windows = dataset.windows(frames, 2, flip, targets="all")
    assert windows[:].poses_3d.shape == (len(windows), frames, 17, 3)
    assert_equal(windows[:], by_loops(dataset, frames, 2, flip, targets="all"))
    dataset.visible_3d = torch.rand(len(dataset), 17) < 0.5
    batch = dataset.windows(frames, 2, flip, targets="all")[:]
    index = torch.tensor(dataset.skeleton.mirror_index)
    for i, first in enumerate(batch.frame.tolist()):
        clip = dataset.clips[dataset.clip_id[first]]
        rows = [
            min(max(first + k, clip.start), clip.start + clip.length - 1)
            for k in range(-(frames // 2), frames // 2 + 1)
        ]
        seen = dataset.visible_3d[rows]
        assert torch.equal(batch.visible_3d[i], seen[:, index] if batch.flipped[i] else seen)
    with pytest.raises(SkelgraphError, match="targets is 'last'; expected 'centre' or 'all'"):
        dataset.windows(targets="last")


@pytest.mark.parametrize("distortion", ["human36m", "opencv", "none"])
def test_each_window_is_seen_by_its_camera(camera: Camera, distortion: Any) -> None:
    """Mirrored ones too: other coefficients of the lens change their sign in each model."""
    lens = (0.0,) * 5 if distortion == "none" else (-0.2, 0.25, -0.003, 0.03, 0.05)
    cameras = [
        dataclasses.replace(
            camera, id=str(width), width=width, intrinsics=(1145.0, 1100.0, 520.0, 400.0, *lens), distortion=distortion
        )
        for width in (1000, 1400)
    ]
    rng = np.random.default_rng(0)
    clips = [MotionClip("S1", "Walk", one, rng.normal(scale=0.5, size=(5, 17, 3))) for one in cameras]
    dataset = PoseDataset(clips, skeleton="h36m17", name="test", split="train", frame_rate=50, unchecked=True)
    batch = dataset.windows(3, flip=True)[:]
    assert batch.flipped.sum() == 10
    assert batch.root_3d is not None
    assert batch.intrinsics is not None
    seen = project(batch.poses_3d + batch.root_3d[:, None], batch.intrinsics, distortion)
    torch.testing.assert_close(seen, batch.keypoints_2d[:, 1], rtol=1e-5, atol=1e-5)


def test_data_without_cameras(make_dataset: Make) -> None:
    dataset = make_dataset([4, 3])
    dataset.clips[1] = dataclasses.replace(dataset.clips[1], intrinsics=(0.0,) * 9)
    assert dataset.windows()[:].intrinsics is None


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(("frames", "stride"), [(1, 1), (3, 1), (9, 4), (5, 3)])
def test_backward_and_causal_windows_equal_loops(
    make_dataset: Make, frames: int, stride: int, flip: bool, causal: bool
) -> None:
    dataset = make_dataset([7, 1, 11, 4])
    windows = dataset.windows(frames, stride, flip, time_reversal=True, causal=causal)
    expected = by_loops(dataset, frames, stride, flip, True, causal)
    assert len(windows) == len(expected.frame) == (2 + flip) * len(dataset.windows(frames, stride))
    assert windows.target == (frames - 1 if causal else frames // 2)
    assert_equal(windows[:], expected)
    pick = torch.tensor([len(windows) - 1, 0, 3, 3])
    assert_equal(windows[pick], of_each(lambda column: column[pick], expected))
    assert_equal(windows[-2], of_each(lambda column: column[-2:-1], expected))


def test_a_causal_window_by_hand(make_dataset: Make) -> None:
    dataset = make_dataset([4, 5])
    dataset.keypoints_2d = torch.arange(9.0)[:, None, None].expand(9, 17, 2).clone()
    windows = dataset.windows(3, time_reversal=True, causal=True)
    shown = windows[:].keypoints_2d[..., 0, 0].tolist()
    assert shown[:6] == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3], [4, 4, 4], [4, 4, 5]]
    assert shown[9:13] == [[2, 1, 0], [3, 2, 1], [3, 3, 2], [3, 3, 3]]  # backwards, and still ending with the target
    chunks = dataset.windows(1, stride=4)
    assert chunks[:].frame.tolist() == [1, 4, 8]  # [0, 4) of 4 frames; of 5 [-1, 3), whose centre is 0, and [3, 7)


def test_a_view_selects_centre_frames_and_keeps_their_context(make_dataset: Make) -> None:
    dataset = make_dataset([6, 5])
    view = dataset[[7, 2]].windows(frames=3)
    assert_equal(view[:], dataset.windows(frames=3)[torch.tensor([7, 2])])
    assert dataset[3:].windows(stride=2)[:].frame.tolist() == [4, 6, 8, 10]


def test_a_batch_is_a_copy(make_dataset: Make) -> None:
    dataset = make_dataset([6])
    before = dataset.keypoints_2d.clone(), dataset.poses_3d.clone()
    batch = dataset.windows(frames=3, flip=True)[:]
    batch.keypoints_2d.zero_()
    batch.poses_3d.zero_()
    assert torch.equal(dataset.keypoints_2d, before[0])
    assert torch.equal(dataset.poses_3d, before[1])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_stays_on_the_gpu(make_dataset: Make) -> None:
    expected = make_dataset([7, 4]).windows(frames=3, flip=True).loader(5, shuffle=True)
    found = make_dataset([7, 4]).to("cuda").windows(frames=3, flip=True).loader(5, shuffle=True)
    for one, other in zip(found, expected, strict=True):
        assert one.keypoints_2d.is_cuda
        assert_equal(of_each(lambda column: column.cpu(), one), other)


def test_bad_arguments(make_dataset: Make) -> None:
    dataset = make_dataset([4])
    with pytest.raises(DataError, match="frames is 4, expected an odd number"):
        dataset.windows(frames=4)
    with pytest.raises(DataError, match="frames is -1"):
        dataset.windows(frames=-1)
    with pytest.raises(DataError, match="stride is 0"):
        dataset.windows(stride=0)
    with pytest.raises(DataError, match="batch_size is 0"):
        dataset.windows().loader(0)
    with pytest.raises(DataError, match="rank is 2, expected 0 to 1"):
        dataset.windows().loader(1, rank=2, world_size=2)
    assert repr(dataset.windows(3, flip=True)) == "PoseWindows(8, frames=3, stride=1, flip=True)"


some_clips = st.lists(st.integers(1, 9), min_size=1, max_size=6)


def samples(batches: list[PoseBatch]) -> list[tuple[int, bool]]:
    return [(int(f), bool(m)) for batch in batches for f, m in zip(batch.frame, batch.flipped, strict=True)]


def every_sample(windows: PoseWindows) -> list[tuple[int, bool]]:
    return sorted(samples([windows[:]]))


@settings(max_examples=40, deadline=None)
@given(lengths=some_clips, batch_size=st.integers(1, 7), world_size=st.integers(1, 4), flip=st.booleans())
def test_evaluation_sees_every_window_once(
    make_dataset: Make, lengths: list[int], batch_size: int, world_size: int, flip: bool
) -> None:
    dataset = make_dataset(lengths)
    windows = dataset.windows(frames=3, flip=flip)
    loaders = [windows.loader(batch_size, rank=rank, world_size=world_size) for rank in range(world_size)]
    passes = [list(loader) for loader in loaders]

    assert {len(loader) for loader in loaders} == {len(batches) for batches in passes} == {len(passes[0])}
    assert sorted(samples([batch for batches in passes for batch in batches])) == every_sample(windows)
    homes: dict[int, set[int]] = {}
    for rank, batches in enumerate(passes):
        for batch in batches:
            assert batch.keypoints_2d.shape == (len(batch.frame), 3, 17, 2)
            assert len(batch.frame) <= batch_size
            for clip in dataset.clip_id[batch.frame].tolist():
                homes.setdefault(clip, set()).add(rank)
        plain = [frame for frame, flipped in samples(batches) if not flipped]
        assert plain == sorted(plain)  # in order, as velocities need it
    assert all(len(ranks) == 1 for ranks in homes.values())


@settings(max_examples=40, deadline=None)
@given(
    lengths=some_clips,
    batch_size=st.integers(1, 7),
    world_size=st.integers(1, 4),
    drop_last=st.booleans(),
    seed=st.integers(0, 2**40),
    epoch=st.integers(0, 1000),
)
def test_training_gives_every_process_equally_many(
    make_dataset: Make, lengths: list[int], batch_size: int, world_size: int, drop_last: bool, seed: int, epoch: int
) -> None:
    windows = make_dataset(lengths).windows(flip=True)
    passes = []
    for rank in range(world_size):
        loader = windows.loader(batch_size, True, seed, drop_last, rank, world_size)
        loader.set_epoch(epoch)
        passes.append(list(loader))
        assert len(loader) == len(passes[-1])
        assert samples(passes[-1]) == samples(list(loader))  # the same again, until the epoch changes

    sizes = [[len(batch.frame) for batch in batches] for batches in passes]
    assert all(size == sizes[0] for size in sizes)
    assert all(size == batch_size for size in sizes[0][: None if drop_last else -1])
    assert 0 not in sizes[0]
    seen = samples([batch for batches in passes for batch in batches])
    assert len(seen) == len(set(seen))
    assert set(seen) <= set(every_sample(windows))
    left_out = len(windows) - len(seen)
    assert left_out < (world_size * batch_size if drop_last else world_size)


def test_order_depends_on_seed_and_epoch_alone(make_dataset: Make) -> None:
    windows = make_dataset([40, 30]).windows()

    def order(seed: int, epoch: int) -> list[int]:
        loader = windows.loader(8, shuffle=True, seed=seed)
        loader.set_epoch(epoch)
        torch.rand(3)  # the global generator has no part in it
        return torch.cat([batch.frame for batch in loader]).tolist()

    orders = {(seed, epoch): order(seed, epoch) for seed in range(3) for epoch in range(3)}
    assert all(sorted(frames) == list(range(70)) for frames in orders.values())
    assert len({tuple(frames) for frames in orders.values()}) == 9
    assert all(order(*key) == frames for key, frames in orders.items())


def test_more_processes_than_clips(make_dataset: Make) -> None:
    windows = make_dataset([5, 2]).windows(frames=3)
    sizes = [[len(batch.frame) for batch in windows.loader(2, rank=rank, world_size=3)] for rank in range(3)]
    assert sizes == [[2, 2, 1], [2, 0, 0], [0, 0, 0]]
