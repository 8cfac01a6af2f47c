"""Compare losses of classes where one percent of the pixels are of the rare class.

The rare class are a few nuclei in an empty field of strong noise. Each loss trains for the same
time on six complete images of 384 x 384; F1 and IoU of the rare class are those of all pixels of
six others. With --set training.balance=1, a pixel of the rare class weighs no more than another.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from common import add_limits, limits, limits_in_words, machine, parser

import napari_scribe as ns
from napari_scribe.recipe import Losses
from napari_scribe.samples.synthetic import glow, place_nuclei

NAMES = Losses.model_fields["categorical"].examples
SHARE = 0.01
NOISE = 1.0
"""Standard deviation of the noise; the nuclei are about as bright above the background."""
N_TRAINED = N_SCORED = 6
SIDE = 384
SCORES = "F1", "IoU", "precision", "recall"


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--losses", nargs="*", default=NAMES)
    add_limits(arguments, 60)
    arguments.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    arguments.add_argument(
        "--set", nargs="*", default=[], metavar="KEY=VALUE", help="of the recipe"
    )
    arguments.add_argument("--json", type=Path)
    chosen = arguments.parse_args()

    samples = [few_nuclei(seed) for seed in range(N_TRAINED + N_SCORED)]
    share = np.mean([mask for _, mask in samples])
    print(f"{machine()}; {limits_in_words(chosen)} of training, {share:.2%} of the pixels are rare")
    values = dict(value.split("=", 1) for value in chosen.set)
    rows = []
    for loss in chosen.losses:
        for seed in chosen.seeds:
            known = {"losses.categorical": loss, "training.seed": seed, **values}
            recipe = ns.Recipe(task="classes").changed(known)
            rows.append({"loss": loss, "seed": seed})
            rows[-1] |= train_and_score(samples, recipe, chosen)
            print(
                "  {loss:20s} seed {seed}: F1 {F1:.3f}, {steps} steps".format(**rows[-1]),
                flush=True,
            )
    for loss in chosen.losses:
        report(loss, [row for row in rows if row["loss"] == loss])
    if chosen.json:
        known = {"machine": machine(), "limit": limits_in_words(chosen), "set": values}
        chosen.json.write_text(json.dumps({**known, "rows": rows}, indent=1))


def few_nuclei(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an image, and the mask of its nuclei: as many as come closest to the share."""
    rng = np.random.default_rng(seed)
    truth, height = place_nuclei((SIDE, SIDE), rng)
    labels = rng.permutation(np.arange(1, truth.max() + 1))
    sizes = np.bincount(truth.ravel())[labels]
    kept = labels[: 1 + np.abs(sizes.cumsum() - SHARE * truth.size).argmin()]
    mask = np.isin(truth, kept)
    light = glow(np.where(mask, truth, 0), np.where(mask, height, 0), rng)
    return (light + rng.normal(0, NOISE, light.shape)).astype(np.float32), mask


def train_and_score(samples, recipe, chosen):
    images, masks = zip(*samples, strict=True)
    paints = [ns.Paint.from_mask(mask.astype(np.uint8)) for mask in masks[:N_TRAINED]]
    trained, device = list(images[:N_TRAINED]), chosen.device
    job = ns.train(trained, paints, recipe, **limits(chosen), device=device)
    n_steps = sum(1 for _ in job)
    answers = [ns.run(ns.segment(job.result, x, device=device)) for x in images[N_TRAINED:]]
    found, truth = np.stack(answers) > 0, np.stack(masks[N_TRAINED:])
    both, n_found, n_true = (np.count_nonzero(x) for x in (found & truth, found, truth))
    return {
        "F1": 2 * both / (n_found + n_true),
        "IoU": both / (n_found + n_true - both),
        "precision": both / max(n_found, 1),
        "recall": both / n_true,
        "steps": n_steps,
    }


def report(loss, rows):
    scores = ((score, [row[score] for row in rows]) for score in SCORES)
    texts = (f"{score} {np.mean(x):.3f} +- {np.std(x):.3f}" for score, x in scores)
    print(f"{loss:20s} {', '.join(texts)}", flush=True)


if __name__ == "__main__":
    main()
