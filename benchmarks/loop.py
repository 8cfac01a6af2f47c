"""Play a user who predicts, corrects what is most wrong, trains on, and predicts again.

In each round all of a few images are segmented, the worst mistakes over all of them are painted
over (from the truth, as a person would who sees them), and the training goes on for a while with
all paint so far. From nothing, each round continues the training before; from a model, each round
fine-tunes that model anew, so that rounds do not drift. What is scored after each round are other
images of the same kind, which nobody paints.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from common import add_limits, limits, limits_in_words, machine, parser, read_pairs

import napari_scribe as ns
from napari_scribe.evaluation.metrics import evaluate, pool
from napari_scribe.samples import simulate_corrections

KINDS = {"nuclei": "dsb2018/val", "tissue": "tissue_dapi", "phase": "t98g_phase"}


def main() -> None:
    arguments = parser(__doc__ or "", data=True)
    arguments.add_argument("--kind", choices=KINDS, default="nuclei")
    arguments.add_argument("--side", type=int, default=256, help="images are cut to their middle")
    arguments.add_argument("--start", help="a model to fine-tune; from nothing without")
    arguments.add_argument("--images", type=int, default=8, help="how many are corrected")
    arguments.add_argument("--others", type=int, default=24, help="how many are scored, at most")
    arguments.add_argument("--rounds", type=int, default=10)
    arguments.add_argument("--fixes", type=int, default=3, help="in each round, over all images")
    add_limits(arguments, 20)
    arguments.add_argument("--draws", type=int, nargs="*", default=[0, 1, 2])
    arguments.add_argument("--figure", type=Path, help="file for the curves, such as loop.png")
    arguments.add_argument("--json", type=Path)
    chosen = arguments.parse_args()

    pairs = {
        name: (_middle(image, chosen.side), _middle(truth, chosen.side))
        for name, (image, truth) in read_pairs(chosen.data / KINDS[chosen.kind]).items()
        if min(image.shape) >= chosen.side
    }
    print(
        f"{machine()}; {chosen.kind}, {chosen.images} images, {chosen.fixes} fixes and "
        f"{limits_in_words(chosen)} a round, from {chosen.start or 'nothing'}"
    )
    courses = []
    for draw in chosen.draws:
        courses.append(_play(pairs, draw, chosen))
        if chosen.json:
            chosen.json.write_text(json.dumps(courses, indent=1))
    for i in range(len(courses[0])):
        said = []
        for key in ("AP50", "AP80"):
            values = [course[i][key] for course in courses]
            said.append(f"{key} {np.mean(values):.3f} +- {np.std(values):.3f}")
        print(f"round {i + (0 if chosen.start else 1)}: {', '.join(said)}")
    if chosen.figure:
        _draw(courses, chosen)


def _play(pairs, draw, chosen):
    """Return the scores after each round; with a model to start from, first those before any."""
    names = list(np.random.default_rng(draw).permutation(sorted(pairs)))
    mine, others = names[: chosen.images], names[chosen.images :][: chosen.others]
    images = [ns.Image(pairs[name][0], "YX", name=name) for name in mine]
    truths = [pairs[name][1] for name in mine]
    paints = [np.zeros(truth.shape, np.int32) for truth in truths]
    parent = ns.load_model(chosen.start) if chosen.start else None
    recipe = (parent.recipe if parent else ns.Recipe()).changed({"training.seed": draw})
    model, checkpoint, rows = parent, None, []
    if parent is not None:
        rows.append(_score(parent, pairs, others, chosen.device))
        print(f"  draw {draw}, the model itself: {_row(rows[-1])}", flush=True)
    for i in range(1, chosen.rounds + 1):
        found = [
            np.zeros_like(t) if model is None else _segmented(model, image, chosen.device)
            for image, t in zip(images, truths, strict=True)
        ]
        fixed = _fix_worst(found, truths, paints, chosen.fixes)
        job = ns.train(
            images,
            [_as_paint(paint, is_corrected=parent is not None) for paint in paints],
            recipe,
            start=parent,
            resume=checkpoint,
            device=chosen.device,
            **limits(chosen),
        )
        model = ns.run(job)
        if parent is None:
            checkpoint = job.checkpoint
        rows.append(_score(model, pairs, others, chosen.device))
        print(f"  draw {draw}, round {i}, fixed {fixed}: {_row(rows[-1])}", flush=True)
    return rows


def _as_paint(paint, is_corrected):
    """Return what is painted by now; from nothing, all of it counts alike."""
    return ns.Paint(paint.copy(), corrected=np.unique(paint[paint > 1]) if is_corrected else ())


def _fix_worst(found, truths, paints, n):
    """Paint over the mistakes with most wrong pixels over all images; return how many."""
    done = 0
    for _ in range(n):
        best, before = None, 0
        for index, (labels, truth, paint) in enumerate(zip(found, truths, paints, strict=True)):
            fixed = simulate_corrections(labels, truth, 1, paint)
            gain = np.count_nonzero(fixed != paint)
            if gain > before:
                best, before = (index, fixed), gain
        if best is None:
            break
        paints[best[0]] = best[1]
        done += 1
    return done


def _segmented(model, image, device):
    return np.asarray(ns.run(ns.segment(model, image, device=device)))


def _score(model, pairs, names, device):
    scores = [
        evaluate(_segmented(model, ns.Image(pairs[o][0], "YX", name=o), device), pairs[o][1])
        for o in names
    ]
    return pool(scores).as_dict()


def _row(row):
    return ", ".join(f"{key} {row[key]:.3f}" for key in ("AP50", "AP70", "AP80"))


def _draw(courses, chosen):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3), layout="constrained")
    axes = figure.add_subplot(
        xlabel="objects corrected", ylabel="AP50 on other images", ylim=(0, 1)
    )
    first = 0 if chosen.start else 1
    for draw, course in zip(chosen.draws, courses, strict=True):
        n_fixed = [chosen.fixes * (first + i) for i in range(len(course))]
        axes.plot(n_fixed, [row["AP50"] for row in course], marker="o", label=f"draw {draw}")
    axes.legend()
    figure.savefig(chosen.figure, dpi=120)


def _middle(image, side):
    top, left = ((n - side) // 2 for n in image.shape)
    return image[top : top + side, left : left + side]


if __name__ == "__main__":
    main()
