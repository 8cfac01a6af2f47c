"""Read images, compare times and name the machine, for all benchmarks."""

from __future__ import annotations

import argparse
import math
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tifffile
import torch

from napari_scribe.inference.tiles import Tile

DATA = "NAPARI_SCRIBE_DATA"


def parser(description: str, data: bool = False) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--device", default=None)
    if data:
        made.add_argument(
            "--data",
            type=_folder,
            default=os.environ.get(DATA, ""),
            help=f"folder with dsb2018/ and so on, see CONTRIBUTING.md; default: ${DATA}",
        )
    return made


def _folder(named: str) -> Path:
    """Return the folder of the images; argparse says what is wrong if there is none."""
    if not named or not Path(named).is_dir():
        raise argparse.ArgumentTypeError(
            f"'{named}' is no folder: give that of the images, or set {DATA} to it. "
            "CONTRIBUTING.md says what lies in it (Measure)."
        )
    return Path(named)


def add_limits(arguments: argparse.ArgumentParser, seconds: float) -> None:
    """Add how long to train: equal time, or equal steps, which a busy machine does not disturb."""
    arguments.add_argument("--seconds", type=float, default=seconds)
    arguments.add_argument("--steps", type=int, help="equal steps instead of equal time")


def limits(chosen: argparse.Namespace) -> dict[str, float]:
    """Return how long to train, as `napari_scribe.train` takes it."""
    return {"steps": chosen.steps} if chosen.steps else {"seconds": chosen.seconds}


def limits_in_words(chosen: argparse.Namespace) -> str:
    return f"{chosen.steps} steps" if chosen.steps else f"{chosen.seconds:g} s"


def machine() -> str:
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return (
        f"{torch.get_num_threads()} threads, {platform.machine()}{gpu}, torch {torch.__version__}"
    )


def compare(rounds: int, **tasks: Callable[[], object]) -> dict[str, float]:
    """Return the median seconds of each task, run by turns: a slow moment hits all."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for i in range(rounds + 1):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if i > 0:  # the first round warms up
                times[name].append(time.perf_counter() - start)
    return {name: float(np.median(seconds)) for name, seconds in times.items()}


def cost(tiles: Sequence[Tile]) -> float:
    """Return how many pixels go into the network for each pixel of the output."""
    read = sum(math.prod(tile.read_shape) for tile in tiles)
    return read / sum(math.prod(tile.kept_shape) for tile in tiles)


def read_pairs(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Read images and instance labels of a folder with ``images/`` and ``labels/``, by name."""
    if not (folder / "images").is_dir():
        raise SystemExit(f"{folder} has no images: name a folder with --data.")
    names = sorted(path.name for path in (folder / "images").glob("*.tif"))
    return {
        name: (
            tifffile.imread(folder / "images" / name),
            tifffile.imread(folder / "labels" / name).astype(np.int32),
        )
        for name in names
    }
