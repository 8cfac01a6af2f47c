"""Train and apply CAREamics' Noise2Noise for `denoise_peers.py`, in an environment of its own.

    python careamics_n2n.py in.npz out.npz

Install there torch (the CPU wheel where there is no card) and the requirements of careamics 0.3.5
but torchvision, then ``pip install --no-deps careamics==0.3.5 torchvision``. Where there is no
build of torchvision for that torch, empty its `_meta_registrations.py`: only autoencoders call it.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
import warnings

import numpy as np
from careamics import CAREamist
from careamics.config.factories import create_advanced_n2n_config
from lightning.pytorch.callbacks import Callback

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", module="lightning")


class Marks(Callback):
    """Save the weights after so many seconds of training; saving does not count for the time."""

    def __init__(self, seconds: list[float], folder: str) -> None:
        self.left, self.folder = sorted(seconds), folder
        self.saved: list[tuple[str, int, float]] = []
        self.steps, self.took = 0, 0.0

    def on_train_start(self, trainer, module) -> None:
        self.since = time.perf_counter()

    def on_train_batch_end(self, trainer, *_) -> None:
        now = time.perf_counter()
        self.steps, self.took, self.since = self.steps + 1, self.took + now - self.since, now
        while self.left and self.took >= self.left[0]:
            path = f"{self.folder}/{self.left.pop(0):g}.ckpt"
            trainer.save_checkpoint(path)
            self.saved.append((path, self.steps, self.took))
            self.since = time.perf_counter()
        trainer.should_stop = not self.left


def main() -> None:
    inputs = np.load(sys.argv[1])
    first, second, test = (inputs[name] for name in ("first", "second", "test"))
    marks = Marks(inputs["marks"].tolist(), tempfile.mkdtemp())
    model = _train(first, second, marks, int(inputs["seed"]), bool(inputs["is_default"]))
    answers = [_answer(model, path, test) for path, _, _ in marks.saved]
    steps, seconds = zip(*(entry[1:] for entry in marks.saved), strict=True)
    np.savez(sys.argv[2], answers=answers, steps=steps, seconds=seconds)


def _train(first, second, marks: Marks, seed: int, is_default: bool) -> CAREamist:
    """Configure patches of 128 px, batches of 8, and all else as by default.

    By default eight patches validate, and the rate is divided by ten where these stagnate for ten
    epochs. Else all train, at a constant rate.
    """
    trainer = {"num_sanity_val_steps": 0, "enable_model_summary": False}
    constant = {"lr_scheduler": "StepLR", "lr_scheduler_params": {"step_size": 10**9}}
    config = create_advanced_n2n_config(
        experiment_name="n2n",
        data_type="array",
        axes="SYX",
        patch_size=[128, 128],
        batch_size=8,
        num_epochs=-1,
        num_workers=0,  # workers would compete with the training for few cores
        n_val_patches=8 if is_default else 0,
        trainer_params=trainer | ({} if is_default else {"check_val_every_n_epoch": 10**9}),
        checkpoint_params={"save_top_k": 0, "save_last": False},
        seed=seed + 1,  # it takes none below 1
        **({} if is_default else constant),
    )
    model = CAREamist(config, work_dir=marks.folder, callbacks=[marks], enable_progress_bar=False)
    # With `val_data`, no patch of the training data is set aside.
    held = {} if is_default else {"val_data": first[:1], "val_data_target": second[:1]}
    model.train(train_data=first, train_data_target=second, **held)
    return model


def _answer(model: CAREamist, checkpoint: str, test: np.ndarray) -> np.ndarray:
    (denoised,), _ = model.predict(test, batch_size=1, num_workers=0, checkpoint=checkpoint)
    return np.asarray(denoised, np.float32).reshape(test.shape)


if __name__ == "__main__":
    main()
