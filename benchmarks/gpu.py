"""What a GPU makes of the models: forward pass, training step, an epoch of Human3.6M's size, hyperedge layers.

    python benchmarks/gpu.py [--tasks epoch sem_gcn] [--seconds 1] [--docs docs/benchmarks/gpu.md] [--add-to gpu.json]

One command of a few minutes: every model has a process of its own, all of them compile at once, then they measure one
after the other while the others wait. Sides: the formulation of ``published.py``, ours eager, compiled
(``torch.compile``), and compiled and recorded as a CUDA graph, a training step with its optimizer
(:class:`skelgraph.training.step_graph.StepGraph`), in float32, TF32 and bfloat16 autocast. A side that fails is "-".
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import models
import published
import torch
from pipeline import HUMAN36M_FRAMES, generated
from reporting import parser, save, table
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torch_geometric.nn import HypergraphConv

from skelgraph import list_models
from skelgraph.datasets import load_dataset
from skelgraph.datasets.pose_dataset import PoseDataset
from skelgraph.metrics.functional import mpjpe
from skelgraph.nn import HNHNConv, HyperedgeAttentionConv, HyperedgeConv
from skelgraph.nn.losses import mse_loss
from skelgraph.topology import JointHypergraph, to_pyg
from skelgraph.training import History, LiftingModule, PoseData
from skelgraph.training.step_graph import StepGraph

LONGEST = 400
"""Seconds that a task may measure; the epoch needs more than 150."""
MOST_STEPS = 8192
"""Recorded steps of an epoch that are measured at most; the epoch takes as many times longer as it has more."""
GRAPHED_STEPS = 32
"""Steps of a recorded training step in one call."""
BATCHES = (1, 64, 1024)
DEADLINE = "SKELGRAPH_COMPILE_UNTIL"
SIDES = ("published", "eager", "graph", "graph tf32", "compiled", "compiled graph", "compiled graph bf16")
"""What a cell has: kernel by kernel, or recorded as a CUDA graph; in float32 unless it says otherwise."""
Side = Callable[[], object]


def timed(sides: dict[str, tuple[Side, int]], seconds: float) -> dict[str, float]:
    """Median milliseconds of each side, whose calls are worth so many; the sides take turns of about 20 ms."""
    counts, times = {}, {name: [] for name in sides}  # type: ignore[var-annotated]
    for name, (run, _) in sides.items():
        for _ in range(3):
            run()
        torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        counts[name] = max(1, min(200, int(0.02 / (time.perf_counter() - start))))
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[name]) < 3:
        for name, (run, worth) in sides.items():
            torch.cuda.synchronize()
            start = time.perf_counter()
            for _ in range(counts[name]):
                run()
            torch.cuda.synchronize()
            times[name].append(1e3 * (time.perf_counter() - start) / counts[name] / worth)
    return {name: statistics.median(values) for name, values in times.items()}


@contextlib.contextmanager
def precision_of(name: str) -> Iterator[None]:
    """Matrix products in float32, TF32 or bfloat16, as the name of a side says."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if "tf32" in name else "highest")
    # a graph that is recorded cannot look up casts of weights which were made outside of it
    with torch.autocast("cuda", torch.bfloat16, enabled="bf16" in name, cache_enabled=False):
        yield
    torch.set_float32_matmul_precision(before)


