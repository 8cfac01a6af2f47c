"""Find out whether torch.compile saves time: in long jobs, on machines where it is faster.

Compiling takes 10 s to a minute, and on some processors the result is slower. So each network is
tried once on a machine, in a job that is long enough, and the result is saved. The trial runs in a
separate process: a crash of the compiler ends nothing else, and its memory is freed.
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
from typing import TypedDict

import torch
from torch import Tensor

from ...device import machine_key
from ...errors import InputError
from ...memory import is_out_of_memory
from ...model import Model, load_model
from ...networks import with_statistics_of
from ...user_folder import read_table, update_table
from ..engine import Predictor
from ..source import Source
from ..tiles import Tile
from .compiled import Compiled
from .tile_size import WORTH_MEASURING

LONG = 300.0
"""Seconds of work from which a gain of 5 % makes up for compiling."""
FASTER = 1.05
"""Smallest gain in speed for which a network is compiled."""
TOLERANCE = {torch.float32: 1e-4}
"""Largest change of a probability that is allowed, by precision."""
COARSE = 0.02
"""The same in precisions of 16 bits."""
SPEEDS_FILE = "compiled.json"
"""File in the user's folder that trials are saved in."""
CRASHED = "trying it ended in a crash"
Network = Callable[..., Tensor]


class Trial(TypedDict):
    """Hold the result of a trial.

    `gain` tells how many times as fast the network is when compiled. `problem` tells why the
    compiled network cannot be used; empty if it can.
    """

    gain: float
    problem: str


@dataclass(frozen=True)
class _Batch:
    """Describe what is timed: a network, its device and precision, and the shape of its input."""

    model: Model
    device: torch.device
    dtype: torch.dtype
    shape: tuple[int, ...]
    margin: tuple[int, ...]

    def prepare(self) -> tuple[Predictor, Tensor]:
        """Return the network as a run uses it, and random pixels ``(N, C, *in)`` for it."""
        heads = self.model.encoding.heads
        pixels = torch.rand(self.shape)
        network = with_statistics_of(self.model.network, pixels[:1])
        return Predictor(network, heads, self.device, self.dtype), pixels


def pays(
    source: Source,
    tile: Tile,
    batch: int,
    device: torch.device,
    dtype: torch.dtype,
    n_shares: int = 1,
) -> tuple[bool, str]:
    """Return whether to compile the network of a job, with a sentence for the user.

    The job is divided evenly into `n_shares`; a process does one of them. In short jobs nothing is
    measured, and the compiler is not even imported.
    """
    model = source.model
    n_pixels = math.prod(source.label_shape) / n_shares
    if n_pixels < WORTH_MEASURING[model.dimensions] or source.is_empty:
        return False, ""
    shape = (batch, len(source.channels), *tile.read_shape)
    timed_batch = _Batch(model, device, dtype, shape, tuple(tile.margin))
    network = model.recipe.network.model_dump_json()
    key = f"{machine_key(device)}, {dtype}, {network}, {shape}, margin {tile.margin}"
    trial: Trial | None = read_table(SPEEDS_FILE).get(key)
    if trial is None or trial["gain"] >= FASTER:
        if _seconds(timed_batch) * n_pixels / (batch * math.prod(tile.kept_shape)) < LONG:
            return False, ""
        if trial is None:
            trial = _try(timed_batch)
            if trial is None:
                return False, ""
            update_table(SPEEDS_FILE, key, trial)
    if trial["problem"]:
        return False, f"The network was not compiled ({trial['problem']})."
    if trial["gain"] < FASTER:
        return False, ""
    return True, f"The network was compiled: {trial['gain']:.2f} times as fast here."


def _seconds(batch: _Batch) -> float:
    """Return the seconds for a batch without compiling; 0 if memory is too small for it."""
    try:
        predictor, x = batch.prepare()
        return min(_timed(predictor, x, batch.margin)[0] for _ in range(3))
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return 0.0


def _try(batch: _Batch) -> Trial | None:
    """Compare in a separate process; return None if memory or disk is too small for that."""
    settings = {
        "device": str(batch.device),
        "dtype": str(batch.dtype).removeprefix("torch."),
        "shape": batch.shape,
        "margin": batch.margin,
        "threads": torch.get_num_threads(),
    }
    code = f"import {__name__} as trial; trial.main()"
    try:
        with tempfile.TemporaryDirectory(prefix="napari-scribe-") as folder:
            path = batch.model.save(Path(folder, "model.zip"))
            command = [sys.executable, "-c", code, str(path), json.dumps(settings)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
    except (OSError, InputError):
        return None
    if done.returncode:
        return {"gain": 0.0, "problem": CRASHED}
    trial: Trial | None = json.loads(done.stdout.splitlines()[-1])
    return trial


def main() -> None:
    """Run the separate process: read what `_try` passes, and print the result."""
    path, settings = sys.argv[1], json.loads(sys.argv[2])
    torch.set_num_threads(settings["threads"])
    batch = _Batch(
        load_model(path),
        torch.device(settings["device"]),
        getattr(torch, settings["dtype"]),
        tuple(settings["shape"]),
        tuple(settings["margin"]),
    )
    trial: Trial | None = None
    try:
        trial = _compare(batch)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    print(json.dumps(trial))


def _compare(batch: _Batch) -> Trial:
    """Time the compiled and the plain network by turns, and compare their answers."""
    predictor, x = batch.prepare()
    problems: list[str] = []
    plain = predictor.network
    networks: list[Network] = [plain, Compiled(plain, x.shape, problems.append)]
    answers: list[Tensor] = []
    best = [math.inf, math.inf]
    for n in range(7):
        for i, network in enumerate(networks):
            predictor.network = network
            seconds, answer = _timed(predictor, x, batch.margin)
            if n == 0:
                answers.append(answer)
            elif n > 1:  # the first two rounds compile and warm up
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
