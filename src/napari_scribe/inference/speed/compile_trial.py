"""torch.compile where it pays: in jobs that are long, on machines where it was seen to be faster.

Compiling takes 10 s to a minute, and on some processors the result is the slower one. So a machine
is asked once for each network, in a job that is long enough, and the answer is remembered. It is
tried in a process of its own: if that crashes, nothing else does, and its memory goes with it.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...device import machine_key
from ...errors import InputError
from ...memory import is_out_of_memory
from ...model import Model, load_model
from ...user_folder import read_table, update_table
from ..engine import Predictor
from ..source import Source
from ..tiles import Tile
from .compiled import Compiled
from .tile_size import WORTH_MEASURING

LONG = 300.0
"""Seconds of work from which on a twentieth less makes up for compiling."""
FASTER = 1.05
TOLERANCE = {torch.float32: 1e-4}
"""Largest change of a probability that passes, by precision."""
COARSE = 0.02
"""The same in precisions of 16 bits."""
MEMORY = "compiled.json"
CRASHED = "trying it ended in a crash"
Found = dict[str, Any]
"""`gain`: how many times as fast it is compiled; `problem`: why it cannot be used, or empty."""


@dataclass(frozen=True)
class _Batch:
    """What is timed: a network, how it runs, on how much at once."""

    model: Model
    device: torch.device
    dtype: torch.dtype
    shape: tuple[int, ...]
    margin: tuple[int, ...]

    def ready(self) -> tuple[Predictor, Tensor]:
        """The network as a run has it, and pixels ``(N, C, *in)`` for it."""
        heads = self.model.coder.heads
        predictor = Predictor(self.model.network, heads, self.device, self.dtype)
        return predictor, torch.rand(self.shape)


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
    one = _Batch(model, device, dtype, shape, tuple(tile.margin))
    network = model.recipe.network.model_dump_json()
    key = f"{machine_key(device)}, {dtype}, {network}, {shape}, margin {tile.margin}"
    found: Found | None = read_table(MEMORY).get(key)
    if found is None or found["gain"] >= FASTER:
        if _seconds(one) * n_pixels / (batch * math.prod(tile.kept_shape)) < LONG:
            return False, ""
        if found is None:
            found = _tried(one)
            if found is None:  # there is no room for this: the ladder sees to the rest
                return False, ""
            update_table(MEMORY, key, found)
    if found["problem"]:
        return False, f"The network was not compiled ({found['problem']})."
    if found["gain"] < FASTER:
        return False, ""
    return True, f"The network was compiled: {found['gain']:.2f} times as fast here."


def _seconds(batch: _Batch) -> float:
    """How long it takes as it is; 0 where there is no room for it."""
    try:
        predictor, x = batch.ready()
        return min(_timed(predictor, x, batch.margin)[0] for _ in range(3))
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return 0.0


def _tried(batch: _Batch) -> Found | None:
    """What a process of its own found; None where memory or disk had no room for it."""
    how = {
        "device": str(batch.device),
        "dtype": str(batch.dtype).removeprefix("torch."),
        "shape": batch.shape,
        "margin": batch.margin,
        "threads": torch.get_num_threads(),
    }
    start = f"import {__name__} as it; it.main()"
    try:
        with tempfile.TemporaryDirectory(prefix="napari-scribe-") as folder:
            path = batch.model.save(Path(folder, "model.zip"))
            command = [sys.executable, "-c", start, str(path), json.dumps(how)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
    except (OSError, InputError):  # the run does without
        return None
    if done.returncode:
        return {"gain": 0.0, "problem": CRASHED}
    found: Found | None = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Of the process that tries: what `_tried` says comes in, what was found goes out."""
    path, how = sys.argv[1], json.loads(sys.argv[2])
    torch.set_num_threads(how["threads"])
    device, dtype = torch.device(how["device"]), getattr(torch, how["dtype"])
    batch = _Batch(load_model(path), device, dtype, tuple(how["shape"]), tuple(how["margin"]))
    try:
        found = _compared(batch)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        found = None
    print(json.dumps(found))


def _compared(batch: _Batch) -> Found:
    """Compiled against as it is, by turns."""
    predictor, x = batch.ready()
    problems: list[str] = []
    plain = predictor.network
    networks: list[Callable[..., Any]] = [plain, Compiled(plain, x.shape, problems.append)]
    answers: list[Tensor] = []
    best = [math.inf, math.inf]
    for n in range(7):
        for i, network in enumerate(networks):
            predictor.network = network
            seconds, answer = _timed(predictor, x, batch.margin)
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


def _timed(predictor: Predictor, x: Tensor, margin: Sequence[int]) -> tuple[float, Tensor]:
    start = time.perf_counter()
    answer = predictor(x, margin).cpu()
    return time.perf_counter() - start, answer
