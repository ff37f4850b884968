"""Training samples per second from end to end: ``skelgraph train`` against a plain loop with a ``DataLoader``.

    python benchmarks/pipeline.py [--models sem_gcn rs_net] [--threads 2] [--docs docs/benchmarks/pipeline.md]

The data are as many generated frames as the training set of Human3.6M has, 1 559 752, and their mirror images. Ours is
what ``skelgraph train`` runs: Lightning's trainer with its logs, windows by index arithmetic, our network, fused Adam.
The plain loop is what the published scripts do: a ``Dataset`` that cuts, pads and mirrors one sample, a shuffling
``DataLoader`` in the same process or with two workers, the formulation of ``published.py`` (or our network, which
tells how much of the difference is the loader's), and torch's Adam. All have the same loss, batch size and clipping of
gradients, and take turns; a cell is the median of ``--rounds`` turns of ``--seconds``. What the first steps of a turn
take (workers start, the order is drawn) is not counted. The networks lift single frames.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import lightning.pytorch as pl
import published
import torch
from lightning.pytorch.callbacks import Callback
from reporting import parser, save, table
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from skelgraph import create_model
from skelgraph.datasets import PoseDataset, SyntheticMocap
from skelgraph.geometry import mirror
from skelgraph.metrics.functional import mpjpe
from skelgraph.models import PoseLifter, model_info
from skelgraph.training import LiftingModule, PoseData, TrainConfig
from skelgraph.training.history import History
from skelgraph.training.trainer import hide_lightning_noise, make_trainer

HUMAN36M_FRAMES = 1_559_752
BATCHES = {"sem_gcn": 64, "modulated_gcn": 256, "rs_net": 256, "nehs_net": 256}
WARM_UP = 5
"""Steps at the start of a turn that are not counted."""
CLIP = 1.0
SIDES = {
    "ours": "skelgraph train",
    "published, 0 workers": "plain loop",
    "published, 2 workers": "plain loop, 2 workers",
    "our network, 0 workers": "plain loop, our network",
    "our network, 2 workers": "plain loop, our network, 2 workers",
}


def generated(skeleton: str, frames: int) -> PoseDataset:
    """The generated motion over and over, as many frames of it."""
    data = SyntheticMocap(skeleton=skeleton, downsample=1, seconds=2.0)
    clips, rows, start = [], [], 0
    while start < frames:
        clip = data.clips[len(clips) % len(data.clips)]
        length = min(clip.length, frames - start)
        rows.append(torch.arange(clip.start, clip.start + length))
        clips.append(type(clip)(**{**vars(clip), "start": start, "length": length}))
        start += length
    chosen = torch.cat(rows)
    for name in ("keypoints_2d", "poses_3d", "root_3d", "action_id"):
        setattr(data, name, getattr(data, name)[chosen])
    data.clips = clips
    data.clip_id = torch.arange(len(clips)).repeat_interleave(torch.tensor([clip.length for clip in clips]))
    return data


class Samples(Dataset[tuple[Tensor, Tensor]]):
    """One sample after the other, as published scripts have it: clips by their key, a window cut out of one, padded
    with its first and last frame, and mirrored; all plain samples, then all mirrored ones."""

    def __init__(self, data: PoseDataset, frames: int) -> None:
        self.clips = [
            (data.keypoints_2d[clip.start : clip.start + clip.length], data.poses_3d[clip.start :][: clip.length])
            for clip in data.clips
        ]
        self.places = [(i, frame) for i, clip in enumerate(data.clips) for frame in range(clip.length)]
        self.pad = frames // 2
        self.mirror_index = torch.tensor(data.skeleton.mirror_index)

    def __len__(self) -> int:
        return 2 * len(self.places)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        clip, frame = self.places[index % len(self.places)]
        keypoints, poses = self.clips[clip]
        first, last = frame - self.pad, frame + self.pad + 1
        x = keypoints[max(first, 0) : last]
        if len(x) < last - first:
            before, after = max(-first, 0), max(last - len(keypoints), 0)
            x = torch.cat((x[:1].expand(before, -1, -1), x, x[-1:].expand(after, -1, -1)))
        y = poses[frame]
        if index >= len(self.places):
            x, y = mirror(x, self.mirror_index), mirror(y, self.mirror_index)
        return x, y


class Clock(Callback):
    """Counts steps and the time that they take, and ends the fit when its time is over."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.steps, self.start, self.end = seconds, 0, 0.0, 0.0

    def tick(self) -> bool:
        """Whether the time is over, at the end of a step."""
        self.end = time.perf_counter()
        self.steps += 1
        if self.steps == WARM_UP:
            self.start = self.end
        return self.steps > WARM_UP and self.end - self.start >= self.seconds

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any, **kwargs: Any) -> None:
        trainer.should_stop = trainer.should_stop or self.tick()

    def samples_per_second(self, batch_size: int) -> float:
        return batch_size * (self.steps - WARM_UP) / (self.end - self.start)


