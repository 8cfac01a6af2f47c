"""Train StarDist from nothing on dsb2018/train, in an environment of its own; segment dsb2018/val.

    python stardist_nuclei.py DATA OUT [SECONDS]
    napari-scribe evaluate OUT/labels DATA/dsb2018/val/labels

Install there ``stardist==0.9.2 tensorflow-cpu==2.18.1``. Its settings are those of StarDist's own
example: 32 rays on every second pixel, patches of 256 px, batches of 4, turns, flips and
intensities, and thresholds that fit a seventh of the training images. The seconds count from the
end of the first step, which compiles.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
import tifffile
from csbdeep.utils import normalize
from stardist.models import Config2D, StarDist2D

HELD_OUT = 0.15
JUDGED = 8
"""Held-out images that the loss is measured on after each epoch: all of them take too long."""


class Limit(tf.keras.callbacks.Callback):
    """Stop the training after so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds, self.steps, self.began = seconds, 0, 0.0

    def on_train_batch_end(self, batch, logs=None) -> None:
        self.steps += 1
        self.began = self.began or time.perf_counter()
        self.model.stop_training = time.perf_counter() - self.began > self.seconds


def main() -> None:
    data, out = Path(sys.argv[1], "dsb2018"), Path(sys.argv[2])
    limit = Limit(float(sys.argv[3]) if len(sys.argv) > 3 else 600.0)
    _, images, labels = _read(data / "train")
    rng = np.random.default_rng(42)
    order, n = rng.permutation(len(images)), round(HELD_OUT * len(images))
    held_out, learnt = order[:n], order[n:]
    config = Config2D(
        n_rays=32, grid=(2, 2), n_channel_in=1, train_patch_size=(256, 256), train_batch_size=4,
        train_epochs=1000, train_steps_per_epoch=50, train_tensorboard=False,
    )  # fmt: skip
    model = StarDist2D(config, name="model", basedir=str(out))
    model.prepare_for_training()
    model.callbacks.append(limit)
    pairs = ([images[i] for i in learnt], [labels[i] for i in learnt])
    judged = tuple([kind[i] for i in held_out[:JUDGED]] for kind in (images, labels))
    model.train(*pairs, validation_data=judged, augmenter=lambda x, y: _augmented(x, y, rng))
    print(f"{limit.steps} steps in {limit.seconds:g} s", flush=True)
    model.optimize_thresholds(*([kind[i] for i in held_out] for kind in (images, labels)))
    (out / "labels").mkdir(parents=True, exist_ok=True)
    for name, image, _ in zip(*_read(data / "val"), strict=True):
        found, _ = model.predict_instances(image)
        tifffile.imwrite(out / "labels" / name, found.astype(np.int32))


def _read(folder):
    """Return names, normalized images and labels of a folder."""
    names = sorted(path.name for path in (folder / "images").glob("*.tif"))
    raw = [tifffile.imread(folder / "images" / name).astype(np.float32) for name in names]
    labels = [tifffile.imread(folder / "labels" / name).astype(np.int32) for name in names]
    return names, [normalize(image, 1, 99.8) for image in raw], labels


def _augmented(image, labels, rng):
    """Turn and flip both; change the intensities of the image."""
    if rng.random() < 0.5:
        image, labels = image[::-1], labels[::-1]
    turns = int(rng.integers(4))
    image, labels = np.rot90(image, turns), np.rot90(labels, turns)
    image = image * rng.uniform(0.6, 2) + rng.uniform(-0.2, 0.2)
    return image + 0.02 * rng.random() * rng.normal(size=image.shape), labels


if __name__ == "__main__":
    main()
