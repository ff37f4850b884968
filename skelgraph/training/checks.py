"""What has to fit before a run begins: the network, the data and the size of a batch."""

from __future__ import annotations

import copy
import os
import warnings

import torch

from skelgraph.datasets import PoseDataset
from skelgraph.datasets.windows import check_in_channels
from skelgraph.errors import SkelgraphError
from skelgraph.models import PoseLifter
from skelgraph.text import shown
from skelgraph.training.config import TrainConfig
from skelgraph.training.data import share_of_batch
from skelgraph.training.module import LiftingModule


def check_network(model: PoseLifter, data: PoseDataset) -> None:
    """Check that a network takes the keypoints of a data set and answers with its poses.

    Raises:
        SkelgraphError: If the channels of joints differ; the message names the option of the model.
    """
    check_in_channels(model.in_channels, has_confidence=data.confidence is not None)
    if model.out_channels != 3:
        raise SkelgraphError(f"out_channels of the model is {model.out_channels}; expected 3, for poses in space")


def check_causal(model: PoseLifter, causal: bool) -> None:
    """Check that a network lifts the frame of a window whose pose is the target.

    Raises:
        SkelgraphError: If the windows are causal and the network is, too: one of them is enough.
    """
    if causal and getattr(model, "causal", False):
        raise SkelgraphError(
            f"causal is on, and {type(model).__name__} is causal itself: it sees the first half of a window and lifts "
            "the frame in its centre; expected one of them"
        )


def check_batch(model: PoseLifter, size: int) -> None:
    """Check that a network can be trained on batches of so many windows.

    Raises:
        SkelgraphError: If it normalises over the windows of a batch alone, and there is but one.
    """
    if size > 1:
        return
    trial = copy.deepcopy(model).to("meta").train()
    keypoints = torch.zeros(size, model.num_frames, model.skeleton.num_joints, model.in_channels, device="meta")
    try:
        trial(keypoints)
    except RuntimeError:  # it needs the values of tensors: nothing is known
        return
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise SkelgraphError(
            f"batch-size leaves {size} window for a step of a process; expected at least 2, since "
            f"{type(model).__name__} normalises over the windows of a batch"
        ) from error


def check_batches(config: TrainConfig, model: PoseLifter, train_set: PoseDataset) -> None:
    """Check before anything is written that the batches can be made and trained on.

    Raises:
        SkelgraphError: If the processes cannot get equal shares, or one pose is too few for batch normalisation.
    """
    devices = config.machine.devices
    flip, data = bool(config.decided().training.flip), config.data
    windows = train_set.windows(model.num_frames, data.stride, flip, time_reversal=data.time_reversal)
    smallest = min(share_of_batch(config.training.batch_size, devices), len(windows) // devices)
    if smallest == 0:
        raise SkelgraphError(f"devices is {devices}, more than the {len(windows)} training windows")
    cores, on_cpu = os.cpu_count() or 1, config.machine.device == "cpu" or not torch.cuda.device_count()
    if on_cpu and devices > max(cores, 2):
        raise SkelgraphError(f"devices is {devices}, more processes than the {cores} cores of this machine")
    check_batch(model, smallest)


def check_compiled(config: TrainConfig, module: LiftingModule) -> None:
    """Check that whole training steps can be recorded.

    Raises:
        SkelgraphError: If there is more than one process, or the schedule moves more than the learning rate.
    """
    if config.machine.devices > 1:
        raise SkelgraphError(f"devices is {config.machine.devices}; compiled training runs on one device")
    optimizer, scheduler = module.optimization(100, 10)
    before = optimizer.param_groups[0]["betas"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # there was no step of the optimizer
        scheduler.step()
    if optimizer.param_groups[0]["betas"] != before:
        raise SkelgraphError(
            f"schedule is {shown(config.optimizer.schedule)}, which moves the momentum of Adam too; expected one that "
            "moves the learning rate alone, such as 'cosine', since a recorded step holds everything else fixed"
        )
