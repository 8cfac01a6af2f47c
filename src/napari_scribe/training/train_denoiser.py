"""Provide the public job `train_denoiser`: from noisy pairs to a model."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..arguments import checked
from ..device import pick_device, precision
from ..errors import InputError, in_words
from ..image import Image
from ..inference.denoise.job import check_denoiser
from ..inference.engine import Predictor, predict_window
from ..inference.reading import tile_reader
from ..io import ImageLike
from ..io.held_out import HeldOut
from ..model import Model, as_model
from ..networks import Network
from ..normalization import FixedNormalization, Statistics, finite_sample
from ..recipe import Recipe, as_recipe, parse_recipe
from ..targets import Encoding, Parameters, encoding_of, task_of
from ..windows import whole
from . import CHECKPOINT_EVERY
from .checkpoint import Checkpoint, TrainState, check_checkpoint
from .checkpoint_file import CheckpointFile, described, locking, open_checkpoint
from .distributed import check_distributed, device_of_process, join
from .finish import learnt, origin, thumbnail_of
from .job import DenoisedPreview, Limits, Request, TrainingJob, TrainStep
from .judge import forward
from .losses import l2, loss_of
from .pairs.batches import PairSampler, PoolState, pool_limit
from .pairs.sources import Pairs, as_pairs
from .score import score_denoiser
from .setup import check_same_network, for_thick_slices
from .trainer import Trainer, new_state

SAMPLED = 8
"""How many images are measured, and how many pairs are compared, before training."""
SHIFT_BATCHES = 8
"""Number of batches on which the shift of the mean is measured."""


@dataclass(frozen=True)
class Setup:
    """Hold the checked input of a training."""

    pairs: Pairs
    recipe: Recipe
    normalization: FixedNormalization
    channels: tuple[int, ...]
    image_channels: int
    device: torch.device

    @property
    def encoding(self) -> Encoding:
        """Return what the network learns."""
        return encoding_of(self.recipe, n_channels=len(self.channels))

    @property
    def statistics(self) -> Statistics:
        """Return the statistics of the normalization, and the value that stands for no data."""
        nodata = (self.pairs.images[0].nodata,) * len(self.channels)
        return replace(self.normalization.numbers, nodata=nodata)


@checked
def train_denoiser(
    pairs: Pairs | ImageLike,
    recipe: Recipe | Mapping[str, object] | str | Path | None = None,
    *,
    start: Model | str | Path | None = None,
    resume: Checkpoint | None = None,
    steps: int | None = None,
    seconds: float | None = None,
    device: str | None = None,
    keep_worse: bool = False,
    checkpoint: str | Path | None = None,
    checkpoint_every: float = CHECKPOINT_EVERY,
) -> TrainingJob:
    """Train a network to remove noise from images, from noisy images alone.

    Parameters
    ----------
    pairs
        `Pairs` from `frame_pairs` and its siblings; or a stack, to make pairs of its frames.
    recipe
        How to train: a recipe, its values or its file. If None, the recipe of `start`, else the
        default of the task ``denoised``.
    start
        A denoiser to fine-tune, its file or its name. If fine-tuning does not lower the loss on
        held-out pairs, the result is this denoiser unchanged, unless `keep_worse`.
    resume
        A `TrainingJob.checkpoint` to continue from: exactly, if the pairs fit into memory.
    steps, seconds
        When to end. Without either, training ends when `Job.stop` is called. `seconds` count from
        the first step, after everything is opened, read, measured and loaded.
    device
        ``cuda``, ``mps`` or ``cpu``; the fastest available one when None.
    keep_worse
        Whether to return a fine-tuned denoiser that is worse than `start`.
    checkpoint, checkpoint_every
        As for `train`: a file to write checkpoints to and to go on from, and the seconds between.

    Returns
    -------
    job
        Its result is the best model so far, by the loss on held-out pairs.

    Raises
    ------
    InputError
        Before any work, if something does not fit.

    Notes
    -----
    Noise2Noise, Lehtinen et al. 2018, https://arxiv.org/abs/1803.04189.
    """
    limits = Limits(steps, seconds)
    check_checkpoint(resume)
    parent = None if start is None else as_model(start)
    setup = _set_up(as_pairs(pairs), as_recipe(recipe), parent, device)
    file, resumed = open_checkpoint(
        checkpoint, checkpoint_every, resume, (steps, seconds), lambda: _described(setup, parent)
    )
    return TrainingJob(
        lambda job: locking(
            file, _train(job, setup, limits, parent, resumed or resume, keep_worse, file)
        )
    )


def _described(setup: Setup, start: Model | None) -> dict[str, str]:
    """Return what has to be the same for a training to go on from a file."""
    pairs = setup.pairs
    views = [(v.frame, v.channels, v.shift, v.gains, v.offsets) for v in pairs.views]
    return described(
        setup.recipe,
        setup.device,
        start,
        images=_origins(pairs),
        pairs=(views, pairs.pairs, pairs.leaves_out_motion, pairs.is_ordered),
    )


def _origins(pairs: Pairs) -> list[dict[str, Any]]:
    """Return what is recorded about the images that the views show."""
    views = {id(view.image): view for view in pairs.views}
    return [origin(view.image, view.channels) for view in list(views.values())[:SAMPLED]]


def check_plan(
    recipe: Recipe, steps: int | None, seconds: float | None, device: str | None
) -> None:
    """Check the arguments for a denoiser, as far as that needs no images.

    Raises
    ------
    InputError
        If something does not fit.
    """
    Limits(steps, seconds)
    pick_device(device)
    _check_recipe(recipe)


def _check_recipe(recipe: Recipe) -> None:
    if task_of(recipe).source != "pairs":
        raise InputError(
            f"This is a recipe for {recipe.task}, which are learnt from paint (train): a denoiser "
            "needs the task 'denoised'."
        )
    loss_of(recipe, encoding_of(recipe).heads)


def _set_up(pairs: Pairs, recipe: Recipe | None, start: Model | None, device: str | None) -> Setup:
    """Check everything before any work."""
    if start is not None:
        check_denoiser(start)
    recipe = recipe or (start.recipe if start else _recipe(pairs))
    _check_recipe(recipe)
    if recipe.network.dimensions != pairs.dimensions:
        raise InputError(
            f"The recipe is {recipe.network.dimensions}D, the pairs are {pairs.dimensions}D: make "
            "them alike (network.dimensions)."
        )
    if pairs.is_single and not recipe.network.maps_keep_size:
        raise InputError("Single images need network.padding=same.")
    recipe = recipe if start else for_thick_slices(recipe, pairs.images[0])
    view = pairs.views[0]
    if start is not None:
        _check_start(start, recipe, view.image, len(view.channels))
    chosen_device = device_of_process(device)
    check_distributed(recipe, chosen_device)
    _check_independent(pairs)
    start_normalization = start.normalization if start is not None else None
    return Setup(
        pairs,
        recipe,
        start_normalization
        if isinstance(start_normalization, FixedNormalization)
        else _normalization(pairs),
        view.channels,
        view.image.n_channels,
        chosen_device,
    )


def _recipe(pairs: Pairs) -> Recipe:
    return parse_recipe({"task": "denoised", "network": {"dimensions": pairs.dimensions}})


def _check_start(start: Model, recipe: Recipe, image: Image, n_channels: int) -> None:
    check_same_network(start, recipe)
    if len(start.channels) != n_channels:
        raise InputError(
            f"The model to start from sees {len(start.channels)} channels, but {n_channels} of "
            f"{image.name} were chosen."
        )


def _check_independent(pairs: Pairs) -> None:
    """Check that the two images of a pair differ: equal ones have the same noise."""
    different = [pair for pair in pairs.pairs if pair[0] != pair[1]]
    for i in np.linspace(0, len(different) - 1, min(len(different), SAMPLED)).astype(int):
        a, b = different[i]
        shape = pairs.shape(a)
        middle = tuple(slice(max(0, n // 2 - 64), n // 2 + 64) for n in shape)
        first_view, second_view = pairs.views[a], pairs.views[b]
        first_pixels, second_pixels = first_view.read(middle), second_view.read(middle)
        if first_pixels.min() == first_pixels.max():  # the middle is empty
            first_pixels = first_view.read(whole(shape))
            second_pixels = second_view.read(whole(shape))
        if np.array_equal(first_pixels, second_pixels) and first_pixels.min() < first_pixels.max():
            raise InputError(
                f"{first_view.in_words()} and {second_view.in_words()} are the same, pixel for "
                "pixel: their noise is not independent, so a network would learn to keep it. "
                "Choose other frames, or train on single images.",
                pairs="single",
            )


def _normalization(pairs: Pairs) -> FixedNormalization:
    """Return the mean and standard deviation of the images that the pairs are made of."""
    by_image = {(id(view.image), view.channels): view for view in pairs.views}
    views = list(by_image.values())
    chosen = [
        views[i] for i in np.linspace(0, len(views) - 1, min(len(views), SAMPLED)).astype(int)
    ]
    sample = np.concatenate([finite_sample(v.image, v.channels) for v in chosen], axis=1)
    means, deviations = sample.mean(axis=1, dtype=float), sample.std(axis=1, dtype=float)
    if not (deviations > 0).all():
        flat = pairs.views[0].channels[int(np.argmin(deviations))]
        raise InputError(
            f"{pairs.views[0].image.name} has the same value everywhere (channel {flat}): there is "
            "no noise to learn. Check that this is the right image, channel or slice."
        )
    if (deviations < 1e-5 * np.abs(means)).any():
        raise InputError(
            f"The pixels of {pairs.views[0].image.name} differ by {deviations.min():.2g} only, "
            f"around {means[int(np.argmin(deviations))]:.6g}: too little for the precision of the "
            "arithmetic. Subtract a constant first."
        )
    return FixedNormalization(tuple(means.tolist()), tuple(deviations.tolist()))


def _train(
    job: TrainingJob,
    setup: Setup,
    limits: Limits,
    start: Model | None,
    resume: Checkpoint | None,
    keep_worse: bool,
    file: CheckpointFile | None,
) -> Generator[TrainStep, None, Model]:
    """Yield the steps of a training on pairs, and return its model."""
    recipe, encoding, n_channels = setup.recipe, setup.encoding, len(setup.channels)
    group = join(setup.device)
    dtype = group.of_first(precision(setup.device))
    resume = group.of_first(resume)
    state = new_state(recipe, n_channels, encoding, setup.device, dtype, start, resume)
    resumed = resume.numbers if resume else None
    del resume  # its tensors would take twice the memory
    memory_limit = group.of_first(pool_limit())
    pool = resumed.get("data") if resumed else None
    data = _data(setup, state, dtype, memory_limit, pool)

    def preview(request: Request) -> DenoisedPreview:
        return _preview(request, setup, state, dtype)

    loss = loss_of(recipe, encoding.heads)
    trainer = Trainer(
        job,
        state,
        data,
        loss,
        dtype,
        limits,
        preview,
        file=file,
        resumed=resumed,
        data_state=data.pool_state,
        group=group,
    )

    def so_far() -> tuple[Checkpoint, Model]:
        network = trainer.network_so_far(recipe, n_channels, encoding)
        made = {"images": [{"name": image.name} for image in setup.pairs.images[:SAMPLED]]}
        return trainer.checkpoint(), _model(setup, network, {}, trainer, made)

    job.so_far = so_far
    yield from trainer.steps()
    job.so_far = None
    if start is not None and trainer.parent_stays(keep_worse):
        return start
    network = trainer.network(recipe, n_channels, encoding)
    state.average.load_state_dict(state.result())
    parameters: Parameters = {}
    held_out = HeldOut()
    try:
        if l2 in loss.functions:  # the other losses do not estimate the mean
            parameters = _shift_of_mean(data, state, dtype)
        if not setup.pairs.is_ordered:
            held_out = score_denoiser(trainer.answer, data.validation)
    except Exception as error:  # the trained network must not be lost
        job.problem = job.problem or (
            f"Whether the mean is kept could not be measured: {in_words(error)}"
        )
    made = {
        "images": _origins(setup.pairs),
        "held_out": held_out.model_dump(mode="json", exclude_defaults=True),
    }
    return _model(setup, network, parameters, trainer, made)


def _model(
    setup: Setup,
    network: Network,
    parameters: Parameters,
    trainer: Trainer,
    made: Mapping[str, Any],
) -> Model:
    """Build the model; `made` goes first into the record of its training."""
    pairs = {"views": len(setup.pairs.views), "pairs": len(setup.pairs.pairs)}
    return Model(
        network=network,
        recipe=setup.recipe,
        channels=setup.channels,
        image_channels=setup.image_channels,
        normalization=setup.normalization,
        parameters=parameters,
        provenance={
            **made,
            "pairs": {**pairs, "single": setup.pairs.is_single},
            **learnt(trainer.state, trainer.history, setup.device, trainer.seconds),
        },
        thumbnail=_thumbnail(setup),
    )


def _data(
    setup: Setup,
    state: TrainState,
    dtype: torch.dtype,
    memory_limit: int,
    pool: PoolState | None,
) -> PairSampler:
    def answer(noisy: Tensor) -> Tensor:
        with torch.no_grad():
            return noisy + forward(state.network, noisy, dtype)

    return PairSampler(
        setup.pairs,
        setup.statistics,
        setup.recipe,
        state.network.geometry,
        setup.device,
        state.generator,
        answer,
        memory_limit,
        pool,
    )


def _shift_of_mean(data: PairSampler, state: TrainState, dtype: torch.dtype) -> Parameters:
    """Return the shift that keeps the mean of each channel, measured on some batches."""
    space = range(2, 2 + data.pairs.dimensions)
    with torch.inference_mode():
        added = [
            forward(state.average, data.draw().pixels, dtype).mean(dim=(0, *space))
            for _ in range(SHIFT_BATCHES)
        ]
    shift = torch.stack(added).mean(dim=0)
    if not shift.isfinite().all():
        raise ValueError("the answer is no longer a number.")
    return {f"shift {c}": -v for c, v in enumerate(shift.tolist())}


def _preview(
    request: Request, setup: Setup, state: TrainState, dtype: torch.dtype
) -> DenoisedPreview:
    """Denoise a window with the current average of the network."""
    index, frame, window = request
    predictor = Predictor(state.average, setup.encoding.heads, setup.device, dtype)
    dimensions, channels = setup.recipe.network.dimensions, setup.channels
    read = tile_reader(setup.pairs.images[index], frame, channels, setup.statistics, dimensions)
    answer = predict_window(predictor, read, window, setup.recipe.tile)["denoised"]
    return DenoisedPreview(index, frame, window, setup.statistics.undo(answer))


def _thumbnail(setup: Setup) -> Any:
    """Return a picture that shows intensities from two deviations below the mean to four above."""
    numbers = setup.statistics
    low = numbers.low - 2 * (numbers.high - numbers.low)
    high = numbers.low + 4 * (numbers.high - numbers.low)
    shown = Statistics(low, high, numbers.flat, numbers.noise)
    return thumbnail_of(setup.pairs.images[0], setup.channels, shown)
