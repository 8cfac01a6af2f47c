"""Train the model that ships, `nuclei`, and score it on images that it has not seen.

It learns from three collections of fluorescent nuclei (2D), all free for any use. Every fifth image
of a collection is kept for the scores; of dsb2018, those of its part `val` are. With --leave-out, a
collection teaches nothing, and all of it is scored (of dsb2018, again `val`): the images of a user
are from a collection that the model has not seen, either.

The training writes a checkpoint each minute, and may be killed at any time: the same command goes
on. What it says lies beside the model, in NAME.log. If the model exists, it is scored only.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from common import limits, machine, parser, read_pairs

import napari_scribe as ns
from napari_scribe.evaluation.metrics import evaluate, pool

RECIPE = {
    "network.width": 24,
    "augmentation.scaling": 1.6,
    "augmentation.gamma": 2.0,
    "augmentation.contrast": 2.0,
    "augmentation.brightness": 0.3,
    "augmentation.background": 0.5,
    "augmentation.noise": 0.2,
    "augmentation.blur": 2.0,
}
CARD = {
    "for": "fluorescent nuclei in 2D, bright on dark, of one channel; no paint is needed",
    "images": "BBBC038 (Data Science Bowl 2018) and BBBC039, both CC0; BitDepth_NucSeg (tissue "
    "sections in DAPI), Apache-2.0",
    "licence": "that of napari-scribe; the sample of training images in the file has theirs, which "
    "allow any use, commercial as well",
    "weak": "where nuclei are dark, stained for bright field or in phase contrast: it has seen "
    "none; where many lie above one another. Fine-tune it there",
}
EVERY = 5
"""One image in so many is kept for the scores."""
HELD_OUT = 10
"""Of so many images that follow one another, one validates while the model is trained."""
IOUS = 0.5, 0.6, 0.7, 0.8, 0.9
Pairs = dict[str, tuple[np.ndarray, np.ndarray]]


class Collection(NamedTuple):
    """Hold where images lie, and how often each is taken, so that small collections count."""

    train: str
    scored: str
    copies: int


COLLECTIONS = {
    "dsb2018": Collection("dsb2018/train", "dsb2018/val", 1),
    "bbbc039": Collection("bbbc039", "bbbc039", 2),
    "tissue_dapi": Collection("tissue_dapi", "tissue_dapi", 4),
}


def main() -> None:
    arguments = parser(__doc__ or "", data=True)
    arguments.add_argument("--out", type=Path, default=Path("nuclei.zip"))
    arguments.add_argument("--seconds", type=float, default=3600, help="in all its pieces together")
    arguments.add_argument("--steps", type=int, help="end then: seed and steps give the same model")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--leave-out", choices=COLLECTIONS)
    arguments.add_argument("--set", action="append", default=[], help="of the recipe, key=value")
    chosen = arguments.parse_args()

    if not chosen.out.exists():
        _train(chosen)
    print(f"{machine()}; {chosen.out}: {chosen.out.stat().st_size / 1e6:.2f} MB")
    model = ns.load_model(chosen.out)
    print("| collection | images | " + " | ".join(f"AP{100 * iou:.0f}" for iou in IOUS), end="")
    print(" | seconds per Mpx |\n" + "|---" * (len(IOUS) + 3) + "|")
    for name in COLLECTIONS:
        pairs = _scored(chosen.data, name, name == chosen.leave_out)
        mark = ", not seen" if name == chosen.leave_out else ""
        print(
            f"| {name}{mark} | {len(pairs)} | {_scores(model, pairs, chosen.device)} |", flush=True
        )


def _train(chosen) -> None:
    """Train the model, and save it with weights of half precision."""
    images, paints, n_images = [], [], 0
    for name, collection in COLLECTIONS.items():
        if name != chosen.leave_out:
            pairs = _taught(chosen.data, name)
            # Copies of an image all train or all validate: their places differ by whole tens.
            pairs = pairs[: len(pairs) // HELD_OUT * HELD_OUT]
            n_images += len(pairs)
            pairs *= collection.copies
            images += [ns.Image(image, "YX", name=f"{name}/{file}") for file, image, _ in pairs]
            paints += [ns.Paint.from_mask(truth) for _, _, truth in pairs]
    values = dict(value.split("=", 1) for value in chosen.set)
    recipe = ns.Recipe().changed({"training.seed": chosen.seed, **RECIPE, **values})
    checkpoint, log = chosen.out.with_suffix(".checkpoint"), chosen.out.with_suffix(".log")
    with log.open("a", encoding="utf-8") as file:

        def say(text: str) -> None:
            print(text, flush=True)
            print(text, file=file, flush=True)

        say(f"{machine()}; {n_images} images, left out: {chosen.leave_out}")
        say(f"{recipe.network.in_words()}; seed {chosen.seed}; set: {chosen.set}")
        job = ns.train(
            images,
            paints,
            recipe,
            **limits(chosen),
            device=chosen.device,
            checkpoint=checkpoint,
        )
        said = 0.0
        for step in job:
            if step.note:
                say(step.note)
            fraction = step.fraction or 0.0
            if step.validation is not None and fraction - said >= 0.005:
                said = fraction
                say(
                    f"{step.elapsed:.0f} s, step {step.index}: loss {step.loss:.4f}, "
                    f"of held-out images {step.validation:.4f}"
                )
        model = job.result
        say(f"{model.provenance['steps']} steps, {job.problem or model.parameters}")
    made = {**model.provenance, "n_images": n_images, "card": CARD}
    made.pop("images")  # their hashes would be a tenth of the file
    model.changed(provenance=made).save(chosen.out, weights="float16")
    checkpoint.unlink(missing_ok=True)


def _taught(data: Path, name: str) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Return names, images and labels of what a collection teaches."""
    collection = COLLECTIONS[name]
    pairs = read_pairs(data / collection.train)
    kept = set(_kept(pairs)) if collection.scored == collection.train else set()
    return [(file, *pair) for file, pair in pairs.items() if file not in kept]


def _scored(data: Path, name: str, is_left_out: bool) -> Pairs:
    """Return what a collection is scored on: all of it, if it has taught nothing."""
    collection = COLLECTIONS[name]
    pairs = read_pairs(data / collection.scored)
    if collection.scored != collection.train or is_left_out:
        return pairs
    return {file: pairs[file] for file in _kept(pairs)}


def _kept(pairs: Pairs) -> list[str]:
    return sorted(pairs)[::EVERY]


def _scores(model: ns.Model, pairs: Pairs, device: str | None) -> str:
    """Segment images, and return the scores of all their objects together, and the time."""
    scores, seconds = [], 0.0
    for file, (pixels, truth) in pairs.items():
        start = time.perf_counter()
        found = ns.run(ns.segment(model, ns.Image(pixels, "YX", name=file), device=device))
        seconds += time.perf_counter() - start
        scores.append(evaluate(found, truth))
    ap = pool(scores).ap
    n_pixels = sum(truth.size for _, truth in pairs.values())
    said = [f"{ap[round((iou - 0.5) * 20)]:.3f}" for iou in IOUS]
    return " | ".join([*said, f"{1e6 * seconds / n_pixels:.2f}"])


if __name__ == "__main__":
    main()
