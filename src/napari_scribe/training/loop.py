"""The one training loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..device import repeatable
from ..networks.blocks import memory_format
from .checkpoint import TrainState
from .patches import Batch

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


class Data(Protocol):
    """What the loop learns from; may change between steps."""

    def draw(self) -> Batch:
        """The next training batch."""
        ...

    @property
    def validation(self) -> Sequence[Batch]:
        """Fixed batches that are never trained on; empty where there are none."""
        ...

    @property
    def version(self) -> int:
        """Counts up whenever the data changes."""
        ...


@dataclass(frozen=True)
class Progress:
    """One step: its number, its loss, and the validation loss where one was taken."""

    index: int
    loss: float
    validation: float | None


def learn(
    state: TrainState, data: Data, loss: Loss, dtype: torch.dtype, score: Loss | None = None
) -> Generator[Progress, None, None]:
    """Train without end, one step per record; the caller decides when it is enough.

    Parameters
    ----------
    state
        Changed in place.
    data
        Batches.
    loss
        ``(logits, values, weights) -> scalar``.
    dtype
        Precision of the convolutions; the weights stay float32.
    score
        Loss by which the best is told, where it is not `loss`.

    Raises
    ------
    RuntimeError
        If the training diverges.
    """
    version, score = data.version, score or loss
    while True:
        if data.version != version:
            version = data.version
            rescore_best(state, data, score, dtype)
        batch = data.draw()
        with repeatable():
            value = _step(state, batch, loss, dtype)
        validation = None
        if data.validation and state.index % state.recipe.validate_every == 0:
            validation = validate(state.average, data.validation, score, dtype)
            state.keep_if_best(validation)
        yield Progress(state.index, value, validation)


def _step(state: TrainState, batch: Batch, loss: Loss, dtype: torch.dtype) -> float:
    state.network.train()
    value = loss(forward(state.network, batch.pixels, dtype), batch.values, batch.weights)
    if not math.isfinite(number := float(value.detach())):
        raise _diverged(state, "loss")
    if state.index == 0 and not state.best_is_parent:
        state.first_loss = number
    state.optimizer.zero_grad(set_to_none=True)
    state.scaler.scale(value).backward()
    # A scaler leaves out such steps by itself.
    if not (state.scaler.is_enabled() or _gradients_are_finite(state.network)):
        raise _diverged(state, "gradient of the loss")
    state.scaler.step(state.optimizer)
    state.scaler.update()
    state.index += 1
    state.update_average()
    return number


def _gradients_are_finite(network: torch.nn.Module) -> bool:
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    return bool(torch.stack(torch._foreach_norm(gradients)).isfinite().all())


def _diverged(state: TrainState, what: str) -> RuntimeError:
    """An error to raise before a step spoils the weights; the network is as it was on average."""
    state.network.load_state_dict(state.average.state_dict())
    return RuntimeError(
        f"the {what} is no longer a number. A lower learning rate may help "
        "(training.learning_rate)."
    )


def forward(network: torch.nn.Module, pixels: Tensor, dtype: torch.dtype) -> Tensor:
    """Logits, float32, of pixels ``(N, C, *spatial)``."""
    x = pixels.contiguous(memory_format=memory_format(pixels.ndim - 2))
    with torch.autocast(x.device.type, dtype=dtype, enabled=dtype != torch.float32):
        logits: Tensor = network(x)
    return logits.float()


def validate(
    network: torch.nn.Module, batches: Sequence[Batch], loss: Loss, dtype: torch.dtype
) -> float:
    """Mean loss of a network in evaluation mode."""
    with torch.inference_mode():
        values = [loss(forward(network, b.pixels, dtype), b.values, b.weights) for b in batches]
    return float(torch.stack(values).mean())


def rescore_best(state: TrainState, data: Data, loss: Loss, dtype: torch.dtype) -> None:
    """Other data, other losses: the best so far is measured anew, so that it can be beaten.

    Where nothing validates, it has no loss, and what is newest is given.
    """
    state.best_loss = None
    if state.best is None or not data.validation:
        return
    current = {k: v.clone() for k, v in state.average.state_dict().items()}
    state.average.load_state_dict(state.best)
    score = validate(state.average, data.validation, loss, dtype)
    state.best_loss = score if math.isfinite(score) else None
    state.average.load_state_dict(current)
