"""Compare denoising and segmenting block by block with two runs and a denoised copy between.

One model with its denoiser, over a noisy mosaic of dsb2018/val, from a zarr to a zarr. Each run is
a process of its own, by turns; loading and imports do not count for the time. Memory and the disk
are watched while they run. Both are trained on noisy shots of dsb2018/train, unless named.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import zarr
from common import machine, parser, read_pairs
from mosaic import mosaic_of
from noise import camera_with_psnr

import napari_scribe as ns
from napari_scribe.samples.camera import Camera, digitize

WAYS = ("blocks", "copy")
OFFSET, RANGE = 100.0, 2000.0  # of the mosaic
N_TRAINED = 64
LOOK = 0.01


def main() -> None:
    arguments = parser(__doc__ or "", data=True)
    arguments.add_argument("--side", type=int, default=2048)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--seconds", type=float, default=60, help="of training, each")
    arguments.add_argument("--model", type=Path, help="one with a denoiser; written if not there")
    arguments.add_argument("--json", type=Path)
    arguments.add_argument("--run", nargs=4, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.run:
        _run(*chosen.run, chosen.device)
        return
    print(f"{machine()}; {chosen.side}^2", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        model = chosen.model or work / "model.zip"
        if not model.exists():
            _trained(chosen).save(model)
        _noisy_mosaic(chosen, work / "image.zarr")
        rows = []
        for turn in range(chosen.rounds + 1):  # the first warms up
            for way in WAYS:
                out = work / f"{turn}_{way}"
                made = _watched(way, model, work / "image.zarr", out, chosen.device)
                rows.append({"turn": turn, "way": way, **made})
        _report(rows, *(work / f"{chosen.rounds}_{way}" / "labels.zarr" for way in WAYS))
    if chosen.json is not None:
        chosen.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1))


def _run(way: str, model: str, image: str, out: str, device: str | None) -> None:
    """Do one run, in a process of its own, and print its seconds and its memory before."""
    loaded, source, folder = ns.load_model(model), ns.read_image(image), Path(out)
    before = psutil.Process().memory_info().rss
    start = time.perf_counter()
    if way == "copy":
        copy = folder / "denoised.zarr"
        ns.run(ns.denoise(loaded.denoiser, source, copy, device=device))
        loaded, source = loaded.changed(denoiser=None), ns.read_image(copy)
    ns.run(ns.segment(loaded, source, folder / "labels.zarr", device=device))
    print(json.dumps({"seconds": time.perf_counter() - start, "before": before}))


def _watched(way: str, model: Path, image: Path, out: Path, device: str | None) -> dict:
    """Start a run; return the most memory and the most bytes in its folder that were seen."""
    out.mkdir()
    command = [sys.executable, __file__, "--run", way, str(model), str(image), str(out)]
    command += ["--device", device] if device else []
    child = psutil.Popen(command, stdout=subprocess.PIPE, text=True)
    memory, disk, looks = 0, 0, 0
    while child.poll() is None:
        try:
            memory = max(memory, child.memory_info().rss)
        except psutil.Error:  # it ended in between
            break
        if looks % 20 == 0:
            disk = max(disk, _bytes_in(out))
        looks += 1
        time.sleep(LOOK)
    output, _ = child.communicate()
    if child.returncode:
        raise SystemExit(f"The run failed ({child.returncode}).")
    labels = _bytes_in(out / "labels.zarr")
    seen = {"memory": memory, "disk": max(disk, _bytes_in(out)), "labels": labels}
    return {**json.loads(output.splitlines()[-1]), **seen}


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # renamed in between
            continue
    return total


def _report(rows: list[dict], *labels: Path) -> None:
    seconds = {}
    for way in WAYS:
        runs = [row for row in rows if row["way"] == way and row["turn"] > 0]
        seconds[way] = float(np.median([row["seconds"] for row in runs]))
        peak, before = (max(row[name] for row in runs) / 1e6 for name in ("memory", "before"))
        disk, labels_only = (max(row[name] for row in runs) / 1e6 for name in ("disk", "labels"))
        print(
            f"{way:7s} {seconds[way]:7.2f} s, peak memory {peak:.0f} MB ({before:.0f} before the "
            f"run), at most {disk:.1f} MB on disk, the labels {labels_only:.1f} MB of it"
        )
    one, other = (np.asarray(ns.read_image(path).data) for path in labels)
    same = np.mean((one > 0) == (other > 0))
    print(f"same labels: {np.array_equal(one, other)} ({one.max()} and {other.max()} objects,")
    print(f"  {same:.6f} of the pixels agree on what is an object)")
    print(f"seconds, blocks / copy: {seconds['blocks'] / seconds['copy']:.3f}")


def _noisy_mosaic(chosen, path: Path) -> None:
    pairs = read_pairs(chosen.data / "dsb2018" / "val").values()
    clean = mosaic_of([pixels for pixels, _ in pairs], chosen.side)
    noisy = digitize(_camera(clean)(clean, np.random.default_rng(0)))
    array = zarr.create_array(path, shape=noisy.shape, dtype=noisy.dtype, chunks=(512, 512))
    array[:] = noisy


def _camera(clean: np.ndarray) -> Camera:
    return camera_with_psnr(clean, 24, offset=OFFSET, peak=RANGE)


def _trained(chosen) -> ns.Model:
    """Train a denoiser, and a model that segments what it has denoised."""
    pairs = list(read_pairs(chosen.data / "dsb2018" / "train").values())
    pairs = [pairs[i] for i in np.linspace(0, len(pairs) - 1, N_TRAINED).astype(int)]
    clean = [_scaled(pixels) for pixels, _ in pairs]
    camera = _camera(np.concatenate([image.ravel() for image in clean]))
    rng = np.random.default_rng(1)
    first, second = ([digitize(camera(image, rng)) for image in clean] for _ in range(2))
    shots = [shot for both in zip(first, second, strict=True) for shot in both]
    limit = {"seconds": chosen.seconds, "device": chosen.device}
    denoiser = ns.run(ns.train_denoiser(ns.file_pairs(shots), **limit))
    paints = [ns.Paint.from_mask(labels) for _, labels in pairs]
    return ns.run(ns.train(first, paints, denoiser=denoiser, **limit))


def _scaled(pixels: np.ndarray) -> np.ndarray:
    low, high = np.percentile(pixels, [1, 99.8])
    scaled = (pixels - low) / max(high - low, 1) * RANGE + OFFSET
    return np.clip(scaled, 0, 4095).astype(np.float32)


if __name__ == "__main__":
    main()
