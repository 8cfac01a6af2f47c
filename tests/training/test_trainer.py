"""A training from its first step to its last: its clock, and what is left where it diverges."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_scribe.errors import InputError
from napari_scribe.model import Model, are_numbers, build_network
from napari_scribe.networks import UNet
from napari_scribe.networks.blocks import placed
from napari_scribe.normalization import Normalization
from napari_scribe.progress import run
from napari_scribe.recipe import LARGEST, Recipe
from napari_scribe.recipe import UNet as UNetRecipe
from napari_scribe.samples.synthetic import Sample
from napari_scribe.targets import encoding_of
from napari_scribe.training.checkpoint import TrainState
from napari_scribe.training.job import Limits, TrainingJob, TrainStep
from napari_scribe.training.regions import Batch
from napari_scribe.training.train import train
from napari_scribe.training.trainer import Trainer

RECIPE = Recipe(network={"depth": 1, "width": 2})
ENCODING = encoding_of(RECIPE)


class Noise:
    """Random pixels; the first batch takes its time."""

    version = 0
    validation: Sequence[Batch] = ()

    def __init__(self, first: float = 0.0) -> None:
        self.n_drawn, self.first = 0, first

    def draw(self) -> Batch:
        self.n_drawn += 1
        if self.n_drawn == 1:
            time.sleep(self.first)
        pixels = torch.randn(2, 1, 8, 8)
        return Batch(pixels, torch.zeros(2, 2, 8, 8), torch.ones(2, 2, 8, 8))


def trainer_of(loss: Any, data: Noise, **limits: Any) -> tuple[Trainer, TrainingJob]:
    torch.manual_seed(0)
    network = placed(UNet(UNetRecipe(depth=1, width=2), 1, 2), 2)
    state = TrainState(network, RECIPE.training, 0)
    job = TrainingJob(lambda _job: None)  # type: ignore[arg-type, return-value]
    limits = {"steps": None, "seconds": None, **limits}
    return Trainer(job, state, data, loss, torch.float32, Limits(**limits)), job


def squares(logits: torch.Tensor, *_others: object) -> torch.Tensor:
    return logits.square().mean()


def steps_of(trainer: Trainer) -> list[TrainStep]:
    return list(trainer.steps())


# ---- time ---------------------------------------------------------------------------------------


def test_what_the_first_step_loads_is_no_time_to_learn() -> None:
    first = 1.0
    trainer, _ = trainer_of(squares, Noise(first), seconds=first)
    time.sleep(0.3)  # neither is what comes before it
    steps = steps_of(trainer)
    assert len(steps) > 3
    assert steps[0].elapsed < first and steps[-1].fraction == 1
    times = [step.elapsed for step in steps]
    assert times == sorted(times) and times[1] > 0
    assert trainer.seconds_left() > 0


def test_the_first_step_counts_as_an_ordinary_one() -> None:
    """Where all are slow, seconds hold all the same."""

    class Slow(Noise):
        def draw(self) -> Batch:
            time.sleep(0.2)
            return super().draw()

    trainer, _ = trainer_of(squares, Slow(), seconds=0.7)
    steps = steps_of(trainer)
    assert steps[1].elapsed >= 0.4
    assert len(steps) <= 4  # as many as there is time for, and the one at hand


def test_a_training_in_a_hurry_has_no_time_left() -> None:
    trainer, job = trainer_of(squares, Noise(), steps=3)
    steps_of(trainer)
    assert trainer.seconds_left() == float("inf")
    job.hurry()
    assert trainer.seconds_left() < 0


def test_a_hurry_takes_the_decoding_as_it_is(sample: Sample, small: Recipe) -> None:
    job = train([sample.image], [sample.paint], small, device="cpu")
    next(job)
    job.stop()
    job.hurry()
    model = run(job)
    assert {**model.parameters, "min_size": 0} == {
        **{"foreground": 0.45, "merge": 0.55, "peak": 0.5},
        "min_size": 0,
    }


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"steps": LARGEST + 1}, f"use {LARGEST} at most"),
        ({"steps": 10**400}, f"use {LARGEST} at most"),
        ({"seconds": float("inf")}, "has an end"),
        ({"seconds": float("nan")}, "use more than 0"),
    ],
)
def test_limits_that_are_none(limits: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Limits(**{"steps": None, "seconds": None, **limits})


# ---- an early end -------------------------------------------------------------------------------


class Judged(Noise):
    """Noise, and something to judge by."""

    def __init__(self) -> None:
        super().__init__()
        self.validation = [self.draw()]


def judging(losses: Sequence[float]) -> Any:
    """A loss whose values on held-out data are given; the last one stays."""
    given = list(losses)

    def loss(logits: torch.Tensor, _values: object, _weights: object, step: int | None) -> Any:
        if step is not None:
            return squares(logits)
        return torch.tensor(float(given.pop(0) if len(given) > 1 else given[0]))

    return loss


def patient(trainer: Trainer, patience: int) -> Trainer:
    changes = {"validate_every": 2, "patience": patience}
    trainer.state.recipe = trainer.state.recipe.model_copy(update=changes)
    return trainer


def test_a_training_ends_when_it_gets_no_better() -> None:
    trainer, _ = trainer_of(judging([5, 4, 4.5, 3, 3.5, 3.2, 2]), Judged(), steps=100)
    steps = steps_of(patient(trainer, 2))
    assert [step.validation for step in steps[1::2]] == pytest.approx([5, 4, 4.5, 3, 3.5, 3.2])
    assert [step.fraction for step in steps[-2:]] == [0.11, 1]
    assert steps[-1].note.startswith("Ended early: none of the last 2 validations")
    assert trainer.state.ended_early and trainer.state.best_loss == 3
    assert not any(step.note for step in steps[:-1])


def test_one_validation_that_was_no_better_is_said_as_one() -> None:
    steps = steps_of(patient(trainer_of(judging([1, 2]), Judged(), steps=20)[0], 1))
    assert steps[-1].note.startswith("Ended early: the last validation was not better")


def test_without_patience_a_training_goes_on() -> None:
    trainer, _ = trainer_of(judging([1, 2]), Judged(), steps=20)
    steps = steps_of(patient(trainer, 0))
    assert len(steps) == 20 and not trainer.state.ended_early and not steps[-1].note


def test_patience_needs_something_to_judge_by() -> None:
    trainer, _ = trainer_of(squares, Noise(), steps=4)
    steps = steps_of(patient(trainer, 1))
    assert len(steps) == 4
    assert "patience does not end" in steps[0].note and not steps[1].note


def test_newer_paint_is_given_all_the_patience() -> None:
    data = Judged()
    trainer, _ = trainer_of(judging([1, 2, 1, 3]), data, steps=100)
    job = patient(trainer, 2).steps()
    for _ in range(5):
        next(job)
    data.version += 1
    assert [step.index for step in job] == [6, 7, 8]


# ---- dropout ------------------------------------------------------------------------------------


def test_a_training_that_goes_on_drops_the_same() -> None:
    class Ones(Noise):
        def draw(self) -> Batch:
            return Batch(torch.ones(2, 1, 8, 8), torch.zeros(2, 2, 8, 8), torch.ones(2, 2, 8, 8))

    def dropping(**limits: Any) -> tuple[Trainer, TrainingJob]:
        torch.manual_seed(0)
        network: Any = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Dropout(0.5))
        state = TrainState(network, RECIPE.training, 0)
        job = TrainingJob(lambda _job: None)  # type: ignore[arg-type, return-value]
        limits = {"steps": None, "seconds": None, **limits}
        return Trainer(job, state, Ones(), squares, torch.float32, Limits(**limits)), job

    whole = [step.loss for step in steps_of(dropping(steps=6)[0])]
    first, job = dropping(steps=2)
    losses = [step.loss for step in steps_of(first)]
    rest, _ = dropping(steps=6)
    assert job.checkpoint is not None
    rest.state.restore(job.checkpoint)
    before = torch.get_rng_state()
    losses += [step.loss for step in steps_of(rest)]
    assert losses == whole and len(set(whole)) == 6
    assert torch.equal(torch.get_rng_state(), before)


# ---- fine-tuning --------------------------------------------------------------------------------


@pytest.mark.parametrize("is_corrected", [False, True])
def test_what_fits_its_place_no_better_than_by_chance_is_refused_unless_corrected(
    is_corrected: bool,
) -> None:
    """A constant answer would be best here; what is learnt is better than before."""
    data = Noise()
    data.validation = [data.draw()]
    trainer, job = trainer_of(squares, data, steps=30)
    trainer.state.recipe = RECIPE.training.model_copy(update={"learning_rate": 0.1})
    trainer.state.keep_parent(0)
    trainer.knows_images, trainer.is_corrected = lambda: True, lambda: is_corrected
    steps_of(trainer)
    assert trainer.state.is_known_kind is not is_corrected
    assert trainer.parent_stays(keep_worse=False) is not is_corrected
    assert job.fine_tuning is not None and job.fine_tuning.paint is not None
    assert job.fine_tuning.share == (0.25 if is_corrected else 0)
    assert job.fine_tuning.paint[1] < 0.9 * job.fine_tuning.paint[0]


# ---- divergence ---------------------------------------------------------------------------------


def after(n: int, spoilt: Any) -> Any:
    """A loss that is an ordinary one for some steps, and something else after them."""
    seen = [0]

    def loss(logits: torch.Tensor, *_others: object) -> torch.Tensor:
        seen[0] += 1
        return squares(logits) if seen[0] <= n else spoilt(logits)

    return loss


DIVERGING = {
    "loss": lambda logits: logits.mean() * float("nan"),
    "infinite": lambda logits: logits.mean() * float("inf"),
    "gradient": lambda logits: (logits * 0).sqrt().sum(),  # 0, with a gradient that is none
}


@pytest.mark.parametrize("kind", DIVERGING)
def test_a_training_that_diverges_gives_what_it_had(kind: str) -> None:
    trainer, job = trainer_of(after(3, DIVERGING[kind]), Noise(), steps=9)
    assert len(steps_of(trainer)) == 3
    assert "broke off after step 3" in job.problem and "learning_rate" in job.problem
    assert are_numbers(trainer.network(RECIPE, 1, ENCODING).state_dict())
    assert job.checkpoint is not None
    assert all(t.isfinite().all() for t in job.checkpoint.tensors.values())


@pytest.mark.parametrize("kind", DIVERGING)
def test_a_training_that_diverges_at_once_gives_nothing(kind: str) -> None:
    trainer, _ = trainer_of(after(0, DIVERGING[kind]), Noise(), steps=9)
    with pytest.raises(RuntimeError, match=r"no longer a number\. A lower learning rate may help"):
        steps_of(trainer)


def test_weights_that_are_no_numbers_are_never_given() -> None:
    trainer, _ = trainer_of(squares, Noise(), steps=1)
    steps_of(trainer)
    next(trainer.state.average.parameters()).data.fill_(float("nan"))
    with pytest.raises(RuntimeError, match="diverged"):
        trainer.network(RECIPE, 1, ENCODING)


def test_a_fine_tuning_of_what_is_no_model(sample: Sample, small: Recipe, tmp_path: Path) -> None:
    network = build_network(small, 1, encoding_of(small))
    next(network.parameters()).data.fill_(float("nan"))
    start = Model(network, small, (0,), 1, Normalization())
    with pytest.raises(RuntimeError, match="no longer a number"):
        run(train([sample.image], [sample.paint], start=start, steps=2, device="cpu"))