def recorded(run: Callable[[], Any]) -> Side:
    """A function of fixed inputs as a CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run.result = run()  # type: ignore[attr-defined] - its memory belongs to the graph
    return graph.replay


class Cells:
    """The cells of one model: what is compiled is compiled at once, the rest is made when its cell is measured, so that
    a waiting process holds little memory."""

    def __init__(self) -> None:
        self.makers: dict[tuple[str, int], dict[str, Callable[[], tuple[Side, int]]]] = {}
        self.failed: dict[str, str] = {}
        self.deadline = float(os.environ.get(DEADLINE, "inf"))

    def agree(self, x: Tensor, model: nn.Module, fast: Callable[[Tensor], Tensor], what: str) -> None:
        if time.time() > self.deadline:
            return
        try:
            models.agree(fast(x), model(x), 1e-3, what)
        except (Exception, SystemExit) as error:
            self.failed[what] = str(error)[:300]

    def add(self, cell: str, batch: int, name: str, make: Callable[[], tuple[Side, int]]) -> None:
        if "compiled" in name:
            if time.time() > self.deadline:
                self.failed[f"{cell} {batch} {name}"] = "there was no time to compile it"
                return
            if self._made(cell, batch, name, make) is None:
                return
        self.makers.setdefault((cell, batch), {})[name] = make

    def measure(self, seconds: float) -> Iterator[dict[str, Any]]:
        for (cell, batch), makers in self.makers.items():
            made = {name: self._made(cell, batch, name, make) for name, make in makers.items()}
            sides = {name: side for name, side in made.items() if side is not None}
            yield {"cell": cell, "batch": batch, **timed(sides, seconds)}

    def _made(self, cell: str, batch: int, name: str, make: Callable[[], tuple[Side, int]]) -> tuple[Side, int] | None:
        """A side that ran once; ``None`` if it cannot."""
        try:
            torch.cuda.empty_cache()
            side = make()
            side[0]()
            torch.cuda.synchronize()
            return side
        except Exception as error:
            reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200] if str(error) else ''}"
            self.failed[f"{cell} {batch} {name}"] = reason
            traceback.print_exc()
            return None


def forward_sides(name: str, cells: Cells) -> None:
    model = models.build(name).eval()
    plain = published.from_ours(model).cuda().eval()
    model = model.cuda()
    for batches in (BATCHES[1:], BATCHES[:1]):  # one pose is compiled for itself, the others together
        fast = torch.compile(model)
        for batch in batches:
            x = models.keypoints(model, batch).cuda()
            torch._dynamo.maybe_mark_dynamic(x, 0)
            with torch.no_grad():
                models.agree(plain(x), model(x), 1e-3, f"{name}: the published formulation")
                cells.agree(x, model, fast, f"{name}: compiled")
            sides = {"published": plain, "eager": model, "graph": model, "compiled": fast, "compiled graph": fast}
            if batch > 1:
                sides |= {"graph tf32": model, "compiled graph bf16": fast}
            for side, run in sides.items():
                cells.add("forward", batch, side, functools.partial(forward_side, side, run, x))


def forward_side(side: str, run: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Side, int]:
    def call() -> Tensor:
        with torch.no_grad(), precision_of(side):
            return run(x)

    return (recorded(call) if "graph" in side else call), 1


def training_sides(name: str, cells: Cells) -> None:
    compiled: dict[str, Any] = {}
    for batch in BATCHES[1:]:
        add_training(name, batch, compiled, cells)


def add_training(name: str, batch: int, compiled: dict[str, Any], cells: Cells) -> None:
    """All sides of a training step; ``compiled`` keeps the networks that the batches share."""
    torch.manual_seed(0)
    x = models.keypoints(models.build(name), batch).cuda()
    y = torch.randn(batch, x.size(-2), 3, device="cuda")
    for tensor in (x, y):
        torch._dynamo.maybe_mark_dynamic(tensor, 0)
    order, rates = torch.zeros(GRAPHED_STEPS, 1, dtype=torch.long, device="cuda"), [1e-3] * GRAPHED_STEPS

    def loss_of(side: str) -> tuple[nn.Module, Callable[[Tensor, Tensor], Tensor]]:
        kind = "bf16" if "bf16" in side else "fp32"
        if "compiled" in side and kind in compiled:
            return compiled[kind]
        model = models.build(name).cuda()

        def loss(x: Tensor, y: Tensor) -> Tensor:
            return mpjpe(model(x).float(), y)

        if "compiled" in side:
            compiled[kind] = model, torch.compile(loss)
            return compiled[kind]
        return model, loss

    def make(side: str) -> tuple[Side, int]:
        if side == "published":
            plain = published.from_ours(models.build(name)).cuda()
            return models.training_step(plain, plain, x, y, fused=False), 1
        model, loss = loss_of(side)
        if "graph" in side:
            optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0, fused=True)

            def of_rows(_: Tensor) -> list[Tensor]:
                with precision_of(side):
                    return [loss(x, y)]

            steps = StepGraph(of_rows, optimizer, 0.0, GRAPHED_STEPS)
            return (lambda: steps(order, rates)), GRAPHED_STEPS
        adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

        def step() -> None:
            adam.zero_grad()
            loss(x, y).backward()
            adam.step()

        return step, 1

    for side in SIDES:
        cells.add("training step", batch, side, functools.partial(make, side))


def peak_memory(name: str) -> dict[str, float]:
    """MB on the device at the peak of an eager training step of the largest batch."""
    peaks = {}
    for side in ("published", "ours"):
        model: Any = models.build(name)
        x, y = models.keypoints(model, max(BATCHES)).cuda(), torch.randn(max(BATCHES), model.skeleton.num_joints, 3)
        model = (published.from_ours(model) if side == "published" else model).cuda()
        step = models.training_step(model, model, x, y.cuda(), fused=side == "ours")
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step()
        peaks[side] = (torch.cuda.max_memory_allocated() - before) / 1e6
    return peaks


def model_worker(name: str, seconds: float) -> Iterator[dict[str, Any]]:
    cells = Cells()
    for sides in (training_sides, forward_sides):
        try:
            sides(name, cells)
        except (Exception, SystemExit) as error:
            cells.failed[sides.__name__] = f"{type(error).__name__}: {error}"[:300]
            traceback.print_exc()
    torch.cuda.empty_cache()
    yield {}
    rows = [{"model": name, **row} for row in cells.measure(seconds)]
    memory = {}
    with contextlib.suppress(Exception):
        memory = peak_memory(name)
    yield {"rows": rows, "memory": {name: memory}, "failed": {name: cells.failed} if cells.failed else {}}


def epoch_worker(seconds: float) -> Iterator[dict[str, Any]]:
    """An epoch of SemGCN from arrays in memory to trained weights, by several ways."""
    data = generated("h36m16", HUMAN36M_FRAMES)
    rows: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    prepared: dict[tuple[int, str], Any] = {}
    on_gpu = generated("h36m16", HUMAN36M_FRAMES).to("cuda")
    windows = on_gpu.windows(1)

    def losses(model: nn.Module, side: str) -> Callable[[Tensor], Tensor]:
        def loss(x: Tensor, y: Tensor) -> Tensor:
            return mse_loss(model(x).float(), y)

        fast = torch.compile(loss) if "compiled" in side else loss

        def of_rows(index: Tensor) -> Tensor:
            batch = windows[index]
            with precision_of(side):
                return fast(batch.keypoints_2d, batch.poses_3d)

        return of_rows

    def graph(batch: int, side: str) -> tuple[StepGraph, nn.Module]:
        torch.manual_seed(0)
        model = models.build("sem_gcn").cuda().train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0, fused=True)
        of_rows = losses(model, side)
        steps = StepGraph(lambda rows: [of_rows(rows)], optimizer, 1.0, 4096)
        order = torch.randint(len(windows), (8, batch), device="cuda")
        steps(order, [1e-3] * 8)
        torch.cuda.synchronize()
        return steps, model

    for batch in (64, 1024):
        for key in ("graph", "graph tf32", "compiled graph", "compiled graph bf16"):
            try:
                prepared[batch, key] = graph(batch, key)
            except Exception as error:
                failed[f"{batch} {key}"] = str(error)[:300]
                traceback.print_exc()
    yield {}

    for batch in (64, 1024):
        steps = HUMAN36M_FRAMES // batch
        plain = published.from_ours(models.build("sem_gcn")).cuda().train()
        adam = torch.optim.Adam(plain.parameters(), lr=1e-3)
        few = 300 if batch == 64 else 60
        samples = TensorDataset(data.keypoints_2d, data.poses_3d)
        loader = iter(DataLoader(samples, batch, shuffle=True, num_workers=8, pin_memory=True))
        next(loader)

        def plain_step(batches: Any = loader, model: Any = plain, optimizer: Any = adam) -> None:
            x, y = next(batches)
            optimizer.zero_grad()
            loss = (model(x.cuda(non_blocking=True)) - y.cuda(non_blocking=True)).square().mean()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            loss.item()  # as the released scripts do, for their progress bar

        torch.manual_seed(0)
        ours = models.build("sem_gcn").cuda().train()
        of_rows = losses(ours, "eager")
        fused = torch.optim.AdamW(ours.parameters(), lr=1e-3, weight_decay=0, fused=True)
        order = torch.randperm(HUMAN36M_FRAMES)[: steps * batch].view(steps, batch).cuda()
        position = iter(order)

        def eager_step(rows: Any = position, loss: Any = of_rows, model: Any = ours, optimizer: Any = fused) -> None:
            optimizer.zero_grad()
            loss(next(rows)).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

        for side, step in (("published loop, 8 loading processes", plain_step), ("eager", eager_step)):
            for _ in range(10):
                step()
            torch.cuda.synchronize()
            start = time.perf_counter()
            for _ in range(few):
                step()
            torch.cuda.synchronize()
            seconds_of_epoch = (time.perf_counter() - start) / few * steps
            rows.append({"batch": batch, "side": side, "seconds": seconds_of_epoch, "measured_steps": few})
        del loader

        for (size, side), (run, _) in prepared.items():
            if size != batch:
                continue
            measured = min(steps, MOST_STEPS)
            torch.cuda.synchronize()
            start = time.perf_counter()
            order = torch.randperm(HUMAN36M_FRAMES)[: steps * batch].view(steps, batch)[:measured].cuda()
            for chunk in order.split(4096):
                mean = run(chunk, [1e-3] * len(chunk))
            float(mean)
            seconds_of_epoch = (time.perf_counter() - start) / measured * steps
            rows.append({"batch": batch, "side": side, "seconds": seconds_of_epoch, "measured_steps": measured})

        # Several seeds at once: a graph each, on streams of their own.
        several = [graph(batch, "graph")[0] for _ in range(8)]
        streams = [torch.cuda.Stream() for _ in several]
        order = torch.randint(len(windows), (512, batch), device="cuda")
        rates = [1e-3] * 512
        for count in (1, 8):
            torch.cuda.synchronize()
            start = time.perf_counter()
            for run, stream in zip(several[:count], streams, strict=False):
                with torch.cuda.stream(stream):
                    run.order[:512].copy_(order)  # type: ignore[index]
                    run.rates[:512].copy_(torch.tensor(rates))
                    run.counter.zero_()
            for _ in range(512):
                for run, stream in zip(several[:count], streams, strict=False):
                    with torch.cuda.stream(stream):
                        run.graph.replay()  # type: ignore[union-attr]
            torch.cuda.synchronize()
            took = (time.perf_counter() - start) / 512 * steps
            rows.append({"batch": batch, "side": f"{count} networks at once", "seconds": took, "measured_steps": 512})
        try:
            rows.append(engine_epoch(on_gpu, batch))
        except Exception as error:
            failed[f"engine {batch}"] = str(error)[:300]
            traceback.print_exc()
    yield {"epoch": rows, "failed": {"epoch": failed} if failed else {}}


def engine_epoch(data: PoseDataset, batch: int) -> dict[str, Any]:
    """The second epoch of what ``skelgraph train --compile --precision bf16`` does, a test of 1000 poses at its end
    included."""
    torch.manual_seed(0)
    test_set = load_dataset("synthetic", "test", skeleton="h36m16")[:1000]
    steps = len(data) // batch
    measured = min(steps, MOST_STEPS)
    module = LiftingModule(
        models.build("sem_gcn"),
        test_set.actions,
        data.mean_pose().cpu(),
        loss="mse",
        lr=1e-3,
        schedule="exponential",
        compile=True,
        clip_grad=1.0,
        flip_test=False,
    )
    history = History()
    trainer = pl.Trainer(
        max_epochs=2,
        precision="bf16-mixed",
        callbacks=[history],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    part = data[: measured * batch]
    trainer.fit(module, datamodule=PoseData(part, test_set, batch_size=batch, flip=False, steps_at_once=1024))
    return {
        "batch": batch,
        "side": "skelgraph train --compile, bf16",
        "seconds": history.rows[-1]["seconds"] / measured * steps,
        "measured_steps": measured,
    }


def hyperedge_worker(seconds: float) -> Iterator[dict[str, Any]]:
    """Hyperedge layers, forward and backward, 64 channels."""
    body = JointHypergraph.from_skeleton("h36m17")
    layers: dict[str, Callable[[], nn.Module]] = {
        "HyperedgeConv": lambda: HyperedgeConv(64, 64, body),
        "HyperedgeAttentionConv": lambda: HyperedgeAttentionConv(64, 64, body),
        "HNHNConv": lambda: HNHNConv(64, 64, body),
    }
    cells: dict[tuple[str, int], dict[str, tuple[Side, int]]] = {}
    failed: dict[str, str] = {}

    def both(layer: nn.Module, *inputs: Any) -> Side:
        x = inputs[0].clone().requires_grad_()

        def run() -> Tensor:
            y = layer(x, *inputs[1:])
            return torch.autograd.grad(y.square().mean(), [x, *layer.parameters()])[0]

        return run

    for name, make in layers.items():
        for batch in BATCHES:
            poses = torch.randn(batch, body.num_nodes, 64, device="cuda")
            sides: dict[str, tuple[Side, int]] = {}
            try:
                layer = make().cuda()
                sides["eager"] = both(layer, poses), 1
                if name == "HyperedgeConv":
                    union = to_pyg(body, batch)
                    pyg = HypergraphConv(64, 64).cuda()
                    index = union.edge_index.cuda()
                    sides["PyG"] = both(pyg, poses.flatten(0, 1), index, None, None, union.num_hyperedges), 1
                sides["graph"] = recorded(both(make().cuda(), poses)), 1
                sides["compiled graph"] = recorded(both(torch.compile(make().cuda()), poses)), 1  # type: ignore[arg-type]
            except Exception as error:
                failed[f"{name} {batch}"] = str(error)[:300]
                traceback.print_exc()
            cells[name, batch] = sides
    yield {}
    rows = [{"layer": name, "batch": batch, **timed(sides, seconds)} for (name, batch), sides in cells.items() if sides]
    yield {"hyperedges": rows, "failed": {"hyperedges": failed} if failed else {}}


def worker(task: str, seconds: float) -> None:
    """Prepare, say so, wait for one's turn, measure, and print the result as one line of JSON."""
    torch._dynamo.config.recompile_limit = 64  # one loss, many networks
    workers = {"epoch": epoch_worker, "hyperedges": hyperedge_worker}
    stages = workers[task](seconds) if task in workers else model_worker(task, seconds)
    next(stages)
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(next(stages)), flush=True)


