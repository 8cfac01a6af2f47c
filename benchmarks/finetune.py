"""Fine-tune a model on a few painted objects of one image, and score it on all the others.

Five painted images (at least 15 objects; evenly chosen by name), each tuned with 3, 10 and 30
objects. ``--rounds N`` paints three more objects in each round on the first of them, and starts
from the same parent with all paint so far; with ``--correct``, ten objects first, and then in each
round the three worst mistakes of the model of the round before (``--set training.corrections=1``
tells what it is good for that these weigh more). ``--guard N`` counts, over N seeds, how often a
fine-tuning on ten objects is accepted, and how often on the same paint shuffled over the image.
``--shares`` scores all the weights between the parent and what was learnt that are tried.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
from common import machine, parser, read_pairs
from scipy import ndimage

import napari_scribe as ns
from napari_scribe.evaluation.metrics import evaluate, pool
from napari_scribe.samples import simulate_corrections, simulate_paint
from napari_scribe.training.fine_tuning import between, choose

KINDS = {"nuclei": "dsb2018/val", "tissue": "tissue_dapi", "phase": "t98g_phase"}
STROKES = 3
SHARES = 0.1, 0.25, 0.5, 0.75, 1.0
"""Shares that `--shares` scores."""


def main() -> None:
    arguments = parser(__doc__ or "", data=True)
    arguments.add_argument("--model", required=True, help="the parent: a file, or a name")
    arguments.add_argument("--kind", choices=KINDS, default="nuclei")
    arguments.add_argument("--side", type=int, default=256, help="images are cut to their middle")
    arguments.add_argument("--objects", type=int, nargs="*", default=[3, 10, 30])
    arguments.add_argument("--images", type=int, default=5, help="how many are painted")
    arguments.add_argument("--others", type=int, default=100, help="how many are scored")
    arguments.add_argument("--seconds", type=float, default=15)
    arguments.add_argument("--steps", type=int, help="instead of seconds")
    arguments.add_argument("--seeds", type=int, nargs="*", default=[0])
    arguments.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    arguments.add_argument("--rounds", type=int, default=0)
    arguments.add_argument("--correct", action="store_true")
    arguments.add_argument("--guard", type=int, default=0)
    arguments.add_argument("--shares", action="store_true")
    arguments.add_argument("--json", type=Path)
    chosen = arguments.parse_args()

    parent = ns.load_model(chosen.model)
    pairs = {
        name: (_middle(image, chosen.side), _middle(truth, chosen.side))
        for name, (image, truth) in read_pairs(chosen.data / KINDS[chosen.kind]).items()
        if min(image.shape) >= chosen.side
    }
    rich = [name for name, (_, truth) in pairs.items() if len(np.unique(truth)) > 15]
    painted = rich[:: max(1, len(rich) // chosen.images)][: chosen.images]
    limit = f"{chosen.steps} steps" if chosen.steps else f"{chosen.seconds:.0f} s"
    print(f"{machine()}; {limit}; {chosen.model} on {chosen.kind}, {chosen.side} px")
    if chosen.guard:
        rows = _guard(parent, pairs, painted, chosen)
    elif chosen.shares:
        rows = _shares(parent, pairs, painted, chosen)
    elif chosen.rounds:
        rows = _rounds(parent, pairs, painted[0], chosen)
    else:
        rows = _table(parent, pairs, painted, chosen)
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1))


def _table(parent, pairs, painted, chosen):
    rows = []
    before = {name: _score(parent, pairs, name, chosen) for name in painted}
    for n in chosen.objects:
        for name in painted:
            for seed in chosen.seeds:
                paint = simulate_paint(pairs[name][1], n, STROKES, seed=seed)
                job, model = _tune(parent, pairs[name][0], paint, seed, chosen)
                after = _score(model, pairs, name, chosen)
                rows.append({"objects": n, "image": name, "seed": seed, **_told(job),
                             "before": before[name], "after": after})  # fmt: skip
                print("  " + _row(rows[-1]), flush=True)
        _sum_up(f"{n} objects", [row for row in rows if row["objects"] == n])
    return rows


def _sum_up(title, rows):
    text = []
    for key in ("AP50", "AP80"):
        old, new = ([row[when][key] for row in rows] for when in ("before", "after"))
        gone = 1 - (1 - np.mean(new)) / max(1 - np.mean(old), 1e-9)
        worst = min(np.subtract(new, old))
        text.append(
            f"{key} {np.mean(old):.3f} -> {np.mean(new):.3f} ({100 * gone:.0f} % of the error "
            f"gone, worst run {worst:+.3f})"
        )
    print(f"{title}, {len(rows)} runs: {'; '.join(text)}", flush=True)


def _rounds(parent, pairs, name, chosen):
    rows, score, seed = [], _score(parent, pairs, name, chosen), chosen.seeds[0]
    image, truth = pairs[name]
    model, painted = parent, simulate_paint(truth, 10, STROKES, seed=seed)
    n_painted = int(painted.max())
    for i in range(1, chosen.rounds + 1):
        if chosen.correct:
            predicted = ns.run(ns.segment(model, image, device=chosen.device))
            painted = simulate_corrections(np.asarray(predicted), truth, 3, painted)
            corrected = list(range(n_painted + 1, int(painted.max()) + 1))
            paint = ns.Paint(painted, corrected=corrected)
        else:
            paint = painted = simulate_paint(truth, 3 * i, STROKES, seed=seed)
        job, model = _tune(parent, image, paint, seed, chosen)
        after = _score(model, pairs, name, chosen)
        n = len(np.unique(painted[painted > 1]))
        rows.append({"objects": n, "image": name, "seed": seed, **_told(job),
                     "before": score, "after": after})  # fmt: skip
        print("  " + _row(rows[-1]), flush=True)
        score = after
    return rows


def _guard(parent, pairs, painted, chosen):
    rows = []
    kinds: dict[str, Callable[..., np.ndarray]] = {"good": lambda p, _: p, "shuffled": _shuffled}
    for kind, changed in kinds.items():
        for seed in range(chosen.guard):
            image, truth = pairs[painted[seed % len(painted)]]
            paint = changed(simulate_paint(truth, 10, STROKES, seed=seed), seed)
            job, _ = _tune(parent, image, paint, seed, chosen)
            rows.append(
                {"given": kind, "seed": seed, "accepted": not job.kept_parent, **_told(job)}
            )
            print(f"  {rows[-1]}", flush=True)
        accepted = [row["accepted"] for row in rows if row["given"] == kind]
        print(f"{kind} paint: {sum(accepted)} of {len(accepted)} accepted", flush=True)
    return rows


def _shares(parent, pairs, painted, chosen):
    rows = []
    for n in chosen.objects:
        for name in painted:
            paint = simulate_paint(pairs[name][1], n, STROKES, seed=chosen.seeds[0])
            for share, losses, weights in _tried(parent, pairs[name][0], paint, chosen):
                model = copy.deepcopy(parent)
                model.network.load_state_dict(weights)
                rows.append({"objects": n, "image": name, "share": share, "losses": losses,
                             **_score(model, pairs, name, chosen)})  # fmt: skip
                print(f"  {rows[-1]}", flush=True)
        for share in (0, *SHARES):
            of_share = [row for row in rows if (row["objects"], row["share"]) == (n, share)]
            means = {key: np.mean([row[key] for row in of_share]) for key in ("AP50", "AP80")}
            text = ", ".join(f"{key} {mean:.3f}" for key, mean in means.items())
            print(f"{n} objects, share {share}: {text}", flush=True)
    return rows


def _tried(parent, image, paint, chosen):
    """Return each share with its losses on held-out paint and on replay, and its weights."""
    tried = []

    def spy(before, tuned, held_out, replay, loss_of, *rest, **options):
        for share in (0, *SHARES):
            weights = {k: v.clone() for k, v in between(before, tuned, share).items()}
            tried.append((share, [loss_of(weights, data) for data in (held_out, replay)], weights))
        return choose(before, tuned, held_out, replay, loss_of, *rest, **options)

    with patch("napari_scribe.training.trainer.choose", spy):
        _tune(parent, image, paint, chosen.seeds[0], chosen)
    return tried


def _tune(parent, image, paint, seed, chosen):
    values = dict(value.split("=", 1) for value in chosen.set)
    recipe = parent.recipe.changed({**values, "training.seed": seed})
    limits = {"steps": chosen.steps} if chosen.steps else {"seconds": chosen.seconds}
    job = ns.train([image], [paint], recipe, start=parent, device=chosen.device, **limits)
    return job, ns.run(job)


def _score(model, pairs, painted, chosen):
    others = [name for name in pairs if name != painted]
    others = others[:: max(1, len(others) // chosen.others)][: chosen.others]
    scores = [
        evaluate(ns.run(ns.segment(model, pairs[o][0], device=chosen.device)), pairs[o][1])
        for o in others
    ]
    return pool(scores).as_dict()


def _told(job):
    tuning = job.fine_tuning
    return {"share": tuning.share, "paint": tuning.paint, "replay": tuning.replay}


def _row(row):
    losses = {k: "-" if row[k] is None else "{:.3f} -> {:.3f}".format(*row[k])
              for k in ("paint", "replay")}  # fmt: skip
    scores = ", ".join(
        f"{key} {row['before'][key]:.3f} -> {row['after'][key]:.3f}" for key in ("AP50", "AP80")
    )
    return (
        f"{row['objects']} objects of {row['image']}, seed {row['seed']}: {scores}; share "
        f"{row['share']:g}, paint {losses['paint']}, replay {losses['replay']}"
    )


def _middle(image, side):
    top, left = ((n - side) // 2 for n in image.shape)
    return image[top : top + side, left : left + side]


def _shuffled(paint, seed):
    """Move each painted object, and the strokes, to a place of their own."""
    rng, moved = np.random.default_rng(seed), np.zeros_like(paint)
    moved[np.roll(paint == 1, rng.integers(40, 200, 2), (0, 1))] = 1
    for value, box in enumerate(ndimage.find_objects(paint.astype(int)), start=1):
        if box is None or value == 1:
            continue
        mask = paint[box] == value
        for _ in range(100):
            top, left = (
                int(rng.integers(0, n - m + 1))
                for n, m in zip(paint.shape, mask.shape, strict=True)
            )
            place = moved[top : top + mask.shape[0], left : left + mask.shape[1]]
            if not (place[mask] > 1).any():
                place[mask] = value
                break
    return moved


if __name__ == "__main__":
    main()
