"""A network compiled by torch; `trial` says where that pays."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...memory import is_out_of_memory


class Compiled:
    """A network compiled for tiles of one shape; on others, and where that fails, it runs as it is.

    Parameters
    ----------
    network
        As a `Predictor` holds it.
    shape
        ``(N, C, *in)`` of what it is compiled for; compiling another would take as long again.
    told
        Called with the reason, where it cannot be compiled.
    """

    def __init__(
        self,
        network: Callable[..., Any],
        shape: Sequence[int],
        told: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        self._network, self._shape, self._told = network, tuple(shape), told
        self._fast: Callable[..., Any] | None = None
        self._has_failed = False

    def __call__(self, x: Tensor, margin: Sequence[int] | None = None) -> Any:
        """What the network answers to ``(N, C, *in)``, so many pixels cropped off per axis."""
        if not self._has_failed and tuple(x.shape) == self._shape:
            try:
                return self._first(x, margin) if self._fast is None else self._fast(x, margin)
            except Exception as error:
                if is_out_of_memory(error):  # the ladder goes down, and tiles get another shape
                    raise
                self._has_failed = True
                self._told(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}")
        return self._network(x, margin)

    def _first(self, x: Tensor, margin: Sequence[int] | None) -> Any:
        fast = torch.compile(self._network, dynamic=False, fullgraph=True)
        with warnings.catch_warnings():  # torch's, of its own old parts
            warnings.simplefilter("ignore")
            answer = fast(x, margin)
        self._fast = fast
        return answer
