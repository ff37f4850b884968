"""`skelgraph fetch-detector`."""

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from skelgraph.cli.options import text_option


@dataclass
class FetchDetector:
    """Fetch the weight files of a detector into the cache, by pip out of a package of the registry; files that are
    there are kept."""

    name: Annotated[str, text_option("name"), Positional, arg(help="Detector: blazepose.")]
    wheel: Annotated[
        str | None,
        text_option("file"),
        arg(help="Take them out of this wheel on disk.", help_behavior_hint="(default: pip downloads it)"),
    ] = None

    def __call__(self) -> None:
        """Run the command."""
        from skelgraph.detection import fetch_weights

        fetch_weights(self.name, self.wheel, report=lambda line: print(line, flush=True))
