"""The settings of a run, each declared once: type, default, unit and help.

The command line, configuration files, checkpoints and Python all take them from here. Nothing here imports PyTorch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from skelgraph.datasets.h36m_keypoints import Keypoints
from skelgraph.datasets.registry import DATASETS, read_layout
from skelgraph.datasets.units import Axis, Unit
from skelgraph.datasets.variants_3dhp import VARIANTS_3DHP
from skelgraph.errors import SkelgraphError, unknown_name
from skelgraph.options import Channels, Count, InputForm, NotNegative, OneOf, Positive, Rate, Share, Threads
from skelgraph.settings import CheckedSettings, GroupedSettings, check_named, setting, settings_group
from skelgraph.text import shown
from skelgraph.training.losses import LOSS_SUM, REFINE_LOSS_SUM
from skelgraph.training.schedules import SCHEDULES

if TYPE_CHECKING:
    from skelgraph.topology import SkeletonLike

PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed"}
"""What Lightning calls the precisions."""
AUTO = "auto"
"""Of the precisions the one that is faster here, see :mod:`skelgraph.training.probe`."""

Number = Annotated[int, Field(ge=1, le=10**6)]
Loss = Annotated[str, LOSS_SUM]
RefineLoss = Annotated[str, REFINE_LOSS_SUM]
LossFrames = Literal["centre", "all"]
NormMomentum = Literal["constant", "decaying"]
Schedule = Annotated[str, OneOf(SCHEDULES)]
Percent = Annotated[float, Field(gt=0, le=100)]
Decay = Annotated[float, Field(gt=0, le=1)]
Milestones = Annotated[tuple[Number, ...], Field(min_length=1, max_length=1000)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
RootRule = Literal["subtract", "zero", "keep"]
RootDepth = Literal["true", "estimated"]
Angle = Annotated[float, Field(ge=0, le=90)]
Change = Annotated[float, Field(ge=0, le=50)]
Part = Annotated[float, Field(ge=0, lt=1)]
Ema = Annotated[float, Field(gt=0, lt=1)]
Gpus = Annotated[tuple[Annotated[int, Field(ge=0, le=1023)], ...], Field(min_length=1)]
Modules = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
Select = Literal["last", "test", "validation"]
SelectBy = Literal["actions", "frames"]


@settings_group
@dataclass(frozen=True)
class NetworkConfig(CheckedSettings):
    """Which network."""

    model: str = setting("sem_gcn", "Network; see `skelgraph models`.", unit="name")
    options: Mapping[str, Any] = setting(dict, "Options of the network; the published values are the defaults.")
    input_form: InputForm = setting(
        "screen",
        "What the network is given: keypoints on the normalised screen, or rays turned to the person, which need the "
        "cameras of the data and serve other cameras.",
    )
    init_from: str | None = setting(
        None,
        "Weights that the network starts from: of a run, of the authors' code, of save_pretrained, or the name of "
        "weights that come with skelgraph.",
        unit="file",
        absent="random ones",
    )

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            SkelgraphError: If one is not what it should be.
        """
        super().__post_init__()
        check_named(self, "options")


@settings_group
@dataclass(frozen=True)
class RefinementConfig(CheckedSettings):
    """A head that corrects the lifted pose by its keypoints, back-projected at the depth of the root."""

    refine: bool = setting(False, "Train such a head too, on the true depth of the root; see PostRefine.")
    refine_from: str | None = setting(
        None,
        "Weights that the head starts from: of a run with one, of the authors' code, or converted.",
        unit="file",
        absent="random ones",
    )
    refine_channels: Channels = setting(1024, "Width of the head.", unit="channels")
    refine_dropout: Rate = setting(0.5, "Dropout rate of the head.", unit="rate")
    refine_loss: RefineLoss = setting(
        "mpjpe", "What is minimised of the refined pose, beside the loss of the network; a sum too.", unit="sum"
    )
    refine_dropout_at_test: bool = setting(
        False, "Leave the head's dropout on in tests, as the released programs do: their numbers are random."
    )
    root_depth: RootDepth = setting(
        "true", "Depth of the root that the head is tested with: that of the data, or one told by the keypoints."
    )


@settings_group
@dataclass(frozen=True)
class UncertaintyConfig(CheckedSettings):
    """A head that tells the error to expect of each joint, trained on the errors that the network makes."""

    expected_error: bool = setting(
        False, "Train such a head too, which changes nothing in the network; see ExpectedError."
    )
    expected_error_channels: Channels = setting(256, "Width of this head.", unit="channels")


