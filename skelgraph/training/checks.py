"""What has to fit before a run begins: the network, the data and the size of a batch."""

from __future__ import annotations

import copy
import os
import warnings

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from skelgraph.datasets import PoseDataset
from skelgraph.datasets.windows import NO_CAMERAS, check_in_channels, normalized_intrinsics
from skelgraph.device import chosen_device
from skelgraph.errors import SkelgraphError
from skelgraph.models import PoseLifter
from skelgraph.text import plain, shown
from skelgraph.training.config import LossFrames, RootDepth, TrainConfig
from skelgraph.training.data import share_of_batch
from skelgraph.training.judging import lacking
from skelgraph.training.losses import loss_terms


def check_network(model: PoseLifter, data: PoseDataset) -> None:
    """Check that a network takes the keypoints of a data set and answers with its poses.

    Raises:
        SkelgraphError: If the channels of joints differ; the message names the option of the model. Or it takes rays,
            and the data have no cameras; or what it answers is no pose.
    """
    check_in_channels(model.in_channels, has_confidence=data.confidence is not None, form=model.input_form)
    if model.input_form == "rays" and normalized_intrinsics(data.clips, data.clip_id.device) is None:
        raise SkelgraphError(NO_CAMERAS)
    if model.out_channels != 3:
        raise SkelgraphError(f"out_channels of the model is {model.out_channels}; expected 3, for poses in space")
    trial, keypoints = _trial(model, 2)
    try:
        answer = trial.eval()(keypoints)
    except RuntimeError:  # it needs the values of tensors: nothing is known
        return
    expected = (2, model.skeleton.num_joints, 3)
    if not isinstance(answer, Tensor) or answer.shape != expected:
        found = f"shape {tuple(answer.shape)}" if isinstance(answer, Tensor) else f"a {type(answer).__name__}"
        raise SkelgraphError(
            f"{type(model).__name__} gives {found} for keypoints of shape {tuple(keypoints.shape)}; expected "
            f"{expected}, the pose of the centre frame of each window"
        )


def check_losses(
    model: PoseLifter, loss: str, frames: LossFrames, refine_loss: str | None, expected_error: bool = False
) -> None:
    """Check that a network can be trained on a loss.

    Args:
        model: The network.
        loss: The loss of its poses, a sum.
        frames: Of which frames of a window.
        refine_loss: Likewise, of the refined poses of the centre frames; ``None``: there is no head.
        expected_error: Whether there is a head that learns the errors, which can be all that is trained.

    Raises:
        SkelgraphError: If there is nothing to minimise, the network does not lift all frames, or a loss compares frames
            of which there is one.
    """
    if not loss_terms(loss) and refine_loss is None and not expected_error:
        raise SkelgraphError(
            "loss is 'none'; expected a loss, as no head is trained in its place (refine, expected-error)"
        )
    if frames == "all" and not model.lifts_all_frames:
        raise SkelgraphError(
            f"loss-frames is 'all', but {type(model).__name__} lifts the centre frame of a window alone; expected "
            "'centre'"
        )
    count = model.num_frames if frames == "all" else 1
    for part, number in ((loss, count), (refine_loss or "none", 1)):
        for _, info in loss_terms(part):
            if info.over_time and number < 2:
                raise SkelgraphError(
                    f"the loss {info.name} compares the frames of a window, and is taken of {number}; expected "
                    "loss-frames 'all' and a network of several frames"
                )


def check_refine(model: PoseLifter, data: PoseDataset, depth: RootDepth) -> None:
    """Check that a refinement head can be trained and tested beside a network.

    Args:
        model: The network.
        data: What they are trained or tested on.
        depth: Which depth of the root the head is given there.

    Raises:
        SkelgraphError: If the data have no cameras or do not know that depth, or the network has a loss of its own in
            place of the one that it is given, which is how the head is trained.
    """
    if reason := lacking(data, depth):
        raise SkelgraphError(
            f"refine is on, but {reason} in split {plain(data.split)}: keypoints are not back-projected"
        )
    asked = []

    def loss(prediction: Tensor, target: Tensor, visible: Tensor | None = None) -> Tensor:
        asked.append(prediction)
        return prediction.mean()

    trial, keypoints = _trial(model, 2)
    try:
        trial.training_loss(keypoints, torch.zeros(2, model.skeleton.num_joints, 3, device="meta"), loss)
    except RuntimeError:  # it needs the values of tensors: nothing is known
        return
    if not asked:
        raise SkelgraphError(
            f"refine is on, but {type(model).__name__} is trained on a loss of its own, without the refined poses"
        )


def check_expected_error(config: TrainConfig) -> None:
    """Check that a head that learns the errors of the network can be trained.

    Raises:
        SkelgraphError: If it is all that is trained, and the network has not learned anything before, or there are
            several processes, which wait for the gradients of the network.
    """
    if loss_terms(config.training.loss) or config.refinement.refine or not config.uncertainty.expected_error:
        return
    if config.network.init_from is None:
        raise SkelgraphError("loss is 'none' with expected-error; expected the weights of the network as init-from")
    if config.machine.devices > 1:
        raise SkelgraphError(
            f"devices is {config.machine.devices}; expected 1 where the head of expected-error alone is trained "
            "(loss none)"
        )


