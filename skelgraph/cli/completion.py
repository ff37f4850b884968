"""`skelgraph completion`."""

import contextlib
import io
from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from skelgraph.cli.options import text_option
from skelgraph.cli.output import answer
from skelgraph.errors import unknown_name

SHELLS = ("bash", "zsh")
"""The shells that tyro writes scripts for without further packages."""


@dataclass
class Completion:
    """Print the script by which a shell completes the commands and options of skelgraph.

    bash: put `eval "$(skelgraph completion bash)"` into ~/.bashrc. zsh: write it to a file called _skelgraph in a
    folder of $fpath."""

    shell: Annotated[
        str, text_option("{" + ",".join(SHELLS) + "}"), Positional, arg(help="Whose script.", help_behavior_hint="")
    ]

    def __call__(self) -> None:
        """Run the command."""
        if self.shell not in SHELLS:
            raise unknown_name("shell", self.shell, SHELLS)
        from skelgraph.cli import run  # which knows all commands, this one among them

        script = io.StringIO()
        with contextlib.redirect_stdout(script), contextlib.suppress(SystemExit):
            run(["--tyro-write-completion", self.shell, "-"])
        answer({"shell": self.shell, "script": script.getvalue()}, lambda facts: print(facts["script"], end=""))
