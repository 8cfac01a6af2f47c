"""Run the demo without a window: train on the painted sample, segment it, and write files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from .arrays import Pixels
from .evaluation.metrics import Scores, evaluate
from .evaluation.plots import save_triptych
from .image import Image
from .inference.segment import segment
from .io import check_writable, write_tiff
from .samples import PIXEL, Sample, nuclei
from .terminal import exit_status, print_scores, say_unseen_gpu, segment_with_bar, train_with_bar
from .training.train import train

if TYPE_CHECKING:
    from .model import Model


def run_headless(out: Path, seconds: float, device: str | None) -> None:
    """Train for some seconds, segment, and write all results into a folder."""
    check_writable(out / "model.zip")
    sample = nuclei()
    image = Image(sample.image, "YX", dict.fromkeys("YX", PIXEL), name="nuclei")
    say_unseen_gpu()
    job = train([image], [sample.paint], seconds=seconds, device=device)
    train_with_bar(job, lambda model: model.save(out / "model.zip"))
    if job.stop_requested:
        raise SystemExit(exit_status())
    model = job.result
    labels = segment_with_bar(segment(model, image, device=device), "Segmenting")
    print_scores({"nuclei": save_results(out, sample, model, labels)})
    print(f"Sample, model, labels, picture and scores are in {out.resolve()}")


def save_results(out: Path, sample: Sample, model: Model, labels: Pixels) -> Scores:
    """Write the sample, model, labels, picture and scores, and return the scores."""
    out.mkdir(parents=True, exist_ok=True)
    scale, units = dict.fromkeys("YX", PIXEL), dict.fromkeys("YX", "micrometer")
    model.save(out / "model.zip")
    write_tiff(out / "image.tif", sample.image, "YX", scale, units)
    write_tiff(out / "paint.tif", sample.paint, "YX", scale, units)
    write_tiff(out / "truth.tif", sample.truth, "YX", scale, units)
    write_tiff(out / "labels.tif", labels, "YX", scale, units)
    save_triptych(out / "demo.png", sample.image, sample.paint, labels)
    scores = evaluate(labels, sample.truth)
    (out / "scores.json").write_text(json.dumps(scores.as_dict(), indent=1) + "\n")
    return scores