def measure(tasks: list[str], arguments: argparse.Namespace) -> dict[str, Any]:
    """All tasks: compiled at once, measured in turns."""
    environment = os.environ | {"TORCHINDUCTOR_COMPILE_THREADS": "2", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    environment[DEADLINE] = str(time.time() + arguments.compile_seconds)
    log = (arguments.out / "gpu_errors.txt").open("w")
    processes = {
        task: subprocess.Popen(
            [sys.executable, __file__, "--worker", task, "--seconds", str(arguments.seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
        )
        for task in tasks
    }
    start = time.perf_counter()
    ready = {}
    for task, process in processes.items():
        line = process.stdout.readline()  # type: ignore[union-attr]
        ready[task] = line.strip() == "ready"
        print(f"{task}: {'ready' if ready[task] else 'failed'} after {time.perf_counter() - start:.0f} s", flush=True)
    results: dict[str, Any] = {"rows": [], "memory": {}, "failed": {}, "epoch": [], "hyperedges": []}
    results["compile_seconds"] = time.perf_counter() - start
    for task, process in processes.items():
        if not ready[task]:
            results["failed"][task] = "the process ended; see gpu_errors.txt"
            continue
        try:
            answer = json.loads(process.communicate("go\n", timeout=LONGEST)[0].splitlines()[-1])
        except (ValueError, IndexError, subprocess.TimeoutExpired) as error:
            process.kill()
            results["failed"][task] = str(error)[:200]
            continue
        for key, value in answer.items():
            results[key].extend(value) if isinstance(value, list) else results[key].update(value)
        print(f"{task}: measured after {time.perf_counter() - start:.0f} s", flush=True)
        (arguments.out / "gpu_partial.json").write_text(json.dumps(results))
    return results


def added(results: dict[str, Any], path: Path | None) -> dict[str, Any]:
    """The results with those of an earlier run, as far as they were not measured again."""
    if path is None:
        return results
    earlier = json.loads(path.read_text())
    models = {row["model"] for row in results["rows"]}
    results["rows"] = [row for row in earlier["rows"] if row["model"] not in models] + results["rows"]
    results["memory"] = earlier["memory"] | results["memory"]
    for key in ("epoch", "hyperedges"):
        results[key] = results[key] or earlier[key]
    return results


def cell_table(rows: list[dict[str, Any]]) -> str:
    """Milliseconds, and how many times faster than the published formulation."""
    columns = [side for side in SIDES if any(side in row for row in rows)]
    ratios: dict[str, list[float]] = {side: [] for side in columns}
    lines = []
    for row in rows:
        line = [row["model"]]
        for side in columns:
            if side not in row:
                line.append("-")
            elif side == "published" or "published" not in row:
                line.append(f"{row[side]:.3f}")
            else:
                ratio = row["published"] / row[side]
                ratios[side].append(ratio)
                line.append(f"{row[side]:.3f} ({ratio:.1f}x)")
        lines.append(line)
    means = [f"{statistics.geometric_mean(values):.2f}x" if values else "" for values in ratios.values()]
    return table(["model", *columns], [*lines, ["geometric mean", *means]])


ABOUT = """\
Milliseconds, median of repeats, the sides of a cell taking turns; in brackets how many times faster than the published
formulation of `benchmarks/published.py`, which has the same weights and outputs. *compiled* is `torch.compile`;
*graph* is recorded as a CUDA graph; in float32, without TF32, unless the column says otherwise, *bf16* being autocast.
A training step is forward pass, MPJPE, backward pass and Adam; in *graph* all of it is in one graph. Adam is torch's
default for the published formulation and fused for ours."""


def paragraphs(results: dict[str, Any]) -> list[str]:
    """The tables and what explains them."""
    text = [ABOUT]
    for cell, batch in dict.fromkeys((row["cell"], row["batch"]) for row in results["rows"]):
        selected = [row for row in results["rows"] if (row["cell"], row["batch"]) == (cell, batch)]
        text += [f"## {cell.capitalize()}, B = {batch}", cell_table(selected)]
    if results["epoch"]:
        lines = []
        for row in results["epoch"]:
            base = next(r["seconds"] for r in results["epoch"] if r["batch"] == row["batch"])
            lines.append(
                [
                    str(row["batch"]),
                    row["side"],
                    f"{row['seconds']:.2f}",
                    f"{base / row['seconds']:.1f}x",
                    f"{row['measured_steps']:,}",
                ]
            )
        text += [
            f"## One epoch of SemGCN, {HUMAN36M_FRAMES:,} poses",
            "From poses in memory to trained weights: order, batches, forward and backward pass of MSE, clipping, "
            "Adam. Seconds of an epoch; where fewer steps were measured, from these. *networks at once* are so many "
            "compiled graphs on streams of their own: the seconds in which each of them has its epoch.",
            table(["batch", "way", "seconds", "faster", "steps measured"], lines),
        ]
    if results["hyperedges"]:
        columns = ["PyG", "eager", "graph", "compiled graph"]
        lines = [
            [row["layer"], str(row["batch"]), *(f"{row[c]:.3f}" if c in row else "-" for c in columns)]
            for row in results["hyperedges"]
        ]
        text += [
            "## Hyperedge layers",
            "Forward and backward pass with 64 channels on the hypergraph of `h36m17`, milliseconds.",
            table(["layer", "poses", *columns], lines),
        ]
    if any(results["memory"].values()):
        lines = [
            [name, f"{peak['published']:.0f}", f"{peak['ours']:.0f}"]
            for name, peak in results["memory"].items()
            if peak
        ]
        text += [
            "## Memory",
            f"MB on the device at the peak of an eager training step of {max(BATCHES)} windows.",
            table(["model", "published", "ours"], lines),
        ]
    if results["failed"]:
        failed = {task: f if isinstance(f, dict) else {"": f} for task, f in results["failed"].items()}
        reasons = [f"* {task} {cell}: {reason}" for task, cells in failed.items() for cell, reason in cells.items()]
        text += ["## What failed", "\n".join(reasons)]
    return text


def main() -> None:
    options = parser(__doc__, seconds=0.5)
    everything = ["epoch", "hyperedges", *list_models()]
    options.add_argument("--tasks", nargs="*", default=everything, choices=everything, metavar="NAME")
    options.add_argument("--compile-seconds", type=float, default=150, help="start no compilation after these")
    options.add_argument("--add-to", type=Path, help="numbers of an earlier run on such a card, which are kept")
    options.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("no CUDA device is here; benchmarks/models.py measures on a CPU")
    torch.set_num_threads(arguments.threads)
    if arguments.worker:
        worker(arguments.worker, arguments.seconds)
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    results = added(measure(arguments.tasks, arguments), arguments.add_to) | {"card": torch.cuda.get_device_name()}
    save("gpu", f"On a GPU: {results['card']}", paragraphs(results), results, arguments)


if __name__ == "__main__":
    main()