@settings_group
@dataclass(frozen=True)
class DataConfig(CheckedSettings):
    """What it is trained and tested on."""

    dataset: Annotated[str, OneOf(DATASETS)] = setting("synthetic", "Data set.")
    data_3d: str | None = setting(
        None,
        "File of the 3D positions, npz; of `motion` the motion file or the folder of them, of mpi_inf_3dhp also its "
        "folder, of human36m_hgn the folder of its files.",
        unit="file",
        absent="none",
        source=True,
    )
    data_2d: str | None = setting(
        None, "File of the 2D keypoints, npz.", unit="file", absent="projected, or the usual file", source=True
    )
    cameras: str | None = setting(None, "File of the cameras, JSON.", unit="file", absent="none", source=True)
    smpl: str | None = setting(
        None,
        "Folder of your SMPL model files: of human36m_hgn the vertices of the bodies are then data, too; motion reads "
        "AMASS by them.",
        unit="folder",
        absent="none",
        source=True,
    )
    virtual_cameras: Count | None = setting(
        None,
        "How many cameras stand around each clip where no file of cameras is given.",
        unit="cameras",
        absent="4",
        source=True,
    )
    unit: Unit | Positive | None = setting(
        None,
        "Unit of length of files that do not say it: m, cm, mm, inch, or its metres.",
        unit="unit",
        absent="as the file says",
        source=True,
    )
    up: Axis | None = setting(
        None, "Axis that points up in files that do not say it.", absent="as the file says", source=True
    )
    joint_map: str | None = setting(
        None,
        "File of the joints of the skeleton in the joints of the files, JSON.",
        unit="file",
        absent="by their names",
        source=True,
    )
    keypoints: Keypoints = setting(
        "gt", "Which 2D keypoints; cpn_ft_h36m_dbb and other names from the files are understood, too.", source=True
    )
    variant: Annotated[str, OneOf(VARIANTS_3DHP)] | None = setting(
        None, "Which of the forms of the data, whose numbers do not compare.", absent="none", source=True
    )
    data_options: Mapping[str, Any] = setting(dict, "Options of the data set that are no settings.")
    extra_motion: str | None = setting(
        None,
        "Motion files, or a folder of them, whose motion is trained on beside that of the data set.",
        unit="file",
        absent="none",
    )
    extra_options: Mapping[str, Any] = setting(dict, "What the files of extra-motion do not say: unit, up, joint_map.")
    generated_share: Part = setting(
        0.0, "Share of the training frames that is generated motion, as the data set synthetic has it.", unit="share"
    )
    skeleton: SkeletonLike = setting(
        "h36m17",
        "Joint layout, see `skelgraph skeletons`, or a file of one (.json, or a motion file: .bvh, .amc).",
        unit="name",
    )
    train_subjects: tuple[str, ...] | None = setting(
        None, "Subjects to train on, S1,S5.", unit="names", absent="the dataset's own split"
    )
    test_subjects: tuple[str, ...] | None = setting(
        None, "Subjects to test on, S9,S11.", unit="names", absent="the dataset's own split"
    )
    val_subjects: tuple[str, ...] | None = setting(
        None,
        "Subjects, neither trained nor tested on, that are judged after every epoch.",
        unit="names",
        absent="the test set is judged",
    )
    actions: tuple[str, ...] | None = setting(
        None, "Keep only these actions, Walking,Sitting, or takes of them, Walking 1.", unit="names", absent="all"
    )
    subset: Share | None = setting(
        None, "Train on this share of each clip, one piece of it.", unit="share", absent="all of it"
    )
    downsample: Number | None = setting(
        None,
        "Train on every n-th frame; the test has --test-downsample.",
        unit="frames",
        absent="all that the dataset offers",
    )
    test_downsample: Number | None = setting(
        None, "Test on every n-th frame.", unit="frames", absent="all that the dataset offers"
    )
    hardest: Percent | None = setting(
        None,
        "Test on so many per cent of every 5th test frame, those that resemble the training poses least.",
        unit="percent",
        absent="on all of them",
    )
    hard_sigma: Positive = setting(
        0.05, "Distance at which a joint resembles another by a factor of e less, for --hardest.", unit="metres"
    )
    middles: bool = setting(
        False,
        "Put pelvis, neck and spine in the middle of hips and shoulders, as keypoints of detectors have them: in poses "
        "and keypoints.",
    )
    stride: Number = setting(1, "Train on the centre frame of every n frames, chunk by chunk.", unit="frames")
    time_reversal: bool = setting(False, "Train on windows that run backwards, too.")
    causal: bool = setting(False, "Windows end with the frame that is lifted, instead of having it in their centre.")
    unchecked: bool = setting(
        False,
        "Do not ask whether the data are plausible (units, conventions, skeleton), nor whether training, validation "
        "and test subjects are apart.",
        resume=True,
    )

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            SkelgraphError: If one is not what it should be, or is given as an option of the data set too, or there is
                no such file of a skeleton.
        """
        super().__post_init__()
        object.__setattr__(self, "skeleton", read_layout(self.skeleton))
        check_named(self, "data_options")
        check_named(self, "extra_options")
        if self.extra_options and self.extra_motion is None:
            raise SkelgraphError("extra-options are given, but extra-motion, whose options they are, is not")
        for member in dataclasses.fields(self):
            if member.metadata["source"] and member.name in self.data_options:
                raise SkelgraphError(f"data_options holds {member.name!r}, which is a setting of its own; give that")
        if self.hardest is None and self.hard_sigma != type(self).hard_sigma:
            raise SkelgraphError(f"hard-sigma is {self.hard_sigma}, but no poses are ranked: hardest is not given")

    def sources(self) -> dict[str, Any]:
        """What the data set is made from: the settings that it takes or that were given, and its own options."""
        taken = DATASETS.find(self.dataset).takes
        values = {m.name: (getattr(self, m.name), m.default) for m in dataclasses.fields(self) if m.metadata["source"]}
        given = {name: value for name, (value, default) in values.items() if name in taken or value != default}
        return given | dict(self.data_options)


@settings_group
@dataclass(frozen=True)
class TrainingConfig(CheckedSettings):
    """How long, on what batches, against what loss."""

    max_epochs: Number = setting(20, "Epochs to train.", unit="epochs")
    batch_size: Number = setting(128, "Windows in a batch, over all processes.", unit="windows")
    loss: Loss = setting(
        "mpjpe",
        "What is minimised, a weighted sum such as 0.9*mse + 0.1*l1; none where heads alone are trained.",
        unit="sum",
    )
    loss_frames: LossFrames = setting(
        "centre", "Frames of a window that the loss is taken of; all for networks that lift all of them."
    )
    norm_momentum: NormMomentum = setting(
        "constant", "Momentum of batch normalisation; decaying: from 0.1 to 0.001 over the run, as in VideoPose3D."
    )
    flip: bool | None = setting(
        None, "Train on mirrored poses too.", absent="where the skeleton says what is left and right"
    )
    seed: Seed = setting(0, "Seed of initialisation, order and dropout.", unit="number")
    drop_last: bool = setting(
        True, "Leave out the last batch of an epoch if it is not full; the published programs keep it."
    )
    accumulate: Number = setting(1, "Batches whose gradients make one step of the optimizer.", unit="batches")
    ema: Ema | None = setting(
        None,
        "Judge and save a moving average of the weights, which keeps this share of itself in every step.",
        unit="share",
        absent="the weights themselves",
    )
    early_stopping: Number | None = setting(
        None,
        "Stop when so many epochs in a row were not better than the best one before them.",
        unit="epochs",
        absent="never",
        resume=True,
    )
    save_every: Number | None = setting(
        None, "Keep the checkpoint of every n-th epoch.", unit="epochs", absent="only last and best", resume=True
    )


@settings_group
@dataclass(frozen=True)
class AugmentationConfig(CheckedSettings):
    """What is made of the training windows in every step; the data of the test stay as they are."""

    virtual_views: bool = setting(False, "Film each training window by a new camera in every step.")
    roll: Angle = setting(0.0, "Roll of these cameras, standard deviation.", unit="degrees")
    tilt: Angle = setting(
        0.0, "Tilt of the bodies about both horizontal axes before they are filmed, standard deviation.", unit="degrees"
    )
    mix: Rate = setting(
        0.0, "How often both legs, and each arm, are taken from another pose of the batch before.", unit="share"
    )
    bend: Angle = setting(
        0.0, "Bend of the bodies at the hips about all three axes before, standard deviation.", unit="degrees"
    )
    limb_lengths: Change = setting(0.0, "Largest change of the length of each bone before.", unit="percent")
    keypoint_noise: NotNegative = setting(
        0.0, "Largest noise of the keypoints, as a share of the box around a body.", unit="percent"
    )
    outliers: Rate = setting(0.0, "Share of the keypoints that are found anywhere in that box.", unit="share")
    joint_dropout: Rate = setting(0.0, "Share of the keypoints that are not found.", unit="share")

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            SkelgraphError: If one is not what it should be, or other bodies are asked for that nobody films.
        """
        super().__post_init__()
        for name in ("roll", "tilt", "mix", "bend", "limb_lengths"):
            if (value := getattr(self, name)) and not self.virtual_views:
                raise SkelgraphError(
                    f"{name.replace('_', '-')} is {value}, but no new camera films what it makes: "
                    "expected virtual-views to be on"
                )

    @property
    def is_on(self) -> bool:
        """Whether anything is made of the windows."""
        return self != type(self)()


