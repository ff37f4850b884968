"""What the study of open data runs: which networks and transforms, each under one budget, trained by the library.

The budget is time of the process on one core. A step of each network is timed first, in float32 and in bfloat16; the
faster is taken, and as many steps as fit the budget: the number is kept, so that a run can be repeated.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from open_judging import motion_config

from skelgraph import list_models
from skelgraph.training import MachineConfig, NetworkConfig, TrainConfig, train

LAST = "checkpoints/last.ckpt"
WARM_UP, TIMED = 3, 8
"""Steps before and while a step is timed."""
SEEN = 50
"""Every so many frames of the test set are judged during a run, where nothing depends on it."""


@dataclass(frozen=True)
class Smaller:
    """Options of a network that differ from the published ones, and why."""

    options: Mapping[str, Any]
    why: str


SLOW = "{seconds:.1f} s for a step of 512 poses at its published width"
SMALLER = {
    "graph_mlp": Smaller({"hidden_channels": 128, "token_channels": 64, "mlp_channels": 256}, SLOW.format(seconds=6.4)),
    "hgn": Smaller({"hidden_channels": 32}, SLOW.format(seconds=2.1)),
    "hoif_net": Smaller({"hidden_channels": 32}, SLOW.format(seconds=0.7)),
    "nehs_net": Smaller({"d_model": 96}, SLOW.format(seconds=1.7)),
    "rs_net": Smaller({"hidden_channels": 32}, SLOW.format(seconds=0.9)),
    "st_gcn_pose": Smaller({"num_frames": 1}, SLOW.format(seconds=2.1) + " with 3 frames; published with one, too"),
    "video_pose": Smaller(
        {"filter_widths": [3, 3, 3], "hidden_channels": 256},
        SLOW.format(seconds=6.4) + " with 243 frames; published with 27, too",
    ),
}
"""Networks that would not learn within a minute as published: less than 90 steps."""

SHIPPED = "any_gcn, as shipped"
"""The row of the network whose weights come with the library."""
OTHER_FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    SHIPPED: ("any_gcn", {"hidden_channels": 80}),
    "martinez, layer norm": ("martinez", {"hidden_channels": 512, "num_stages": 3, "dropout": 0.1, "norm": "layer"}),
}
"""Networks in other forms than the published ones, beside them: name and options, by their rows."""

FULL_DATA = {"virtual_views": True, "mix": 0.4, "tilt": 20.0, "bend": 15.0, "middles": True, "generated_share": 0.3}
"""What is made of the training windows where networks are compared."""

TRANSFORMS: dict[str, dict[str, Any]] = {
    "roll 12": {"roll": 12.0},
    "tilt 20": {"tilt": 20.0},
    "mix 0.4": {"mix": 0.4},
    "bend 15": {"bend": 15.0},
    "middles": {"middles": True},
    "generated 30 %": {"generated_share": 0.3},
    "keypoint noise 1 %": {"keypoint_noise": 1.0},
    "limb lengths 10 %": {"limb_lengths": 10.0},
    "joint dropout 5 %": {"joint_dropout": 0.05},
}
"""What each transform is, on top of new cameras in every step."""
SHIPPED_TOO = ("limb lengths 10 %", "keypoint noise 1 %")
"""Those of the shipped weights beside what networks are compared with: they pay in long runs."""


@dataclass(frozen=True)
class Run:
    """One training of the study.

    Args:
        part: ``"networks"`` or ``"transforms"``.
        name: Its row in the table.
        seed: Its seed.
        network: The row of its network in the table of networks.
        settings: Settings that its part varies.
    """

    part: str
    name: str
    seed: int
    network: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """The name of the network."""
        return OTHER_FORMS[self.network][0] if self.network in OTHER_FORMS else self.network

    @property
    def timed(self) -> str:
        """Under which name the number of its steps is kept: all data of the part transforms have the same."""
        return self.network if self.part == "networks" else self.part

    @property
    def options(self) -> dict[str, Any]:
        """Options of the network."""
        if self.network in OTHER_FORMS:
            return OTHER_FORMS[self.network][1]
        return dict(SMALLER[self.network].options) if self.network in SMALLER else {}

    @property
    def key(self) -> str:
        """What it is called in the file of results and on the disk."""
        return f"{self.part}/{self.name}/seed {self.seed}".replace(" ", "_")


def network_runs(seeds: list[int]) -> list[Run]:
    """Each registered network on the same data, and those in other forms."""
    rows = [*list_models(), *OTHER_FORMS]
    return [Run("networks", name, seed, name, FULL_DATA) for seed in seeds for name in rows]


def transform_runs(seeds: list[int], network: str) -> list[Run]:
    """New cameras alone, each transform on top of them; what was chosen for the networks, without each and with two
    more."""
    base = {"virtual_views": True}
    rows = {"new cameras": base}
    rows |= {f"+ {name}": base | transform for name, transform in TRANSFORMS.items()}
    rows["chosen"] = FULL_DATA
    chosen = {name: transform for name, transform in TRANSFORMS.items() if transform.items() <= FULL_DATA.items()}
    rows |= {f"chosen - {name}": _without(FULL_DATA, transform) for name, transform in chosen.items()}
    rows |= {f"chosen + {name}": FULL_DATA | TRANSFORMS[name] for name in SHIPPED_TOO}
    return [Run("transforms", name, seed, network, settings) for seed in seeds for name, settings in rows.items()]


def _without(settings: Mapping[str, Any], transform: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in transform}


class Steps(Callback):
    """End a run after so many steps, which the schedule of its learning rate spans, and count their time.

    Args:
        steps: Steps of the optimizer.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.seconds: list[float] = []
        self._before = 0.0

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Tell the trainer before it makes the schedule."""
        trainer.fit_loop.epoch_loop.max_steps = self.steps

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave out what is between epochs: validation and checkpoint."""
        self._before = time.process_time()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *of_batch: Any) -> None:
        """Count the step with the making of its batch; after the last one, validate and end."""
        now = time.process_time()
        self.seconds.append(now - self._before)
        self._before = now
        trainer.should_stop = trainer.global_step >= self.steps


def config_of(run: Run, data: Path, out: Path, *, precision: str, batch_size: int, lr: float) -> TrainConfig:
    """The settings of a run."""
    network = NetworkConfig(run.model, run.options, input_form="rays")
    config = TrainConfig(
        str(out),
        network,
        data=motion_config(data, test_downsample=SEEN),
        machine=MachineConfig("cpu", precision=precision, progress=False),
    )
    endless = config.replace(max_epochs=10**6, batch_size=batch_size, lr=lr, seed=run.seed)  # Steps ends it
    return endless.replace(**run.settings)


def trained(config: TrainConfig, steps: int) -> dict[str, float]:
    """Train for so many steps; what a half-finished run has left is replaced.

    Returns:
        Seconds that the process took for the steps, and the loss of the last epoch.
    """
    counted = Steps(steps)
    metrics = train(config, overwrite=True, callbacks=[counted])
    del metrics  # of every 50th frame
    return {"cpu_seconds": sum(counted.seconds)}


def seconds_per_step(config: TrainConfig) -> float:
    """Median time of a step."""
    counted = Steps(WARM_UP + TIMED)
    train(config, overwrite=True, callbacks=[counted])
    return statistics.median(counted.seconds[WARM_UP:])
