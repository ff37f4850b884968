"""The process of :mod:`authors`: one network of a repository, built and run as it is told over a pipe.

What comes and goes are numbers, texts and tensors, which :func:`torch.load` reads with ``weights_only``. Nothing of
this project is imported but the clock: modules of a repository may have any name.
"""

from __future__ import annotations

import importlib
import io
import os
import re
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from multiprocessing.connection import Connection
from types import SimpleNamespace
from typing import Any

import torch
from timing import turn
from torch import Tensor, nn


def send(connection: Connection, message: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    torch.save(message, buffer)
    connection.send_bytes(buffer.getvalue())


def receive(connection: Connection) -> dict[str, Any]:
    return torch.load(io.BytesIO(connection.recv_bytes()), weights_only=True)


def to_theirs(x: Tensor, form: str) -> Tensor:
    """Keypoints ``(B, J, C)`` or ``(B, T, J, C)`` in the form of a repository."""
    frames = x if x.dim() == 4 else x.unsqueeze(1)
    if form == "channels first":
        return frames.permute(0, 3, 1, 2).unsqueeze(-1).contiguous()  # one person
    return {"poses": x, "flat": x.flatten(1), "frames": frames}[form]


def to_ours(y: Tensor, form: str) -> Tensor:
    """Poses in the form of a repository as ``(B, J, 3)``."""
    return (y.movedim(1, -1) if form == "channels first" else y).reshape(len(y), -1, 3)


_compile = SourceFileLoader.source_to_code


def _source_to_code(loader: SourceFileLoader, data: Any, path: Any, *arguments: Any, **options: Any) -> Any:
    """Compile a file that may be of Python 2, where ``nonlocal`` was the name of attributes."""
    if isinstance(data, bytes):
        data = re.sub(rb"\.nonlocal\b", b".nonlocal_", data)
    return _compile(loader, data, path, *arguments, **options)


class Worker:
    """Does what it is asked for, by name."""

    def build(self, module: str, name: str, arguments: dict[str, Any], form: str, threads: int) -> dict[str, Tensor]:
        """Its weights."""
        torch.set_num_threads(threads)
        sys.path[0], sys.argv[1:] = os.getcwd(), []
        SourceFileLoader.source_to_code = _source_to_code  # type: ignore[method-assign]
        if not torch.cuda.is_available():  # some constructors know no other device
            Tensor.cuda = nn.Module.cuda = lambda self, *_, **__: self  # type: ignore[method-assign,assignment]
        values = {
            key: SimpleNamespace(**value) if isinstance(value, dict) else value for key, value in arguments.items()
        }
        self.network: nn.Module = getattr(importlib.import_module(module), name)(**values)
        self.form = form
        return self.network.state_dict()

    def prepare(self, x: Tensor, y: Tensor | None) -> Tensor:
        """Its poses at evaluation."""
        theirs = to_theirs(x, self.form)
        self.network.eval()
        with torch.no_grad():
            poses = to_ours(self.network(theirs), self.form)
        self.run = self._forward(theirs) if y is None else self._training_step(theirs, y)
        return poses

    def _forward(self, x: Tensor) -> Callable[[], object]:
        def run() -> None:
            with torch.no_grad():
                self.network(x)

        return run

    def _training_step(self, x: Tensor, y: Tensor) -> Callable[[], object]:
        optimizer = torch.optim.Adam(self.network.train().parameters(), lr=1e-3)

        def run() -> None:
            optimizer.zero_grad()
            (to_ours(self.network(x), self.form) - y).norm(dim=-1).mean().backward()
            optimizer.step()

        return run

    def call(self) -> None:
        self.run()

    def turn(self) -> list[float]:
        return turn(self.run)


def main() -> None:
    connection, worker = Connection(int(sys.argv[1])), Worker()
    while True:
        try:
            request = receive(connection)
        except EOFError:
            return
        try:
            answer = {"answer": getattr(worker, request.pop("do"))(**request)}
        except (Exception, SystemExit) as error:
            lines = str(error).strip().splitlines()
            answer = {"error": f"{type(error).__name__}: {lines[0][:200] if lines else ''}"}
        send(connection, answer)


if __name__ == "__main__":
    main()
