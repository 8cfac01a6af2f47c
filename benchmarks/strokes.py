"""Train on little paint, ten objects on one image, and score on all the others.

For each of five images (at least 15 objects; evenly chosen by name), ten objects are painted whole,
with a few strokes of background or none. The commands `train` and `segment` run as a user would run
them, and all other images are scored together: fluorescent nuclei (those of dsb2018/val with
256 px) or cells in phase contrast (t98g_phase).
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
from common import machine, parser, read_pairs

from napari_scribe.evaluation.metrics import evaluate, pool
from napari_scribe.samples import simulate_paint

KINDS = {"nuclei": ("dsb2018/val", (256, 256)), "phase": ("t98g_phase", (1022, 1024))}
ROW = (
    "{strokes} strokes, {painted}, seed {seed}: AP50 {AP50:.3f}, AP70 {AP70:.3f}, "
    "AP90 {AP90:.3f}; command {wall:.1f} s"
)


def main() -> None:
    arguments = parser(__doc__ or "", data=True)
    arguments.add_argument("--kind", choices=KINDS, default="nuclei")
    arguments.add_argument("--seconds", type=float, default=60)
    arguments.add_argument("--strokes", type=int, nargs="*", default=[3, 0])
    arguments.add_argument("--seeds", type=int, nargs="*", default=[0])
    arguments.add_argument("--json", type=Path)
    chosen = arguments.parse_args()

    folder, shape = KINDS[chosen.kind]
    pairs = {k: v for k, v in read_pairs(chosen.data / folder).items() if v[0].shape == shape}
    rich = [name for name, (_, truth) in pairs.items() if len(np.unique(truth)) > 15]
    painted = rich[:: len(rich) // 5][:5]
    print(f"{machine()}; {chosen.seconds:.0f} s of training, {len(pairs) - 1} images scored each")
    rows = []
    for n_strokes in chosen.strokes:
        for name in painted:
            for seed in chosen.seeds:
                rows.append({"strokes": n_strokes, "painted": name, "seed": seed})
                rows[-1] |= _run(pairs, name, n_strokes, seed, chosen)
                print("  " + ROW.format(**rows[-1]), flush=True)
        values = [row["AP50"] for row in rows if row["strokes"] == n_strokes]
        walls = [row["wall"] for row in rows if row["strokes"] == n_strokes]
        print(
            f"{n_strokes} background strokes: AP50 {np.mean(values):.3f} +- {np.std(values):.3f} "
            f"over {len(values)} runs; longest command {max(walls):.1f} s"
        )
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1))


def _run(pairs, name, n_strokes, seed, chosen):
    image, truth = pairs[name]
    paint = simulate_paint(truth, 10, n_strokes, seed=seed)
    others = [other for other in pairs if other != name]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        tifffile.imwrite(work / "image.tif", image)
        tifffile.imwrite(work / "paint.tif", paint)
        (work / "others").mkdir()
        for other in others:
            tifffile.imwrite(work / "others" / other, pairs[other][0])
        device = [] if chosen.device is None else ["--device", chosen.device]
        start = time.perf_counter()
        subprocess.run(
            ["napari-scribe", "train", work / "image.tif", "--labels", work / "paint.tif",
             "--model", work / "model.zip", "--seconds", str(chosen.seconds), "--seed", str(seed),
             *device],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        wall = time.perf_counter() - start
        subprocess.run(
            ["napari-scribe", "segment", work / "others", "--model", work / "model.zip",
             "--out", work / "found", *device],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        scores = [evaluate(tifffile.imread(work / "found" / o), pairs[o][1]) for o in others]
    return pool(scores).as_dict() | {"wall": wall}


if __name__ == "__main__":
    main()
