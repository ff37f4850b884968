"""The check that functions of geometry are given tensors."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from skelgraph.errors import SkelgraphError
from skelgraph.text import shown


def check_tensors(**given: Any) -> None:
    """Check that arguments are tensors: NumPy's arrays look like them, and lack what is computed with.

    Raises:
        SkelgraphError: If one is none; the message names it.
    """
    for name, value in given.items():
        if not isinstance(value, Tensor):
            raise SkelgraphError(
                f"{name} is {shown(value)}; expected a tensor, such as torch.as_tensor({name}, dtype=torch.float32)"
            )
