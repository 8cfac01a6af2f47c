"""Measure the peak memory of a training on a folder, for growing numbers of images.

Each run is a process of its own, whose address space may grow by ``--room`` MB only: what does not
fit has to lie on disk. With ``--room 0`` there is no limit, as on a machine with much memory.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from common import machine
from memory import _peak


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--counts", type=int, nargs="*", default=[50, 100, 200])
    arguments.add_argument("--side", type=int, default=1024, help="of an image, in pixels")
    arguments.add_argument("--room", type=int, default=2000, help="MB; 0: no limit")
    arguments.add_argument("--steps", type=int, default=50)
    arguments.add_argument("--run", type=Path, help="one run, on a folder")
    chosen = arguments.parse_args()
    if chosen.run:
        _run(chosen.run, chosen.room, chosen.steps)
        return
    print(machine())
    for count in chosen.counts:
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            _write_images(Path(folder), count, chosen.side)
            command = [sys.executable, __file__, "--run", folder, "--room", str(chosen.room)]
            subprocess.run([*command, "--steps", str(chosen.steps)], check=True)


def _write_images(folder: Path, count: int, side: int) -> None:
    """Write one sample again and again, each time moved."""
    from napari_scribe.io import write_tiff
    from napari_scribe.samples import nuclei

    sample = nuclei((side, side))
    for i in range(count):
        move = (37 * i % side, 53 * i % side)
        write_tiff(folder / "images" / f"{i}.tif", np.roll(sample.image, move, (0, 1)))
        write_tiff(folder / "paint" / f"{i}.tif", np.roll(sample.paint, move, (0, 1)))


def _run(folder: Path, room: int, steps: int) -> None:
    import psutil

    import napari_scribe as ns
    from napari_scribe.training.train import train

    images, paints = (sorted((folder / name).iterdir()) for name in ("images", "paint"))
    recipe = ns.Recipe().changed({"network.width": 8, "training.validate_every": steps})
    before = _peak()
    if room:
        limit = psutil.Process().memory_info().vms + room * 10**6
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    start = time.perf_counter()
    job = train(images, paints, recipe, steps=steps, device="cpu")
    next(job)
    loaded = time.perf_counter()
    for step in job:
        last = step.elapsed
    model = job.result
    print(
        f"{len(images)} images: peak {(_peak() - before) / 1e6:.0f} MB above the libraries, "
        f"{loaded - start:.1f} s until the first step, {1000 * last / steps:.0f} ms a step, "
        f"loss {model.provenance['best_validation']:.4f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