@settings_group
@dataclass(frozen=True)
class OptimizerConfig(CheckedSettings):
    """Adam and its learning rate."""

    lr: Positive = setting(4e-3, "Learning rate of Adam, the highest of its schedule.", unit="number")
    schedule: Schedule = setting("onecycle", "How the learning rate moves.")
    lr_decay: Decay = setting(0.95, "Factor on the learning rate, of the schedules that have one.", unit="factor")
    lr_large_decay: Decay = setting(
        0.5, "Factor on the learning rate after every lr-every-th epoch (alternating).", unit="factor"
    )
    lr_every: Number | None = setting(
        None, "Steps (step_power) or epochs (alternating, every) between changes.", unit="number", absent="not used"
    )
    lr_milestones: Milestones | None = setting(
        None, "Epochs after which the learning rate falls (multistep), 20,40.", unit="epochs", absent="not used"
    )
    amsgrad: bool = setting(False, "Adam's variant AMSGrad.")
    weight_decay: NotNegative = setting(0.0, "Decoupled weight decay.", unit="rate")
    clip_grad: NotNegative = setting(1.0, "Largest norm of the gradient; 0: no clipping.", unit="norm")


@settings_group
@dataclass(frozen=True)
class EvaluationConfig(CheckedSettings):
    """How it is tested."""

    flip_test: bool | None = setting(
        None,
        "Average the answers to a test pose and its mirror image.",
        absent="where the skeleton says what is left and right",
    )
    root: RootRule = setting(
        "subtract",
        "What is done with the predicted root: it is subtracted from all joints, set to zero while the others stay "
        "(GraphMLP, ST-GCN), or kept (VideoPose3D).",
    )
    pck_threshold: Positive | None = setting(
        None,
        "Error below which PCK counts a joint as right; the thresholds of AUC are shares of it. Of hands, whose joints "
        "are all nearer than 150 mm, another one tells more.",
        unit="mm",
        absent="150, that of the literature",
        resume=True,
    )
    save_obj: Number | None = setting(
        None,
        "Write the meshes that hgn predicts for so many test frames, .obj.",
        unit="files",
        absent="none",
        resume=True,
    )
    select: Select = setting(
        "last",
        "Whose weights are tested at the end: those of the last epoch, or of the epoch with the lowest error on the "
        "test set (as the field does) or on the validation subjects.",
    )
    select_by: SelectBy = setting("actions", "Which mean of the error tells the best epoch.")


