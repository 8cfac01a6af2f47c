"""Measure the peak memory of `segment` from a zarr to a zarr, for images of growing size.

Each run is a process of its own, with a small network that was never trained: what it answers does
not matter here. The image is the built-in sample, side by side.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import zarr
from common import machine

SAMPLE = 2048


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sides", type=int, nargs="*", default=[2048, 4096, 8192])
    arguments.add_argument("--model", type=Path, help="a trained model; else one made in seconds")
    arguments.add_argument("--tile", default="", help="pixels along a side; else as it is chosen")
    arguments.add_argument("--run", nargs=3, metavar=("MODEL", "IMAGE", "OUT"), help="one run")
    chosen = arguments.parse_args()
    if chosen.run:
        _run(*chosen.run, int(chosen.tile) if chosen.tile else None)
        return
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        model = chosen.model or small_model(work / "model.zip")
        for side in chosen.sides:
            image = small_image(work / f"{side}.zarr", side)
            out = work / f"{side}_labels.zarr"
            command = [sys.executable, __file__, "--run", str(model), str(image), str(out)]
            subprocess.run([*command, "--tile", chosen.tile], check=True)


def _run(model: str, image: str, out: str, tile: int | None) -> None:
    import napari_scribe as ns

    loaded, source = ns.load_model(model), ns.read_image(image)
    start = time.perf_counter()
    job = ns.segment(loaded, source, out, tile=tile)
    tiles = {step.tile for step in job}
    labels = job.result
    seconds = time.perf_counter() - start
    peak = _peak() / 2**30
    pixels = source.length("Y") * source.length("X")
    n = max(int(np.max(labels[y : y + 1024])) for y in range(0, labels.shape[0], 1024))
    print(
        f"{source.length('Y')} x {source.length('X')}: peak {peak:.2f} GB, {n} objects, "
        f"tiles {tiles}, "
        f"{pixels / seconds / 1e6:.2f} Mpx/s, {seconds:.0f} s",
        flush=True,
    )


def _peak() -> int:
    """Return the peak memory of this process; that of getrusage begins with its parent's peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def small_model(path: Path, width: int = 8) -> Path:
    import napari_scribe as ns
    from napari_scribe.samples import nuclei

    sample = nuclei((256, 256))
    recipe = ns.Recipe().changed({"network.width": width})
    return ns.run(ns.train([sample.image], [sample.paint], recipe, seconds=20)).save(path)


def small_image(path: Path, side: int) -> Path:
    from napari_scribe.samples import nuclei

    tile = nuclei((SAMPLE, SAMPLE)).image.astype(np.uint16)
    array = zarr.create_array(path, shape=(side, side), dtype=np.uint16, chunks=(512, 512))
    for y in range(0, side, SAMPLE):
        for x in range(0, side, SAMPLE):
            part = array[y : y + SAMPLE, x : x + SAMPLE].shape
            array[y : y + SAMPLE, x : x + SAMPLE] = tile[: part[0], : part[1]]
    return path


if __name__ == "__main__":
    main()
