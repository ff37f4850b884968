"""Many training steps on a GPU without the CPU: one step is recorded as a CUDA graph and replayed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
import torch._functorch.config
from torch import Tensor, nn
from torch.optim import Optimizer

from skelgraph.errors import SkelgraphError

Result = TypeVar("Result")
EAGER_STEPS = 3
"""Steps before the recording: they make the moments of the optimizer, and let libraries choose their kernels."""

CHEAPLY_ANEW = {
    f"ban_recompute_{kind}": False for kind in ("used_far_apart", "long_fusible_chains", "materialized_backward")
}
"""Options of torch for compiled training on a CPU: what is cheap is computed anew in the backward pass. Stored masks of
ReLU cost a mispredicted branch each; ``aggressive_recomputation`` would draw dropout anew, and gradients be wrong."""


def compiled_training(
    function: Callable[..., Result], device: torch.device | str, fullgraph: bool = False
) -> Callable[..., Result]:
    """Compile a network or a loss for training, with the options that are fastest on this device.

    Args:
        function: What is compiled, when it is first called.
        device: Where it runs.
        fullgraph: Refuse what cannot be compiled as one graph.
    """
    if torch.device(device).type != "cpu":
        return torch.compile(function, fullgraph=fullgraph)
    # torch's own random numbers are three times as fast there as those of compiled code
    fast = torch.compile(function, fullgraph=fullgraph, options={"fallback_random": True})

    def run(*args: Any) -> Result:
        with torch._functorch.config.patch(CHEAPLY_ANEW):
            return fast(*args)

    return run


class StepGraph:
    """The whole training step: batch, forward and backward pass, clipping, Adam, sum of the losses.

    Networks of skeletons are so small that a GPU waits for the CPU, which launches some two hundred kernels a step. `A
    CUDA graph <https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs>`_ is launched at once. The graph finds
    its batch and its learning rate by a counter on the device, so that nothing is copied between two steps and nothing
    is waited for.

    On a CPU the same steps are taken one by one.

    Args:
        losses: The losses of a batch of the windows with these numbers ``(B,)``, whose sum is minimised; it must not
            wait for the GPU.
        optimizer: Adam, ``fused`` on a GPU. Its parameters are clipped and stepped.
        max_norm: Largest norm of the gradient; 0: no clipping.
        capacity: Most steps of one call.
        clipped: Groups of these parameters, each of which has a norm of its own; one of all unless given.

    Raises:
        SkelgraphError: If the optimizer has several groups of parameters.
    """

    def __init__(
        self,
        losses: Callable[[Tensor], Sequence[Tensor]],
        optimizer: Optimizer,
        max_norm: float,
        capacity: int,
        clipped: Sequence[Sequence[Tensor]] | None = None,
    ) -> None:
        if len(optimizer.param_groups) != 1:
            raise SkelgraphError(f"the optimizer has {len(optimizer.param_groups)} groups of parameters; expected 1")
        self.losses = losses
        self.optimizer = optimizer
        self.max_norm = max_norm
        parameters = optimizer.param_groups[0]["params"]
        self.clipped = [parameters] if clipped is None else clipped
        self.device = parameters[0].device
        self.graph: torch.cuda.CUDAGraph | None = None
        self.rates = torch.zeros(capacity, device=self.device)
        self.rate = torch.zeros((), device=self.device)
        self.counter = torch.zeros(1, dtype=torch.long, device=self.device)
        self.total = torch.zeros((), device=self.device)
        self.order: Tensor | None = None

    def __call__(self, order: Tensor, rates: Sequence[float]) -> Tensor:
        """Take a step for every row of ``order`` ``(steps, B)``, the numbers of the windows of its batch.

        Args:
            order: At most ``capacity`` rows, of the same length in every call.
            rates: The learning rate of every step.

        Returns:
            The mean of the first loss, a scalar on the device.
        """
        steps = len(order)
        if self.order is None:
            self.order = torch.zeros(len(self.rates), order.size(1), dtype=torch.long, device=self.device)
        self.order[:steps].copy_(order)
        self.counter.zero_()
        self.total.zero_()
        if self.device.type != "cuda":
            for rate in rates:
                self._step(rate)
            return self.total / steps
        self.rates[:steps].copy_(torch.tensor(rates))
        eager = 0
        if self.graph is None:
            eager = min(steps, EAGER_STEPS)
            self._warm_up(eager)
            self._record()
        for _ in range(steps - eager):
            self.graph.replay()  # type: ignore[union-attr]
        return self.total / steps

    def _step(self, rate: Tensor | float) -> None:
        assert self.order is not None
        group = self.optimizer.param_groups[0]
        self.optimizer.zero_grad(set_to_none=True)
        first, *others = self.losses(self.order.index_select(0, self.counter).squeeze(0))
        sum(others, first).backward()
        if self.max_norm:
            for parameters in self.clipped:
                nn.utils.clip_grad_norm_(parameters, self.max_norm, foreach=True)
        kept = {name: group[name] for name in ("lr", "capturable")}
        group.update(lr=rate, capturable=isinstance(rate, Tensor))
        try:
            self.optimizer.step()
        finally:  # schedules and checkpoints see numbers
            group.update(kept)
        self.total += first.detach()
        self.counter += 1

    def _step_on_gpu(self) -> None:
        self.rate.copy_(self.rates.index_select(0, self.counter).squeeze(0))
        self._step(self.rate)

    def _warm_up(self, steps: int) -> None:
        """Steps without the graph, on a stream of their own, as recording demands."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(steps):
                self._step_on_gpu()
        torch.cuda.current_stream().wait_stream(side)

    def _record(self) -> None:
        """Record a step, which is not taken then."""
        self.optimizer.zero_grad(set_to_none=True)  # gradients of the recorded step live in its own memory
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._step_on_gpu()
        self.graph = graph
