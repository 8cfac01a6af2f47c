"""Judge weights by their loss on held-out data."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from ..networks import Network
from ..networks.blocks import memory_format
from .checkpoint import Tensors
from .regions import Batch

N_SHIFTS = 32
"""How often paint is shifted, to see whether it fits its place better than others."""
DISTINCT = 2.5
"""Standard deviations by which the loss at the right place has to be below that at others."""
LossOfBatch = Callable[[Tensor, Tensor, Tensor, int | None], Tensor]
"""``(logits, values, weights, step) -> scalar``; the step is None if the loss judges a network."""


class Judge:
    """Answer and measure held-out data with any weights of a network.

    Parameters
    ----------
    network
        Lent while it judges: afterwards it has the weights from before.
    loss, dtype
        What is measured, and the precision of the convolutions.
    """

    def __init__(self, network: Network, loss: LossOfBatch, dtype: torch.dtype) -> None:
        self.network, self.loss, self.dtype = network, loss, dtype

    def loss_of(self, weights: Tensors, batches: Sequence[Batch]) -> float:
        """Return the mean loss over batches."""
        with self.holding(weights) as network:
            losses = [
                self.loss(forward(network, b.pixels, self.dtype), b.values, b.weights, None)
                for b in batches
            ]
        return float(torch.stack(losses).mean())

    def fits(self, weights: Tensors, batches: Sequence[Batch], *, is_known_kind: bool) -> bool:
        """Return whether answers fit held-out paint better than by chance.

        Parameters
        ----------
        is_known_kind
            Whether paint that merely fits its place better than others is enough.
        """
        with self.holding(weights) as network:
            logits = [forward(network, batch.pixels, self.dtype) for batch in batches]
        return knows_more_than_a_constant(logits, batches, self.loss) or (
            is_known_kind and fits_its_place(logits, batches, self.loss)
        )

    @contextmanager
    def holding(self, weights: Tensors) -> Generator[Network, None, None]:
        """Lend the network with other weights, for answers without gradients."""
        before = {k: v.clone() for k, v in self.network.state_dict().items()}
        self.network.load_state_dict(weights)
        try:
            with torch.inference_mode():
                yield self.network
        finally:
            self.network.load_state_dict(before)


def forward(network: torch.nn.Module, pixels: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the logits, float32, of pixels ``(N, C, *spatial)``."""
    x = pixels.contiguous(memory_format=memory_format(pixels.ndim - 2))
    with torch.autocast(x.device.type, dtype=dtype, enabled=dtype != torch.float32):
        logits: Tensor = network(x)
    return logits.float()


def knows_more_than_a_constant(
    logits: Sequence[Tensor], batches: Sequence[Batch], loss: Callable[..., Tensor]
) -> bool:
    """Return whether answers fit held-out paint better than the best constant answer does.

    A network that has learnt only how much is painted, not where, is no better than that. Nor is
    one that has never seen images of this kind.

    Parameters
    ----------
    logits, batches
        The answer to each batch of held-out paint, and the batches.
    loss
        The loss of a batch, by which a constant answer is fitted as well.
    """

    def total(answers: Iterable[Tensor]) -> Tensor:
        pairs = zip(answers, batches, strict=True)
        return torch.stack([loss(x, b.values, b.weights, None) for x, b in pairs]).sum()

    shape = (1, logits[0].shape[1], *[1] * (logits[0].dim() - 2))
    constant = torch.zeros(shape, device=logits[0].device, requires_grad=True)
    optimizer = torch.optim.LBFGS([constant], max_iter=50, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = total(constant.expand_as(x) for x in logits)
        value.backward()
        return value.detach()

    optimizer.step(closure)
    with torch.no_grad():
        return bool(total(logits) < total(constant.expand_as(x) for x in logits))


def fits_its_place(
    logits: Sequence[Tensor], batches: Sequence[Batch], loss: Callable[..., Tensor]
) -> bool:
    """Return whether answers fit their paint clearly better than the same paint at other places.

    If they do not, the paint has nothing to do with the image, and a lower loss on it means only
    that the network has learnt how much is painted.

    Parameters
    ----------
    logits, batches
        The answer to each batch of held-out paint, whose values and weights are shifted together.
    loss
        The loss of a batch, at its own place and at others.
    """
    generator = torch.Generator().manual_seed(0)
    space = batches[0].values.shape[2:]
    axes = tuple(range(2, 2 + len(space)))

    def total(shift: Sequence[int]) -> float:
        moved = ((b.values.roll(shift, axes), b.weights.roll(shift, axes)) for b in batches)
        return sum(float(loss(x, *m, None)) for x, m in zip(logits, moved, strict=True))

    shifts = [
        [int(torch.randint(n // 4, n - n // 4, (), generator=generator)) for n in space]
        for _ in range(N_SHIFTS)
    ]
    elsewhere = torch.tensor([total(shift) for shift in shifts])
    here = total([0] * len(space))
    return here < float(elsewhere.mean() - DISTINCT * elsewhere.std())
