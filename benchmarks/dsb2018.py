"""Train on the complete labels of dsb2018/train and score on dsb2018/val, with the commands."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

from common import machine, parser


def main() -> None:
    arguments = parser(__doc__ or "", data=True)
    arguments.add_argument("--seconds", type=float, default=600)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--set", action="append", default=[])
    arguments.add_argument("--keep", type=Path, help="folder for model and labels")
    chosen = arguments.parse_args()

    train, val = chosen.data / "dsb2018" / "train", chosen.data / "dsb2018" / "val"
    with tempfile.TemporaryDirectory() as folder:
        work = Path(chosen.keep or folder)
        device = [] if chosen.device is None else ["--device", chosen.device]
        values = [part for value in chosen.set for part in ("--set", value)]
        _call("train", train / "images", "--labels", train / "labels", "--complete",
              "--model", work / "model.zip", "--seconds", str(chosen.seconds),
              "--seed", str(chosen.seed), *values, *device)  # fmt: skip
        _call("segment", val / "images", "--model", work / "model.zip",
              "--out", work / "labels", *device)  # fmt: skip
        _call("evaluate", work / "labels", val / "labels", "--json", work / "scores.json")
        _call("info", work / "model.zip", quiet=False)
        pooled = json.loads((work / "scores.json").read_text())["pooled"]
    print(f"{machine()}; {chosen.seconds:.0f} s of training, seed {chosen.seed}, pooled over val")
    print(", ".join(f"{key} {value:.3f}" for key, value in pooled.items()))


def _call(*arguments, quiet=True):
    out = subprocess.DEVNULL if quiet else None
    subprocess.run(["napari-scribe", *map(str, arguments)], check=True, stdout=out)


if __name__ == "__main__":
    main()
