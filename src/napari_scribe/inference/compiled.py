"""torch.compile where it pays: in jobs that are long, on machines where it was seen to be faster.

Compiling takes 10 s to a minute, and on some processors the result is the slower one. So a machine
is asked once for each network, in a job that is long enough, and the answer is remembered.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..device import machine_key
from ..memory import is_out_of_memory
from .engine import Predictor
from .source import Source
from .tiles import Tile
from .tuning import WORTH_MEASURING, recalled, remember

LONG = 300.0
"""Seconds of work from which on a twentieth less makes up for compiling."""
FASTER = 1.05
TOLERANCE = {torch.float32: 1e-4}
"""Largest change of a probability that passes, by precision."""
COARSE = 0.02
"""The same in precisions of 16 bits."""
MEMORY = "compiled.json"
CRASHED = "it ended the program"


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


def pays(
    source: Source, tile: Tile, batch: int, device: torch.device, dtype: torch.dtype, share: int = 1
) -> tuple[bool, str]:
    """Whether to compile for a job, or a process's share of it; with a word where there is one.

    For a job that is short nothing is measured, and what compiles is not even imported.
    """
    model = source.model
    n_pixels = math.prod(source.label_shape) / share
    if n_pixels < WORTH_MEASURING[model.dimensions] or source.statistics.flat.all():
        return False, ""
    shape = (batch, len(source.channels), *tile.read_shape)
    network = model.recipe.network.model_dump_json()
    key = f"{machine_key(device)}, {dtype}, {network}, {shape}, margin {tile.margin}"
    known = recalled(MEMORY).get(key)
    if known is None or known["gain"] >= FASTER:
        try:
            predictor, x = (
                Predictor(model.network, model.coder.heads, device, dtype),
                torch.rand(shape),
            )
            seconds = min(_timed(predictor, x, tile)[0] for _ in range(3))
            if seconds * n_pixels / (batch * math.prod(tile.kept_shape)) < LONG:
                return False, ""
            known = known or _asked(key, predictor, x, tile)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return False, ""  # there is no room for this: the ladder sees to the rest
    if known["problem"]:
        return False, f"The network was not compiled ({known['problem']})."
    if known["gain"] < FASTER:
        return False, ""
    return True, f"The network was compiled: {known['gain']:.2f} times as fast here."


def _asked(key: str, predictor: Predictor, x: Tensor, tile: Tile) -> dict[str, Any]:
    """Try it, and remember what came out."""
    remember(MEMORY, key, {"gain": 0.0, "problem": CRASHED})  # stays, if that happens
    try:
        found = _measured(predictor, x, tile)
    except BaseException:  # it was broken off, or there was too little memory: nothing is known
        remember(MEMORY, key, None)
        raise
    remember(MEMORY, key, found)
    return found


def _measured(predictor: Predictor, x: Tensor, tile: Tile) -> dict[str, Any]:
    """How many times as fast it is compiled, and why it cannot be used."""
    problems: list[str] = []
    plain = predictor.network
    networks: list[Callable[..., Any]] = [plain, Compiled(plain, x.shape, problems.append)]
    answers: list[Tensor] = []
    best = [math.inf, math.inf]
    for n in range(7):
        for i, network in enumerate(networks):
            predictor.network = network
            seconds, answer = _timed(predictor, x, tile)
            if n == 0:
                answers.append(answer)
            elif n > 1:  # compiled and warmed up by now
                best[i] = min(best[i], seconds)
        if problems:
            return {"gain": 0.0, "problem": problems[0]}
    difference = float((answers[1] - answers[0]).abs().max())
    if not difference <= TOLERANCE.get(predictor.dtype, COARSE):
        return {"gain": 0.0, "problem": f"its answer differed by {difference:.2g}"}
    return {"gain": best[0] / best[1], "problem": ""}


def _timed(predictor: Predictor, x: Tensor, tile: Tile) -> tuple[float, Tensor]:
    start = time.perf_counter()
    answer = predictor(x, tile.margin).cpu()
    return time.perf_counter() - start, answer
