"""Compare denoisers that never saw a clean image with those that did, and with other methods.

One is trained on pairs of noisy shots, for so many seconds. `--against` names what it is compared
with.

clean: the same network, seed, steps and noisy inputs, each with its clean image as the target.
single: the same seconds on the first shots alone (pairs out of neighbouring pixels).
classical: scikit-image's non-local means, wavelets (pip install PyWavelets) and total variation,
their parameters the best for one image.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from common import machine
from shots import Scores, Shots, noise_parser, shots

import napari_scribe as ns
from napari_scribe.recipe import parse_recipe
from napari_scribe.training.pairs.sources import joined

NOISY, CLEAN, SINGLE = "noisy targets", "clean targets", "single images"
AGAINST = ("clean", "single", "classical")


def main() -> None:
    noises = ["gaussian25", "gaussian5-50", "poisson30"]
    arguments = noise_parser(__doc__ or "", noises)
    arguments.add_argument("--against", nargs="*", choices=AGAINST, default=["clean"])
    arguments.add_argument("--seconds", type=float, default=600)
    arguments.add_argument("--images", type=int, default=24, help="of nuclei to learn from")
    arguments.add_argument("--set", action="append", default=[], help="of the recipe, key=value")
    chosen = arguments.parse_args()
    said = f"{chosen.seconds:g} s of training, {chosen.seeds} seeds, {chosen.images} nuclei images"
    print(f"{machine()}; {said}", flush=True)
    scores = Scores(chosen.json)
    for kind in chosen.kind:
        for noise in chosen.noise:
            for seed in range(chosen.seeds):
                known = {"kind": kind, "noise": noise, "seed": seed}
                images = shots(chosen.data, kind, noise, seed, chosen.images)
                _measure(images, known, chosen, scores)
            _report(scores, {"kind": kind, "noise": noise}, chosen.against)


def _measure(images: Shots, known: dict, chosen, scores: Scores) -> None:
    truth = images.truth
    scores.add("input", images.test, truth, **known)
    first, second, clean = (ns.Image(x, "TYX") for x in (images.first, images.second, images.clean))
    recipe = parse_recipe({"task": "denoised"}).changed(
        {"training.seed": known["seed"], **dict(value.split("=", 1) for value in chosen.set)}
    )

    def trained(method, pairs, **limit):
        job = ns.train_denoiser(pairs, recipe, device=chosen.device, **limit)
        for step in job:
            last = step
        answer = ns.run(ns.denoise(job.result, ns.Image(images.test, "TYX"), device=chosen.device))
        done = {"steps": last.index, "seconds": round(last.elapsed, 1)}
        scores.add(method, np.asarray(answer), truth, **known, **done)
        return last.index

    steps = trained(NOISY, ns.layer_pairs(first, second), seconds=chosen.seconds)
    if "clean" in chosen.against:
        known_targets = joined([ns.layer_pairs(first, clean), ns.layer_pairs(second, clean)])
        trained(CLEAN, replace(known_targets, is_ordered=True), steps=steps)
    if "single" in chosen.against:
        trained(SINGLE, ns.single_pairs(first), seconds=chosen.seconds)
    if "classical" in chosen.against:
        from classical import METHODS, apply, tuned

        for method in METHODS:
            parameters = tuned(method, images.first[0], images.clean[0])
            answer = apply(method, images.test, parameters)
            scores.add(method, answer, truth, **known, parameters=parameters)


def _report(scores: Scores, known: dict, against: list[str]) -> None:
    print(f"\n{known['kind']}, {known['noise']}")
    for method in dict.fromkeys(
        row["method"] for row in scores.rows if known.items() <= row.items()
    ):
        scores.report(method, **known)
    scores.report_gap(NOISY, "input", **known)
    if "clean" in against:
        scores.report_gap(CLEAN, NOISY, **known)
    if "single" in against:
        scores.report_gap(NOISY, SINGLE, **known)
    if "classical" in against:
        from classical import METHODS

        # By the held images themselves, which favours it.
        best = max(METHODS, key=lambda method: scores.of(method, **known).mean())
        scores.report_gap(NOISY, best, **known)
        print(f"the best of scikit-image: {best}")
    print(flush=True)


if __name__ == "__main__":
    main()
