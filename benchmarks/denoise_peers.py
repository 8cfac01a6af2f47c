"""Compare our denoiser with CAREamics' Noise2Noise: the same pairs, equal seconds, by turns.

Each trains once a seed, with a learning rate that does not depend on the end. It is scored at each
mark; neither that nor loading counts for its time. Ours stops at a mark, with what it does after
its last step, and goes on from its checkpoint; CAREamics has until its first step beyond the mark.
`careamics_n2n.py` says what its environment needs.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from common import machine
from shots import Scores, Shots, noise_parser, shots

import napari_scribe as ns
from napari_scribe.recipe import parse_recipe

HERE = Path(__file__).parent


def main() -> None:
    arguments = noise_parser(__doc__ or "", ["camera24"])
    arguments.add_argument("--careamics", type=Path, required=True, help="the Python that has it")
    arguments.add_argument("--seconds", type=float, nargs="*", default=[15, 75, 300], help="marks")
    arguments.add_argument(
        "--default-rate",
        action="store_true",
        help="CAREamics holds out 8 patches and lowers its rate by them; else it is constant",
    )
    arguments.add_argument("--set", action="append", default=[], help="of our recipe, key=value")
    chosen = arguments.parse_args()
    print(f"{machine()}; {chosen.seeds} seeds", flush=True)
    scores = Scores(chosen.json)
    for kind in chosen.kind:
        for noise in chosen.noise:
            for seed in range(chosen.seeds):
                images = shots(chosen.data, kind, noise, seed)
                known = {"kind": kind, "noise": noise, "seed": seed}
                scores.add("input", images.test, images.truth, **known)
                turns = [_ours, _careamics]
                for train in turns if seed % 2 == 0 else turns[::-1]:
                    train(images, known, chosen, scores)
            _report(scores, {"kind": kind, "noise": noise}, chosen.seconds)


def _ours(images: Shots, known: dict, chosen, scores: Scores) -> None:
    pairs = ns.layer_pairs(ns.Image(images.first, "TYX"), ns.Image(images.second, "TYX"))
    changes = dict(value.split("=", 1) for value in chosen.set)
    recipe = parse_recipe({"task": "denoised"})
    recipe = recipe.changed({"training.seed": known["seed"], **changes})
    checkpoint, done, took = None, 0.0, 0.0
    for mark in sorted(chosen.seconds):
        job = ns.train_denoiser(
            pairs, recipe, resume=checkpoint, seconds=mark - done, device=chosen.device
        )
        last = next(job)
        start = time.perf_counter() - last.elapsed
        for step in job:
            last = step
        took += time.perf_counter() - start  # with what comes after the last step
        done, checkpoint = mark, job.checkpoint
        answer = ns.run(ns.denoise(job.result, ns.Image(images.test, "TYX"), device=chosen.device))
        scores.add(
            f"ours, {mark:g} s", np.asarray(answer), images.truth, **known, steps=last.index,
            seconds=round(took, 1),
        )  # fmt: skip


def _careamics(images: Shots, known: dict, chosen, scores: Scores) -> None:
    marks = sorted(chosen.seconds)
    with tempfile.TemporaryDirectory() as folder:
        inputs, out = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(
            inputs, first=images.first, second=images.second, test=images.test, marks=marks,
            seed=known["seed"], is_default=chosen.default_rate,
        )  # fmt: skip
        command = [chosen.careamics, HERE / "careamics_n2n.py", inputs, out]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"CAREamics failed:\n{done.stderr[-2000:]}")
        made = np.load(out)
        answers, steps, seconds = (made[name] for name in ("answers", "steps", "seconds"))
    for mark, answer, n, took in zip(marks, answers, steps, seconds, strict=True):
        done = {"steps": int(n), "seconds": round(float(took), 1)}
        scores.add(f"careamics, {mark:g} s", answer, images.truth, **known, **done)


def _report(scores: Scores, known: dict, marks: list[float]) -> None:
    print(f"\n{known['kind']}, {known['noise']}")
    scores.report("input", **known)
    for mark in sorted(marks):
        names = [f"{who}, {mark:g} s" for who in ("ours", "careamics")]
        for name in names:
            scores.report(name, **known)
        scores.report_gap(*names, **known)
    print(flush=True)


if __name__ == "__main__":
    main()