@settings_group
@dataclass(frozen=True)
class MachineConfig(CheckedSettings):
    """What it runs on."""

    device: Literal["auto", "cpu", "cuda"] = setting("auto", "auto takes a GPU if there is one.", resume=True)
    devices: Number = setting(1, "Number of processes (GPUs on cuda).", unit="processes", resume=True)
    gpus: Gpus | None = setting(
        None, "Which GPUs, 0,2; as many as devices.", unit="numbers", absent="the first ones", resume=True
    )
    precision: Annotated[str, OneOf((*PRECISIONS, AUTO))] = setting(
        "32", "Number format; bf16 is mixed with float32, auto tries on a CPU which is faster."
    )
    threads: Threads | None = setting(
        None, "Threads of the CPU.", unit="threads", absent="as many as a short probe finds fastest", resume=True
    )
    compile: bool = setting(
        False, "Compile the network; on a GPU whole training steps run as one CUDA graph (experimental)."
    )
    progress: bool = setting(True, "Show progress.", resume=True)
    imports: Modules | None = setting(
        None,
        "Python modules of yours that register what the run names, as --import was given them: kept to be named, and "
        "imported by nothing that reads these settings.",
        unit="names",
        absent="none",
        resume=True,
    )


@dataclass(frozen=True)
class TrainConfig(GroupedSettings):
    """Everything that decides what a run does: the folder of its results and groups of settings.

    The name of a setting is unique over the groups, so that :meth:`replace`, the command line and messages need no
    other. ``dataclasses.fields`` of a group tell the help and the unit of each.

    Args:
        out: Folder of the results.
        network: Which network.
        refinement: A head that corrects its poses.
        uncertainty: A head that tells how wrong they are likely to be.
        data: What it is trained and tested on.
        training: How long, on what batches, against what loss.
        augmentation: What is made of the training windows.
        optimizer: Adam and its learning rate.
        evaluation: How it is tested.
        machine: What it runs on.

    Example:
        >>> config = TrainConfig("runs/a", NetworkConfig("rs_net"), optimizer=OptimizerConfig(lr=1e-3))
        >>> config.replace(lr=2e-3, max_epochs=5).optimizer.lr
        0.002
    """

    out: str
    network: NetworkConfig = field(default_factory=NetworkConfig)
    refinement: RefinementConfig = field(default_factory=RefinementConfig)
    uncertainty: UncertaintyConfig = field(default_factory=UncertaintyConfig)
    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    machine: MachineConfig = field(default_factory=MachineConfig)

    def settings(self) -> dict[str, Any]:
        """The values of all settings by their names, ``out`` first, as plain data for JSON."""
        return {"out": self.out} | {name: value for group in self._plain().values() for name, value in group.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON and checkpoints: ``out``, and the settings of each group by their names."""
        return {"out": self.out, **self._plain()}

    def _plain(self) -> dict[str, dict[str, Any]]:
        values: dict[str, dict[str, Any]] = {group: {} for group in self.groups()}
        for group, member in self.declared():
            values[group][member.name] = _plain(getattr(getattr(self, group), member.name))
        from skelgraph.topology import skeleton_config

        values["data"]["skeleton"] = skeleton_config(self.data.skeleton)
        return values

    def replace(self, **changes: Any) -> TrainConfig:
        """The same settings but for some, by their names.

        Raises:
            SkelgraphError: If there is no such setting, or a value is not what its annotation says.
        """
        group_of = self.group_of()
        changed: dict[str, dict[str, Any]] = {}
        for name, value in changes.items():
            if name not in ("out", *group_of):
                raise unknown_name("setting", name, ["out", *group_of])
            if name != "out":
                changed.setdefault(group_of[name], {})[name] = value
        groups = {group: dataclasses.replace(getattr(self, group), **values) for group, values in changed.items()}
        return dataclasses.replace(self, **{"out": changes.get("out", self.out), **groups})

    def decided(self) -> TrainConfig:
        """The same settings with what was left open decided: mirror images where the skeleton has them.

        Raises:
            TopologyError: If they are wanted of a skeleton that does not say what is left and right.
        """
        from skelgraph.topology import as_skeleton

        layout = as_skeleton(self.data.skeleton)
        flip, flip_test = (
            layout.symmetry_known if wanted is None else wanted
            for wanted in (self.training.flip, self.evaluation.flip_test)
        )
        if flip or flip_test:
            layout.mirror_index  # noqa: B018 - refused here, before anything is written
        return self.replace(flip=flip, flip_test=flip_test)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """The inverse of :meth:`to_dict`; what is left out has its default.

        Raises:
            SkelgraphError: If these are no settings, one is unknown, or one is not what its annotation says.
        """
        if not isinstance(values, Mapping) or "out" not in values:
            raise SkelgraphError(
                f"the settings are {shown(values)}; expected their values by their names, out among them"
            )
        groups = cls.groups()
        home = cls.group_of()
        made: dict[str, Any] = {}
        for name, members in values.items():
            if name == "out":
                continue
            if name not in groups:
                if name in home:
                    raise SkelgraphError(f"the setting {name} belongs into the group {home[name]!r}")
                raise unknown_name("setting", name, ["out", *groups])
            if not isinstance(members, Mapping):
                raise SkelgraphError(f"{name} is {shown(members)}; expected its settings by their names")
            known = [member for member, group in home.items() if group == name]
            for member in members:
                if member not in known:
                    if member in home:
                        raise SkelgraphError(
                            f"the setting {member} belongs into the group {home[member]!r}, not {name!r}"
                        )
                    raise unknown_name(f"setting of {name}:", member, known)
            made[name] = groups[name](**members)
        return cls(values["out"], **made)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value
