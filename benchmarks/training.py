"""Compare the speed of the training loop with bare passes, forward and back, on one batch.

The loop also draws and augments patches, steps the optimizer, averages the weights and validates.
"""

from __future__ import annotations

import time

import numpy as np
from common import machine, parser

from napari_scribe.device import precision
from napari_scribe.samples import nuclei
from napari_scribe.training.job import Limits, TrainingJob
from napari_scribe.training.judge import forward
from napari_scribe.training.losses import loss_of
from napari_scribe.training.setup import set_up
from napari_scribe.training.train import paint_data
from napari_scribe.training.trainer import Trainer, new_state


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--steps", type=int, default=100, help="per round")
    arguments.add_argument("--rounds", type=int, default=5)
    chosen = arguments.parse_args()

    sample = nuclei()
    setup = set_up([sample.image], [sample.paint], None, None, None, chosen.device)
    dtype, encoding = precision(setup.device), setup.encoding
    channels = len(setup.channels)
    state = new_state(setup.recipe, channels, encoding, setup.device, dtype, None, None)
    data = paint_data(setup, state)
    loss = loss_of(setup.recipe, encoding.heads)
    job = TrainingJob(lambda job: trainer.steps())
    trainer = Trainer(job, state, data, loss, dtype, Limits(None, None))
    loop = trainer.steps()
    batch = data.draw()

    def bare():
        state.network.train()
        value = loss(forward(state.network, batch.pixels, dtype), batch.values, batch.weights)
        value.backward()
        float(value.detach())
        state.optimizer.zero_grad(set_to_none=True)

    times = {"loop": [], "bare": []}
    for _ in range(chosen.rounds + 1):
        for name, task in (("loop", lambda: next(loop)), ("bare", bare)):
            start = time.perf_counter()
            for _ in range(chosen.steps):
                task()
            times[name].append((time.perf_counter() - start) / chosen.steps)
    seconds = {name: float(np.median(values[1:])) for name, values in times.items()}
    training = setup.recipe.training
    print(f"{machine()}; {dtype}, batches of {training.batch} x {training.patch} px")
    for name, value in seconds.items():
        print(f"  {name:5s} {1000 * value:6.1f} ms a step")
    print(f"loop / bare forward and backward: {seconds['bare'] / seconds['loop']:.3f}")


if __name__ == "__main__":
    main()
