"""Train one network in several processes, as torchrun starts them.

Every process draws the same batch, and sends its share of the patches through the network. The
answers are exchanged, so that each process computes the loss of the whole batch: whatever the loss
is, losses and gradients are those of one process with that batch, but for rounding.
"""

from __future__ import annotations

import atexit
import os
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..device import pick_device
from ..errors import InputError
from ..networks import Network
from ..recipe import Recipe
from .processes import end_with_parent, ended_by_signals, n_processes, n_processes_here

Value = TypeVar("Value")


@dataclass(frozen=True)
class Group:
    """Hold the number of this process among those that train one network.

    Parameters
    ----------
    rank, size
        Number of this process, from 0, and how many there are.
    device
        Where numbers have to lie to be exchanged.
    """

    rank: int = 0
    size: int = 1
    device: torch.device | None = None

    @property
    def is_first(self) -> bool:
        """Return whether this process validates and saves."""
        return self.rank == 0

    def wrapped(self, network: nn.Module) -> nn.Module:
        """Return a module that averages the gradients of a network over all processes."""
        return network if self.size == 1 else DistributedDataParallel(network)

    def share_of(self, pixels: Tensor) -> Tensor:
        """Return the patches ``(N / size, ...)`` that this process sends through the network."""
        n = len(pixels) // self.size
        return pixels[self.rank * n : (self.rank + 1) * n]

    def gathered(self, logits: Tensor) -> Tensor:
        """Return the answers ``(N, ...)`` to the whole batch.

        Gradients flow into those of this process alone.
        """
        if self.size == 1:
            return logits
        own = logits.detach().contiguous()
        parts = [torch.empty_like(own) for _ in range(self.size)]
        dist.all_gather(parts, own)
        parts[self.rank] = logits
        return torch.cat(parts)

    def summed(self, loss: Tensor) -> Tensor:
        """Return a loss whose averaged gradients are the sum over all processes."""
        return loss if self.size == 1 else loss * self.size

    def highest(self, number: int) -> int:
        """Return the highest number that any process gives."""
        if self.size == 1:
            return number
        numbers = torch.tensor(number, device=self.device)
        dist.all_reduce(numbers, dist.ReduceOp.MAX)
        return int(numbers)

    def of_first(self, value: Value) -> Value:
        """Return the value of the first process."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, device=self.device)
        return values[0]


ALONE = Group()
"""The only process."""


def device_of_process(name: str | None) -> torch.device:
    """Return the device to use: `pick_device`, but each process of torchrun gets its own card.

    Raises
    ------
    InputError
        If the device cannot be used, or by one process only.
    """
    device = pick_device(name)
    if n_processes() == 1 or device.type == "cpu":
        return device
    if str(device) != "cuda":
        raise InputError(
            f"Several processes cannot share the device '{device}': each needs a GPU of its own "
            "(cuda), or all use the CPU (cpu).",
            device=None,
        )
    here, n_cards = n_processes_here(), torch.cuda.device_count()
    if here > n_cards:
        raise InputError(
            f"{here} processes were started on a machine with {n_cards} GPUs, but each needs one "
            "of its own: start fewer, or use the CPU.",
            device="cpu",
        )
    torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    return device


def check_distributed(recipe: Recipe, device: torch.device) -> None:
    """Check that a training can be divided among the processes of torchrun.

    Raises
    ------
    InputError
        If its batch does not divide, or its normalization depends on the division.
    """
    n = n_processes()
    batch = recipe.training.batch
    if batch % n:
        nearest = f"{batch // n * n} or {(batch // n + 1) * n}" if batch > n else f"{n}"
        raise InputError(
            f"A batch of {batch} patches does not divide among {n} processes: set training.batch "
            f"to {nearest}."
        )
    normalization = getattr(recipe.network, "normalization", "none")
    if n > 1 and normalization == "batch" and device.type != "cuda":
        raise InputError(
            "On the CPU, batch normalization cannot be computed over several processes: set "
            "network.normalization to another kind, or start one process."
        )


def synchronized(network: Network) -> Network:
    """Return a network whose batch normalization sees the whole batch of all processes."""
    if n_processes() > 1:
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    return network


def join(device: torch.device) -> Group:
    """Join the processes that torchrun has started, until this process ends."""
    if n_processes() == 1:
        return ALONE
    if not dist.is_initialized():
        is_cuda = device.type == "cuda"
        card = torch.device("cuda", torch.cuda.current_device()) if is_cuda else None
        end_with_parent()
        with ended_by_signals():  # nothing is learnt yet that could be lost
            dist.init_process_group("nccl" if is_cuda else "gloo", device_id=card)
        atexit.register(dist.destroy_process_group)
    return Group(dist.get_rank(), dist.get_world_size(), device)
