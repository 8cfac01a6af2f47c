"""Fit the decoding to ten objects of one image, and score it on other images.

Small networks are trained on ten painted objects of an image of dsb2018/train each, and applied to
other images of it. To ten objects, of the image that a network has learnt from or of another one,
the decoding is fitted: by the largest score on these objects alone, and as a training fits it
(a gain beyond its standard error, half way from the defaults). All is scored on the images that
neither the network nor the fit has seen: AP, the mean of IoU .5 to .95, minus that of the defaults.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from common import machine, parser, read_pairs

import napari_scribe as ns
from napari_scribe.evaluation.metrics import evaluate, pool
from napari_scribe.inference.decoding import maps_to_decode
from napari_scribe.samples import simulate_paint
from napari_scribe.targets import defaults_of
from napari_scribe.targets.fitting import counted, drawn_to_defaults, score
from napari_scribe.targets.objects import renumbered


def main() -> None:
    arguments = parser(__doc__ or "", data=True)
    arguments.add_argument("--models", type=int, default=20)
    arguments.add_argument("--steps", type=int, default=250)
    arguments.add_argument("--others", type=int, default=15, help="images that are predicted")
    arguments.add_argument("--draws", type=int, default=4, help="fits for each model")
    arguments.add_argument("--encoding", default="distance")
    chosen = arguments.parse_args()

    pairs = {
        name: pair
        for name, pair in read_pairs(chosen.data / "dsb2018" / "train").items()
        if pair[0].shape == (256, 256) and len(np.unique(pair[1])) > 18
    }
    print(f"{machine()}; {chosen.models} models of {chosen.steps} steps, {chosen.encoding}")
    rows: list[dict[str, float]] = []
    for number in range(chosen.models):
        rows += _of_model(pairs, number, chosen)
        for name in rows[0]:
            gains = np.array([row[name] - row["defaults"] for row in rows])
            print(
                f"{name:9s} AP {np.mean([row[name] for row in rows]):.4f}; minus the defaults "
                f"{gains.mean():+.4f}, worst {gains.min():+.4f}, best {gains.max():+.4f}, "
                f"below by .002: {np.mean(gains < -0.002):.2f} of {len(rows)}",
                flush=True,
            )


def _of_model(pairs, number, chosen):
    names = list(pairs)
    own = names[number * len(names) // chosen.models]
    others = [n for n in names[3 :: max(1, len(names) // chosen.others)] if n != own]
    recipe = ns.Recipe(target={"encoding": chosen.encoding}, training={"seed": number})
    paint = simulate_paint(pairs[own][1], 10, 3, seed=number)
    options = {"steps": chosen.steps, "device": chosen.device}
    model = ns.run(ns.train([pairs[own][0]], [paint], recipe, **options))
    predictions = {n: _predict(model, pairs[n][0], chosen.device) for n in [own, *others]}
    encoding, defaults = model.encoding, defaults_of(model.encoding.knobs)

    @cache
    def scores(name, parameters):
        found = encoding.decode(predictions[name], dict(parameters))
        return evaluate(found, pairs[name][1])

    rows = []
    for draw in range(chosen.draws):
        fitted_on = own if draw == 0 else others[(number + draw) % len(others)]
        labels = simulate_paint(pairs[fitted_on][1], 10, 3, seed=1000 * draw + number)
        example = predictions[fitted_on], labels.astype(np.int32)
        ways = {
            "defaults": defaults,
            "at 0.5": defaults | {"foreground": 0.5},
            "largest": _largest(encoding, example),
            "fitted": drawn_to_defaults(encoding.knobs, encoding.fit([example]), 1),
        }
        unseen = [name for name in others if name != fitted_on]
        rows.append(
            {
                way: float(
                    pool([scores(n, tuple(sorted(values.items()))) for n in unseen]).ap.mean()
                )
                for way, values in ways.items()
            }
        )
    return rows


def _predict(model, image, device):
    job = ns.segment(model, image, save=("labels", *maps_to_decode(model)), device=device)
    ns.run(job)
    heads = [head.name for head in model.encoding.heads if head.is_decoded]
    names = maps_to_decode(model)
    return {h: np.asarray(job.maps[n], np.float32) for h, n in zip(heads, names, strict=True)}


def _largest(encoding, example):
    """Return the values with the largest score on the painted objects, however small the gain."""
    prediction, paint = example
    examples = [(prediction, renumbered(paint))]
    best = defaults_of(encoding.knobs)
    best["min_size"] = max(4.0, np.percentile(np.bincount(paint[paint > 1])[2:], 5) / 4)

    def of(values):
        return float(score(counted(encoding, examples, values).sum(axis=0)))

    for knob in encoding.knobs:
        if knob.tried:
            tried = [{**best, knob.name: value} for value in (knob.default, *knob.tried)]
            best = max(tried, key=of)
    return best


if __name__ == "__main__":
    main()
