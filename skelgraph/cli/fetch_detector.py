"""`skelgraph fetch-detector`."""

import functools
from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from skelgraph.cli.options import text_option
from skelgraph.cli.output import answer, for_people


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

        report = functools.partial(print, flush=True) if for_people() else None  # pip would show its progress, too
        files = fetch_weights(self.name, self.wheel, report=report)
        answer({"detector": self.name, "files": files}, lambda facts: None)  # each file was told of when it was there