def check_vertices(model: PoseLifter, train_set: PoseDataset) -> None:
    """Check that a network is trained on the vertices of bodies if there are any, and has them if it needs them.

    Raises:
        SkelgraphError: If it is not so, or the mesh of the network is another one.
    """
    needed, found = model.num_vertices, None if train_set.bodies is None else train_set.bodies.num_vertices
    if needed == found:
        return
    name = type(model).__name__
    if needed is None:
        raise SkelgraphError(
            f"the data have bodies (smpl), but {name} learns no vertices: leave out smpl, or make it with the mesh of "
            "the bodies (hgn: graph=smpl, levels=[8,7])"
        )
    raise SkelgraphError(
        f"{name} learns the {needed} vertices of its graph; the data have {found or 'none'}: expected bodies of the "
        "same mesh (human36m_hgn: smpl)"
    )


def check_causal(config: TrainConfig, model: PoseLifter) -> None:
    """Check that a network lifts the frame of a window whose pose is the target, and nothing asks for the centre frame.

    Raises:
        SkelgraphError: If the windows are causal and the network is, too: one of them is enough; or all frames of the
            window or a head are trained, which look at its centre.
    """
    if not config.data.causal:
        return
    if getattr(model, "causal", False):
        raise SkelgraphError(
            f"causal is on, and {type(model).__name__} is causal itself: it sees the first half of a window and lifts "
            "the frame in its centre; expected one of them"
        )
    if config.refinement.refine or config.uncertainty.expected_error or config.training.loss_frames == "all":
        raise SkelgraphError(
            "causal is on; expected no refine, no expected-error and no loss-frames 'all', which look at centre frames"
        )


def check_batch(model: PoseLifter, size: int) -> None:
    """Check that a network can be trained on batches of so many windows.

    Raises:
        SkelgraphError: If it normalises over the windows of a batch alone, and there is but one.
    """
    if size > 1:
        return
    trial, keypoints = _trial(model, size)
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


def _trial(model: PoseLifter, size: int) -> tuple[PoseLifter, Tensor]:
    """A copy of a network in training mode, and windows for it: both on meta, where trying costs nothing."""
    return copy.deepcopy(model).to("meta").train(), torch.zeros(size, *model.input_shape, device="meta")


def check_batches(config: TrainConfig, model: PoseLifter, windows: int) -> None:
    """Check before anything is written that the batches can be made and trained on.

    Args:
        config: The settings.
        model: The network.
        windows: How many there are to train on.

    Raises:
        SkelgraphError: If the processes cannot get equal shares, the windows do not make a step, or one pose is too
            few for batch normalisation.
    """
    devices = config.machine.devices
    share = windows // devices
    smallest = min(share_of_batch(config.training.batch_size, devices), share)
    if smallest == 0:
        raise SkelgraphError(f"devices is {devices}, more than the {windows} training windows")
    if not config.training.drop_last:
        if config.training.accumulate > 1:
            raise SkelgraphError("drop-last is off; expected it to be on with accumulate, whose batches count alike")
        smallest = share % smallest or smallest
    step = config.training.accumulate * config.training.batch_size
    if config.training.accumulate > 1 and step > windows:
        raise SkelgraphError(
            f"accumulate is {config.training.accumulate}: a step would take {step} windows, more than the "
            f"{windows} training windows"
        )
    cores = os.cpu_count() or 1
    if chosen_device(config.machine.device) == "cpu" and devices > max(cores, 2):
        raise SkelgraphError(f"devices is {devices}, more processes than the {cores} cores of this machine")
    check_batch(model, smallest)


def check_compiled(config: TrainConfig, optimizer: Optimizer, scheduler: LRScheduler) -> None:
    """Check that whole training steps can be recorded: what is no tensor is the same in all of them.

    Args:
        config: The settings.
        optimizer: One of the run, to try the scheduler on.
        scheduler: Its scheduler.

    Raises:
        SkelgraphError: If there is more than one process, a step is more than one batch, or more than the learning rate
            changes from step to step.
    """
    if config.machine.devices > 1:
        raise SkelgraphError(f"devices is {config.machine.devices}; compiled training runs on one device")
    if config.training.norm_momentum != "constant":
        raise SkelgraphError(
            f"norm-momentum is {shown(config.training.norm_momentum)}; expected 'constant' where training is compiled, "
            "since a recorded step holds it fixed"
        )
    if not config.training.drop_last:
        raise SkelgraphError("drop-last is off; expected it to be on with compile, for batches of one size")
    if config.training.accumulate > 1 or config.training.ema is not None:
        raise SkelgraphError("accumulate and ema are not known to compiled training: leave them out")
    before = optimizer.param_groups[0]["betas"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # there was no step of the optimizer
        scheduler.step()
    if optimizer.param_groups[0]["betas"] != before:
        raise SkelgraphError(
            f"schedule is {shown(config.optimizer.schedule)}, which moves the momentum of Adam too; expected one that "
            "moves the learning rate alone, such as 'cosine', since a recorded step holds everything else fixed"
        )
