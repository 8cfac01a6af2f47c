"""Compare networks at equal time on the vessels of retinas (chase_db1): the numbers of the field.

Each preset learns from both eyes of children 1 to 8, inside the field of view, for so many
seconds. It is scored on the eyes of the other two children. The threshold of F1, precision and
recall is the one with the highest F1 on the training images. The areas under both curves need none.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile
from common import machine, parser
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

import napari_scribe as ns

NETWORKS = "unet", "residual", "shared", "fcn8", "fusionnet"
"""Presets."""
LAST_TRAINED = 8
THRESHOLDS = np.linspace(0.01, 0.99, 99)
COLUMNS = "roc_auc", "average_precision", "f1", "precision", "recall", "threshold"


class Eye(NamedTuple):
    """Hold a picture, which pixels are vessels, and the field of view."""

    name: str
    image: np.ndarray
    vessels: np.ndarray
    view: np.ndarray


def main() -> None:
    arguments = parser(__doc__ or "", data=True)
    arguments.add_argument("--networks", nargs="*", choices=NETWORKS, default=NETWORKS)
    arguments.add_argument("--seconds", type=float, default=600)
    arguments.add_argument("--seeds", type=int, nargs="*", default=[0])
    arguments.add_argument("--channels", type=int, nargs="*", default=[0, 1, 2])
    arguments.add_argument("--set", action="append", default=[], help="of all recipes, key=value")
    arguments.add_argument("--figure", type=Path, help="file for the ROC curves, such as roc.png")
    chosen = arguments.parse_args()

    eyes = _read(chosen.data / "chase_db1")
    train = [eye for eye in eyes if int(eye.name[:2]) <= LAST_TRAINED]
    test = [eye for eye in eyes if int(eye.name[:2]) > LAST_TRAINED]
    print(f"{machine()}; {chosen.seconds:g} s each, {len(train)} images, {len(test)} scored")
    print("| network | parameters | steps | " + " | ".join(COLUMNS) + " |")
    print("|---" * (len(COLUMNS) + 3) + "|")
    curves = {}
    for name in chosen.networks:
        rows = []
        for seed in chosen.seeds:
            model, steps = _trained(train, name, seed, chosen)
            truth, answers = _answers(model, test, chosen.device)
            threshold = _best_threshold(*_answers(model, train, chosen.device))
            rows.append([*_scores(truth, answers, threshold), threshold])
            curves.setdefault(name, roc_curve(truth, answers))
        n = sum(p.numel() for p in model.network.parameters())
        said = [_with_spread(values) for values in np.array(rows).T]
        print(f"| {name} | {n:,} | {steps} | " + " | ".join(said) + " |", flush=True)
    if chosen.figure:
        _draw(curves, chosen.figure)


def _read(folder: Path) -> list[Eye]:
    if not (folder / "images").is_dir():
        raise SystemExit(f"{folder} has no images: name the folder above it with --data.")
    return [
        Eye(
            path.stem,
            tifffile.imread(path),
            tifffile.imread(folder / "vessels" / path.name) > 0,
            tifffile.imread(folder / "field_of_view" / path.name) > 0,
        )
        for path in sorted((folder / "images").glob("*.tif"))
    ]


def _trained(eyes: list[Eye], name: str, seed: int, chosen) -> tuple[ns.Model, int]:
    """Train on what lies in the field of view: 0 is not painted, 1 background, 2 vessels."""
    values = dict(value.split("=", 1) for value in chosen.set)
    recipe = ns.Recipe.preset(name).changed({"training.seed": seed, **values})
    recipe = ns.Recipe(task="classes", **recipe.model_dump(exclude={"target"}))
    images = [ns.Image(eye.image, "YXC", name=eye.name) for eye in eyes]
    paints = [ns.Paint(np.where(eye.view, 1 + eye.vessels, 0), offset=1) for eye in eyes]
    job = ns.train(
        images,
        paints,
        recipe,
        channels=chosen.channels,
        seconds=chosen.seconds,
        device=chosen.device,
    )
    steps = 0
    for step in job:
        steps = step.index
    return job.result, steps


def _answers(model: ns.Model, eyes: list[Eye], device: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the truth, and the probability of a vessel, of all pixels in the fields of view."""
    truth, answers = [], []
    for eye in eyes:
        image = ns.Image(eye.image, "YXC", name=eye.name)
        job = ns.segment(model, image, save=("labels", "probability"), device=device)
        ns.run(job)
        truth.append(eye.vessels[eye.view])
        answers.append(np.asarray(job.probability)[1][eye.view].astype(np.float32))
    return np.concatenate(truth), np.concatenate(answers)


def _best_threshold(truth: np.ndarray, answers: np.ndarray) -> float:
    return float(max(THRESHOLDS, key=lambda limit: _counted(truth, answers > limit)[0]))


def _scores(truth: np.ndarray, answers: np.ndarray, threshold: float) -> list[float]:
    areas = [roc_auc_score(truth, answers), average_precision_score(truth, answers)]
    return [*areas, *_counted(truth, answers > threshold)]


def _counted(truth: np.ndarray, found: np.ndarray) -> tuple[float, float, float]:
    """Return F1, precision and recall."""
    both, n_found, n_true = (truth & found).sum(), found.sum(), truth.sum()
    return 2 * both / max(1, n_found + n_true), both / max(1, n_found), both / max(1, n_true)


def _with_spread(values: np.ndarray) -> str:
    return f"{values.mean():.4f}" + (f" +- {values.std():.4f}" if len(values) > 1 else "")


def _draw(curves: dict[str, tuple[np.ndarray, ...]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    for name, (false_positives, true_positives, _) in curves.items():
        axes.plot(false_positives, true_positives, label=name)
    axes.set(
        xlabel="False positive rate", ylabel="True positive rate", xlim=(0, 0.3), ylim=(0.7, 1)
    )
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
