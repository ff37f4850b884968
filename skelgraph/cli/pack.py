"""`skelgraph pack`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import arg

from skelgraph.cli.options import (
    WEIGHTS_HELP,
    Flag,
    Imports,
    WeightsModel,
    WeightsOptions,
    WeightsSkeleton,
    import_modules,
    new_file,
    parse_options,
    text_option,
    values_of,
)
from skelgraph.cli.output import answer
from skelgraph.errors import SkelgraphError
from skelgraph.text import plain

if TYPE_CHECKING:
    from skelgraph.models import PoseLifter


@dataclass
class Pack:
    """Write a network to one safetensors file with its configuration inside, to be handed on: without the optimizer,
    the settings and the files of its run."""

    weights: Annotated[
        str,
        text_option("file"),
        arg(help=WEIGHTS_HELP),
    ]
    out: Annotated[str, text_option("file"), arg(help="File to write, model.safetensors.")]
    half: Annotated[
        Flag,
        arg(help="Write numbers of 16 bits, which takes half the space; they are read as 32.", help_behavior_hint=""),
    ] = False
    frame_rate: Annotated[
        float | None,
        arg(
            help="Frames per second of the windows that a network of several frames was trained on.",
            help_behavior_hint="(default: not said)",
        ),
    ] = None
    model: WeightsModel = None
    skeleton: WeightsSkeleton = None
    option: WeightsOptions = ()
    overwrite: Annotated[Flag, arg(help="Replace the file that is there.", help_behavior_hint="")] = False
    imports: Imports = ()

    def __call__(self) -> None:
        """Run the command."""
        import_modules(self.imports)
        out = new_file(self.out, self.overwrite)
        skeleton = None if self.skeleton is None else values_of({"skeleton": self.skeleton})["skeleton"]
        options = parse_options(self.option)
        network = pack(self.weights, out, self.model, skeleton, half=self.half, frame_rate=self.frame_rate, **options)
        facts = {
            "file": out,
            "network": network.registered_name,
            "frames": network.num_frames,
            "skeleton": network.skeleton.name,
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "bytes": out.stat().st_size,
            "tested": network.config.get("tested"),
        }
        answer(facts, _tell)


def _tell(facts: dict[str, Any]) -> None:
    frames = "1 frame" if facts["frames"] == 1 else f"{facts['frames']} frames"
    print(
        plain(
            f"{facts['file']}: {facts['network']} of {frames}, {facts['skeleton']}, "
            f"{facts['parameters']:,} parameters, {facts['bytes']:,} bytes",
            1000,
        )
    )


def pack(
    weights: str | Path,
    out: Path,
    model: str | None = None,
    skeleton: Any = None,
    *,
    half: bool = False,
    frame_rate: float | None = None,
    **options: Any,
) -> "PoseLifter":
    """Write a network of weights of any origin, and what tells its errors if there is one, to a safetensors file.

    Returns:
        The network as the file has it.

    Raises:
        SkelgraphError: If the weights are not usable, or a frame rate is given for a network of one frame.
    """
    import torch

    from skelgraph.models import load_expected_error, load_model, load_network
    from skelgraph.models.pretrained import save_weights

    network, head = load_network(weights, model, skeleton, **options), load_expected_error(weights)
    if frame_rate is not None and network.num_frames == 1:
        raise SkelgraphError(
            f"frame_rate is {frame_rate:g}, but {network.registered_name} sees one frame; leave it out"
        )
    save_weights(network, out, expected_error=head, frame_rate=frame_rate, dtype=torch.float16 if half else None)
    return load_model(out)
