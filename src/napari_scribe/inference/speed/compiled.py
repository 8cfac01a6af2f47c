"""Compile a network with torch; `compile_trial` finds out where that saves time."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...memory import is_out_of_memory


class Compiled:
    """Run a network compiled for tiles of one shape.

    Tiles of other shapes run without compiling. If compiling fails, all tiles do.

    Parameters
    ----------
    network
        The network of a `Predictor`.
    shape
        Shape ``(N, C, *in)`` to compile for. Compiling for another shape would take as long again.
    report
        Called with the reason if the network cannot be compiled.
    """

    def __init__(
        self,
        network: Callable[..., Any],
        shape: Sequence[int],
        report: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        self._network, self._shape, self._report = network, tuple(shape), report
        self._compiled: Callable[..., Any] | None = None
        self._has_failed = False

    def __call__(self, x: Tensor, margin: Sequence[int] | None = None) -> Any:
        """Run the network on ``(N, C, *in)``; a margin per axis is cropped from its output."""
        if not self._has_failed and tuple(x.shape) == self._shape:
            try:
                run = self._compile_and_run if self._compiled is None else self._compiled
                return run(x, margin)
            except Exception as error:
                if is_out_of_memory(error):  # the caller retries with smaller tiles
                    raise
                self._has_failed = True
                self._report(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}")
        return self._network(x, margin)

    def _compile_and_run(self, x: Tensor, margin: Sequence[int] | None) -> Any:
        compiled = torch.compile(self._network, dynamic=False, fullgraph=True)
        with warnings.catch_warnings():  # torch uses deprecated parts of itself
            warnings.simplefilter("ignore")
            answer = compiled(x, margin)
        self._compiled = compiled
        return answer
