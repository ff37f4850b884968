"""`skelgraph export`."""

from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import arg

from skelgraph.cli.options import (
    WEIGHTS_HELP,
    Flag,
    Imports,
    WeightsModel,
    WeightsOptions,
    import_modules,
    new_file,
    parse_options,
    text_option,
)
from skelgraph.cli.output import answer
from skelgraph.text import plain


@dataclass
class Export:
    """Write a network for other programs, for batches of any size: as ONNX, or as a program of torch.

    The file is run beside the network before it gets its name. The content of the weights tells what they are: a
    checkpoint of a run and a safetensors file know their network, a checkpoint of the authors' code needs --model."""

    weights: Annotated[
        str,
        text_option("file"),
        arg(help=WEIGHTS_HELP),
    ]
    out: Annotated[str, text_option("file"), arg(help="File to write, model.onnx or model.pt2.")]
    format: Annotated[
        str,
        text_option("{onnx,torch-export}"),
        arg(help="Form of the file; onnx needs the extra `export`.", help_behavior_hint="(default: onnx)"),
    ] = "onnx"
    model: WeightsModel = None
    skeleton: Annotated[
        str | None,
        text_option("name"),
        arg(
            help="Joint layout of the weights.",
            help_behavior_hint="(default: as in the file, or that of the released code)",
        ),
    ] = None
    option: WeightsOptions = ()
    overwrite: Annotated[Flag, arg(help="Replace the file that is there.", help_behavior_hint="")] = False
    imports: Imports = ()

    def __call__(self) -> None:
        """Run the command."""
        import_modules(self.imports)
        from skelgraph.models import export_model, load_network

        out = new_file(self.out, self.overwrite)
        model = load_network(self.weights, self.model, self.skeleton, **parse_options(self.option))
        difference = export_model(model, out, self.format)  # type: ignore[arg-type] # it checks the format
        facts = {
            "file": out,
            "network": model.registered_name,
            "takes": ["batch", *model.input_shape],
            "gives": ["batch", model.skeleton.num_joints, model.out_channels],
            "difference": difference,
        }
        answer(facts, _tell)


def _tell(facts: dict[str, Any]) -> None:
    takes, gives = (", ".join(map(str, facts[shape])) for shape in ("takes", "gives"))
    print(
        plain(
            f"{facts['file']}: {facts['network']}, ({takes}) -> ({gives}); at most {facts['difference']:.1g} from the "
            "network",
            1000,
        )
    )
