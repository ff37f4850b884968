"""Workers that torchrun has started, and starts again when one of them is killed."""

from __future__ import annotations

import atexit
import os

import lightning.pytorch as pl
import torch.distributed as dist

from skelgraph.errors import SkelgraphError


def check_workers(devices: int) -> None:
    """Check that torchrun, if it has started this process, has started as many as are to share the work: else each
    would train by itself.

    Raises:
        SkelgraphError: If it has started another number.
    """
    started = os.environ.get("WORLD_SIZE")
    if dist.is_torchelastic_launched() and started != str(devices):
        raise SkelgraphError(f"torchrun has started {started} processes, and devices is {devices}: they differ")


def join_workers(trainer: pl.Trainer) -> None:
    """Connect the workers that torchrun has started; without torchrun Lightning starts and connects them.

    They find each other by a store in torchrun's own process, which remembers the addresses of workers that are dead
    (pytorch/pytorch#135712). Here each restart has keys of its own, by its number: on one machine all workers are
    restarted together, and know it.
    """
    if not dist.is_torchelastic_launched() or trainer.world_size == 1 or dist.is_initialized():
        return
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = dist.TCPStore(address, port, trainer.world_size, is_master=False)
    attempt = dist.PrefixStore(f"skelgraph/attempt_{os.environ['TORCHELASTIC_RESTART_COUNT']}", store)
    backend = "nccl" if trainer.strategy.root_device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=attempt, rank=trainer.global_rank, world_size=trainer.world_size)
    atexit.register(dist.destroy_process_group)
