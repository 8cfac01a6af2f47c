"""Make two pictures out of one: draw neighbouring pixels at random in each cell of 2 x 2.

Neighbor2Neighbor, Huang et al. 2021, https://arxiv.org/abs/2101.02824.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Pick = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Take ``(N, C, *spatial)``, and return two pictures of half the size along Y and X."""
_NEXT_TO = torch.tensor([[1, 2], [0, 3], [0, 3], [1, 2]])
"""For each pixel of a cell, the two pixels that share a side with it, numbered row by row."""


def neighbours(shape: Sequence[int], generator: torch.Generator) -> Pick:
    """Draw, for each cell of images of shape ``(N, C, *spatial)``, a pixel and one beside it.

    Returns
    -------
    pick
        Takes the drawn pixels out of any such images. An odd last row or column is left out.
    """
    cells = (shape[0], 1, *shape[2:-2], shape[-2] // 2, shape[-1] // 2)
    first = torch.randint(0, 4, cells, generator=generator)
    second = _NEXT_TO[first, torch.randint(0, 2, cells, generator=generator)]

    def pick(images: Tensor) -> tuple[Tensor, Tensor]:
        by_cell = _by_cell(images)

        def gather(drawn: Tensor) -> Tensor:
            index = drawn.to(images.device).expand(by_cell.shape[:-1])
            return by_cell.gather(-1, index.unsqueeze(-1)).squeeze(-1)

        return gather(first), gather(second)

    return pick


def _by_cell(images: Tensor) -> Tensor:
    """Reshape ``(N, C, *spatial)`` to ``(N, C, ..., Y / 2, X / 2, 4)``."""
    height, width = images.shape[-2] // 2, images.shape[-1] // 2
    even = images[..., : 2 * height, : 2 * width]
    cells = even.reshape(*even.shape[:-2], height, 2, width, 2)
    return cells.transpose(-3, -2).flatten(-2)