def ours(name: str, data: PoseDataset, batch_size: int, seconds: float) -> float:
    """Samples a second of the engine."""
    model, clock = build(name), Clock(seconds)
    with tempfile.TemporaryDirectory() as folder, hide_lightning_noise():
        config = TrainConfig(folder).replace(model=name, batch_size=batch_size, device="cpu", progress=False)
        config = config.replace(clip_grad=CLIP, schedule="exponential", max_epochs=1)
        module = LiftingModule(model, data.actions, data.poses_3d[:1000].mean(0), schedule="exponential", lr=1e-3)
        served = PoseData(data, data[:64], frames=model.num_frames, batch_size=batch_size, flip=True)
        trainer = make_trainer(config, History(verbose=False))
        trainer.callbacks.insert(0, clock)
        trainer.fit(module, datamodule=served)
    return clock.samples_per_second(batch_size)


def plain(net: nn.Module, samples: Samples, batch_size: int, workers: int, seconds: float) -> float:
    """Samples a second of a plain loop."""
    optimizer, clock = torch.optim.Adam(net.parameters(), lr=1e-3), Clock(seconds)
    loader = DataLoader(samples, batch_size, shuffle=True, num_workers=workers, drop_last=True)
    net.train()
    for x, y in endless(loader):
        optimizer.zero_grad()
        mpjpe(net(x.squeeze(1)), y).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), CLIP)
        optimizer.step()
        if clock.tick():
            break
    return clock.samples_per_second(batch_size)


def endless(loader: DataLoader[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        yield from loader


def build(name: str) -> PoseLifter:
    torch.manual_seed(0)
    return create_model(name, model_info(name).published_skeleton)


def check(name: str, data: PoseDataset, samples: Samples) -> None:
    """Both sides have the same samples, and the same network."""
    model = build(name).eval()
    windows = data.windows(model.num_frames, flip=True)
    if len(windows) != len(samples):
        raise SystemExit(f"{len(windows)} windows, but {len(samples)} samples")
    index = torch.tensor([0, 1, len(windows) // 2 - 1, len(windows) // 2, len(windows) - 1])
    batch = windows[index]
    x, y = (torch.stack(part) for part in zip(*(samples[i] for i in index.tolist()), strict=True))
    torch.testing.assert_close(x, batch.keypoints_2d, atol=0, rtol=0)
    torch.testing.assert_close(y, batch.poses_3d, atol=0, rtol=0)
    with torch.no_grad():
        torch.testing.assert_close(published.from_ours(model).eval()(x.squeeze(1)), model(x), atol=1e-4, rtol=1e-4)


def row(name: str, data: PoseDataset, batch_size: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """The samples a second of all sides, which take turns."""
    frames = build(name).num_frames
    samples = Samples(data, frames)
    check(name, data, samples)
    seconds = arguments.seconds
    sides: dict[str, Callable[[], float]] = {"ours": lambda: ours(name, data, batch_size, seconds)}
    for workers in (0, 2):
        nets = {"published": lambda: published.from_ours(build(name)), "our network": lambda: build(name)}
        for whose, net in nets.items():
            side = f"{whose}, {workers} workers"
            sides[side] = lambda net=net, workers=workers: plain(net(), samples, batch_size, workers, seconds)
    rates: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(arguments.rounds):
        for side, run in sides.items():
            rates[side].append(run())
    found = {side: statistics.median(values) for side, values in rates.items()}
    print(f"{name:14} B={batch_size:<4} {found}", file=sys.stderr, flush=True)
    return {"model": name, "batch": batch_size, "samples_per_second": found}


ABOUT = """\
Training samples per second from end to end, on {frames:,} generated frames and their mirror images (Human3.6M has
1,559,752 to train on); in brackets how many times faster `skelgraph train` is. The plain loop cuts, pads and mirrors
each sample in a `Dataset`, which a shuffling `DataLoader` serves in the same process or with two workers, and trains
the network as it is published (`benchmarks/published.py`) or ours. Single frames, published widths; {rounds} turns of
{seconds:g} s, median."""


def main() -> None:
    options = parser(__doc__, seconds=20)
    options.set_defaults(threads=2)
    options.add_argument("--models", nargs="+", default=list(BATCHES), choices=list(BATCHES), metavar="NAME")
    options.add_argument("--batch-size", type=int, help="for all models, in place of the published 64 and 256")
    options.add_argument("--frames", type=int, default=HUMAN36M_FRAMES, help="frames of the generated set")
    options.add_argument("--rounds", type=int, default=3, help="turns of each side")
    arguments = options.parse_args()
    torch.set_num_threads(arguments.threads)
    rows, data, skeleton = [], None, ""
    for name in sorted(arguments.models, key=lambda model: model_info(model).published_skeleton):
        if data is None or skeleton != model_info(name).published_skeleton:
            skeleton = model_info(name).published_skeleton
            data = generated(skeleton, arguments.frames)
        rows.append(row(name, data, arguments.batch_size or BATCHES[name], arguments))
    rows.sort(key=lambda found: list(BATCHES).index(found["model"]))
    lines = []
    for found in rows:
        rates = found["samples_per_second"]
        others = [f"{rates[side]:,.0f} ({rates['ours'] / rates[side]:.2f}x)" for side in SIDES if side != "ours"]
        lines.append([found["model"], str(found["batch"]), f"{rates['ours']:,.0f}", *others])
    about = ABOUT.format(frames=arguments.frames, rounds=arguments.rounds, seconds=arguments.seconds)
    text = table(["network", "batch", *SIDES.values()], lines)
    save("pipeline", "From files to steps", [about, text], {"frames": arguments.frames, "rows": rows}, arguments)


if __name__ == "__main__":
    main()
