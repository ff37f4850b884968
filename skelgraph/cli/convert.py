"""`skelgraph convert-official`."""

from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import arg

from skelgraph.cli.options import Flag, Imports, WeightsOptions, import_modules, new_file, parse_options, text_option
from skelgraph.cli.output import answer
from skelgraph.text import plain


@dataclass
class ConvertOfficial:
    """Convert a checkpoint of the authors' code to a safetensors file with the model's configuration inside."""

    model: Annotated[
        str, text_option("name"), arg(help="Network, see `skelgraph models`; or post_refine, a refinement head.")
    ]
    checkpoint: Annotated[str, text_option("file"), arg(help="Checkpoint file of the authors' code.")]
    out: Annotated[str, text_option("file"), arg(help="File to write, model.safetensors.")]
    skeleton: Annotated[
        str | None,
        text_option("name"),
        arg(help="Joint layout of the weights.", help_behavior_hint="(default: that of the released code)"),
    ] = None
    option: WeightsOptions = ()
    overwrite: Annotated[Flag, arg(help="Replace the file that is there.", help_behavior_hint="")] = False
    imports: Imports = ()

    def __call__(self) -> None:
        """Run the command."""
        import_modules(self.imports)
        from skelgraph.models import load_official, model_info
        from skelgraph.models.pretrained import PARTS, configuration, save_weights

        out = new_file(self.out, self.overwrite)
        if self.model not in PARTS:
            model_info(self.model)  # an unknown name is an error before anything is read
        converted = load_official(self.model, self.checkpoint, self.skeleton, **parse_options(self.option))
        save_weights(converted, out)
        about = configuration(converted)
        answer({"file": out, **about}, _tell)


def _tell(facts: dict[str, Any]) -> None:
    print(plain(f"{facts['file']}: {facts['name']} on {facts['skeleton']}, {facts['options']}", 1000))
