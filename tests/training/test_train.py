"""The job `train`: it learns, it can be stopped, gone on with, changed on the way, repeated."""

from __future__ import annotations

import threading
import time
import weakref
from typing import Any

import numpy as np
import pytest
import torch

from napari_scribe.errors import InputError
from napari_scribe.evaluation.metrics import evaluate, evaluate_classes
from napari_scribe.image import Image
from napari_scribe.inference.segment import segment
from napari_scribe.model import Model
from napari_scribe.progress import run
from napari_scribe.recipe import Recipe
from napari_scribe.samples import nuclei, simulate_paint
from napari_scribe.samples.synthetic import Sample
from napari_scribe.targets import Paint
from napari_scribe.training.checkpoint import Checkpoint
from napari_scribe.training.job import TrainStep
from napari_scribe.training.train import TrainJob, train
from napari_scribe.training.trainer import AFTER_STOP

WHOLE = slice(0, 40), slice(30, 70)


def start(sample: Sample, recipe: Recipe, **options: Any) -> TrainJob:
    paint = options.pop("paint", sample.paint)
    return train([Image(sample.image)], [paint], recipe, device="cpu", **options)


def weights(model: Model) -> dict[str, torch.Tensor]:
    return model.network.state_dict()


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def equal_checkpoints(one: TrainJob, other: TrainJob) -> bool:
    assert one.checkpoint is not None and other.checkpoint is not None
    numbers = [{**job.checkpoint.numbers, "seconds": 0.0} for job in (one, other)]
    return equal(one.checkpoint.tensors, other.checkpoint.tensors) and numbers[0] == numbers[1]


def losses(steps: list[TrainStep]) -> list[float]:
    return [step.loss for step in steps]


# ---- steps and results --------------------------------------------------------------------------


def test_steps_say_how_far_it_is(sample: Sample, small: Recipe):
    job = start(sample, small, steps=11)
    steps = list(job)
    assert [s.index for s in steps] == list(range(1, 12))
    assert [s.fraction for s in steps] == [pytest.approx(i / 11) for i in range(1, 12)]
    assert [s.index for s in steps if s.validation is not None] == [5, 10]
    assert all(np.isfinite(s.loss) and s.note == "" and s.preview is None for s in steps)
    assert [s.elapsed for s in steps] == sorted(s.elapsed for s in steps)
    model = job.result
    assert not job.kept_parent
    assert model.recipe == small
    assert model.network.training is False
    assert all(v.device.type == "cpu" for v in weights(model).values())


def test_a_model_says_where_it_comes_from(sample: Sample, small: Recipe):
    model = run(start(sample, small, steps=6))
    made = model.provenance
    assert made["steps"] == 6
    assert [index for index, _ in made["validation"]] == [5, 6]
    assert made["best_validation"] == min(loss for _, loss in made["validation"])
    assert made["device"] == "cpu"
    assert made["images"][0]["shape"] == [160, 160]
    assert len(made["images"][0]["sample"]) == len(made["images"][0]["paint"]) == 16
    assert model.thumbnail is not None and model.thumbnail.shape == (128, 128, 3)
    assert set(model.parameters) == {"foreground", "merge", "peak", "min_size"}


def test_a_model_says_how_far_it_came(sample: Sample, small: Recipe):
    """From the first loss, over Continue, and with the steps of the model it began with."""
    first = start(sample, small, steps=2)
    steps = list(first)
    made = first.result.provenance
    assert (made["first_loss"], made["steps_before"]) == (steps[0].loss, 0)
    again = run(start(sample, small, steps=2, resume=first.checkpoint)).provenance
    assert (again["steps"], again["first_loss"]) == (4, steps[0].loss)
    tuned = run(start(sample, small, steps=3, start=first.result, keep_worse=True)).provenance
    assert (tuned["steps"], tuned["steps_before"], tuned["first_loss"]) == (3, 2, None)


def test_what_finds_nothing_says_so(sample: Sample, small: Recipe):
    model = run(start(sample, small, steps=1))
    nothing = segment(model.changed(parameters={"foreground": 1.0}), sample.image, device="cpu")
    assert not run(nothing).any()
    assert "trained for 1 step only, too few to judge" in nothing.note
    old = model.changed(parameters={"foreground": 1.0}, provenance={})
    nothing = segment(old, sample.image, device="cpu")
    assert nothing.note == "" and not run(nothing).any()
    assert nothing.note.startswith("The model finds nothing here: paint some")


@pytest.mark.parametrize("task", ["objects", "classes"])
def test_the_same_seed_gives_the_same_model_bit_for_bit(sample: Sample, small: Recipe, task: str):
    recipe = Recipe(**{**small.model_dump(exclude={"target"}), "task": task})
    paint = sample.paint if task == "objects" else np.minimum(sample.paint, 2)
    torch.manual_seed(1)
    one = start(sample, recipe, steps=7, paint=paint)
    first = losses(list(one))
    torch.manual_seed(2)
    torch.rand(5)
    other = start(sample, recipe, steps=7, paint=paint)
    assert losses(list(other)) == first
    assert equal(weights(one.result), weights(other.result))
    assert one.result.parameters == other.result.parameters
    assert equal_checkpoints(one, other)
    third = start(sample, recipe.changed({"training.seed": 1}), steps=7, paint=paint)
    assert losses(list(third)) != first


@pytest.mark.cuda
@pytest.mark.parametrize("task", ["objects", "classes"])
def test_the_same_seed_gives_the_same_model_on_cuda(sample: Sample, task: str):
    recipe = Recipe(task=task)
    paint = sample.paint if task == "objects" else np.minimum(sample.paint, 2)
    jobs = [train([sample.image], [paint], recipe, steps=30, device="cuda") for _ in range(2)]
    seen = [losses(list(job)) for job in jobs]
    assert seen[0] == seen[1]
    assert equal_checkpoints(*jobs)


def test_training_leaves_the_callers_random_numbers_alone(sample: Sample, small: Recipe):
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    run(start(sample, small, steps=2))
    assert torch.equal(torch.rand(3), expected)


# ---- stop, limits -------------------------------------------------------------------------------


def test_a_stop_gives_a_model(sample: Sample, small: Recipe):
    job = start(sample, small)
    for step in job:
        assert step.fraction is None  # no end was asked for
        if step.index == 7:
            job.stop()
    assert job.done and job.checkpoint is not None
    assert job.checkpoint.numbers["index"] == 7
    assert job.result.provenance["steps"] == 7
    whole = start(sample, small, steps=7)
    run(whole)
    assert equal(weights(whole.result), weights(job.result))


def test_a_stop_before_the_first_step_gives_a_model(sample: Sample, small: Recipe):
    job = start(sample, small)
    job.stop()
    assert len(list(job)) == 1
    assert job.result.provenance["steps"] == 1


def test_the_best_by_validation_is_given(sample: Sample, small: Recipe):
    """A learning rate that ruins the network: the model is the one from before the ruin."""
    recipe = small.changed({"training.learning_rate": 1.0, "training.validate_every": 1})
    job = start(sample, recipe, steps=8)
    seen = [s.validation for s in job]
    made = job.result.provenance
    finite = [v for v in seen if v is not None and np.isfinite(v)]
    assert made["best_validation"] == min(finite)


def now() -> np.ndarray:
    """Return the time and the processor's: other tests beside this one prolong the first alone."""
    return np.array([time.perf_counter(), time.process_time()])


def test_seconds_hold(sample: Sample, small: Recipe):
    """The whole job, the end of it included, in the time that was asked for."""
    seconds = 1.0
    run(start(sample, small, steps=2))  # the first training of a process loads a lot
    job = start(sample, small, seconds=seconds)
    began = now()
    steps = list(job)
    took = min(now() - began)
    assert steps[-1].fraction == 1
    fractions = [s.fraction for s in steps]
    assert fractions == sorted(fractions)
    assert 0.4 * seconds < steps[-1].elapsed
    assert took < seconds + 1


@pytest.fixture(scope="module")
def volume() -> Sample:
    """A large one, painted all over."""
    return nuclei((24, 224, 224), seed=0)


@pytest.mark.parametrize("end", ["seconds", "stop"])
def test_choosing_the_decoding_does_not_hold_up_the_end(volume: Sample, end: str):
    """To try everything on a large volume takes many seconds."""
    paint = np.zeros_like(volume.paint)
    paint[12] = np.where(volume.truth[12] > 0, volume.truth[12] + 1, 1)
    recipe = Recipe(
        network={"dimensions": 3, "depth": 1, "width": 4}, training={"patch": 16, "batch": 1}
    ).changed({"tiling.tile": 48})
    seconds = 2.0 if end == "seconds" else None
    job = train([Image(volume.image, "ZYX")], [paint], recipe, seconds=seconds, device="cpu")
    for step in job:
        elapsed, last = step.elapsed, now()
        if end == "stop":
            job.stop()
    took = min(now() - last) + (elapsed if seconds else 0)
    assert took < (seconds or AFTER_STOP) + 3
    assert job.result.parameters["min_size"] != 10  # paint tells it without any prediction


def test_steps_or_seconds_whichever_ends_first(sample: Sample, small: Recipe):
    assert len(list(start(sample, small, steps=3, seconds=60))) == 3


# ---- Continue -----------------------------------------------------------------------------------


@pytest.mark.parametrize("by_bytes", [False, True])
@pytest.mark.parametrize("n", [5, 7])
def test_continue_is_as_if_never_stopped(sample: Sample, small: Recipe, n: int, by_bytes: bool):
    whole = start(sample, small, steps=13)
    expected = losses(list(whole))
    first = start(sample, small, steps=n)
    run(first)
    kept = first.checkpoint
    assert kept is not None
    if by_bytes:
        kept = Checkpoint.from_bytes(kept.to_bytes())
    second = start(sample, small, resume=kept, steps=13 - n)
    steps = list(second)
    assert [s.index for s in steps] == list(range(n + 1, 14))
    assert steps[-1].fraction == 1
    assert losses(steps) == expected[n:]
    assert equal_checkpoints(second, whole)
    assert equal(weights(second.result), weights(whole.result))
    assert second.result.provenance["steps"] == 13
    took = kept.numbers["seconds"]
    assert 0 < took <= first.result.provenance["seconds"] + 0.1
    assert second.result.provenance["seconds"] > took


def test_a_training_that_goes_on_does_not_hold_the_checkpoint(sample: Sample, small: Recipe):
    first = start(sample, small, steps=2)
    run(first)
    assert first.checkpoint is not None
    kept = weakref.ref(first.checkpoint)
    second = start(sample, small, resume=first.checkpoint, steps=2)
    first.checkpoint = None
    assert kept() is not None and next(second).index == 3
    assert kept() is None


def test_a_checkpoint_does_not_depend_on_where_its_run_ended(sample: Sample, small: Recipe):
    """The look at the end belongs to the result; going on, it was never taken."""
    job = start(sample, small, steps=7)
    seen = [s.validation for s in job if s.validation is not None]
    assert job.checkpoint is not None
    assert job.checkpoint.numbers["best_loss"] == min(seen)


def test_continue_with_another_network_is_refused(sample: Sample, small: Recipe):
    job = start(sample, small, steps=1)
    run(job)
    wide = start(sample, small.changed({"network.width": 6}), resume=job.checkpoint, steps=1)
    with pytest.raises(ValueError, match="This training cannot go on: its network differs"):
        run(wide)


# ---- paint that grows ---------------------------------------------------------------------------


def half(paint: np.ndarray) -> np.ndarray:
    """Less paint: the strokes, and objects 2, 3, 4 and 6."""
    return np.where(np.isin(paint, [1, 2, 3, 4, 6]), paint, 0)


def test_newer_paint_changes_the_next_steps(sample: Sample, small: Recipe):
    few = half(sample.paint)
    alone = losses(list(start(sample, small, steps=10, paint=few)))
    job = start(sample, small, steps=10, paint=few)
    seen = []
    for step in job:
        seen.append(step.loss)
        if step.index == 4:
            job.update_paint([Paint(sample.paint)])
    assert seen[:5] == alone[:5]  # it is taken up after the step that runs
    assert all(a != b for a, b in zip(seen[5:], alone[5:], strict=True))
    expected = run(start(sample, small, steps=1))
    hashes = job.result.provenance["images"][0]["paint"], expected.provenance["images"][0]["paint"]
    assert hashes[0] == hashes[1]  # the model says which paint it knows


def test_the_same_paint_again_changes_nothing(sample: Sample, small: Recipe):
    alone = start(sample, small, steps=8)
    expected = losses(list(alone))
    job = start(sample, small, steps=8)
    seen = []
    for step in job:
        seen.append(step.loss)
        job.update_paint([Paint(sample.paint)])
    assert seen == expected
    assert equal(weights(job.result), weights(alone.result))


def test_only_the_newest_paint_is_taken(sample: Sample, small: Recipe):
    few = half(sample.paint)
    job = start(sample, small, steps=8, paint=few)
    for step in job:
        if step.index == 2:
            job.update_paint([Paint(np.zeros_like(few))])
            job.update_paint([Paint(few)])
        assert step.note == ""


def test_paint_of_another_shape_is_refused_and_does_no_harm(sample: Sample, small: Recipe):
    expected = losses(list(start(sample, small, steps=4)))
    job = start(sample, small, steps=4)
    seen = []
    for step in job:
        seen.append(step.loss)
        with pytest.raises(InputError, match="The paint has shape"):
            job.update_paint([Paint(sample.paint[1:])])
    assert seen == expected and job.problem == ""


def test_erasing_everything_is_noted_and_does_no_harm(sample: Sample, small: Recipe):
    expected = losses(list(start(sample, small, steps=6)))
    job = start(sample, small, steps=6)
    seen, notes = [], []
    for step in job:
        seen.append(step.loss)
        notes.append(step.note)
        if step.index == 2:
            job.update_paint([Paint(np.zeros_like(sample.paint))])
    assert seen == expected
    assert [i for i, note in enumerate(notes, 1) if "All paint was erased" in note] == [3]


@pytest.mark.parametrize(
    ("task", "left", "said"),
    [
        ("objects", "background", "The paint holds no object"),
        ("objects", "too large", "The label 2147483647 is too large"),
        ("classes", "background", "Only class 1 is painted"),
        ("classes", "a new class", "Only class 1 is painted"),
    ],
)
def test_paint_that_could_not_start_a_training_does_no_harm(
    sample: Sample, small: Recipe, task: str, left: str, said: str
):
    recipe = Recipe(**{**small.model_dump(exclude={"target"}), "task": task})
    paint = (sample.paint if task == "objects" else np.minimum(sample.paint, 2)).astype(np.int64)
    other = {"background": 0, "a new class": 3, "too large": 2**31 - 1}[left]
    expected = losses(list(start(sample, recipe, steps=6, paint=paint)))
    job = start(sample, recipe, steps=6, paint=paint)
    seen, notes = [], []
    for step in job:
        seen.append(step.loss)
        notes.append(step.note)
        if step.index == 2:
            job.update_paint([Paint(np.where(paint > 1, other, paint))])
    assert seen == expected
    assert [i for i, note in enumerate(notes, 1) if note] == [3]
    assert said in notes[2] and "goes on with the paint from before" in notes[2]


def test_erasing_what_validates_does_not_freeze_the_model(sample: Sample, small: Recipe):
    """Without validation the result is the newest average, not a best from long ago."""
    paint = np.where(np.isin(sample.paint, [2, 3, 4]), sample.paint, 0)
    job = start(sample, small, steps=9, paint=paint)
    for step in job:
        if step.index == 5:
            assert step.validation is not None
            job.update_paint([Paint(np.where(paint == 4, 0, paint))])
    assert job.checkpoint is not None
    tensors = job.checkpoint.tensors
    average = {k.removeprefix("average/"): v for k, v in tensors.items() if k.startswith("average")}
    assert equal(weights(job.result), average)


def test_a_new_class_has_to_wait(sample: Sample, small: Recipe):
    recipe = Recipe(**{**small.model_dump(exclude={"target"}), "task": "classes"})
    two = np.minimum(sample.paint, 2)
    three = two.copy()
    three[:3, :3] = 3
    job = start(sample, recipe, steps=4, paint=two)
    notes = []
    for step in job:
        notes.append(step.note)
        job.update_paint([Paint(three)])
    assert "Class 3 is new: it will be learnt from the next Train on" in notes[1]
    assert job.result.painted == (1, 2)


@pytest.mark.parametrize("keep", [[1], [4], [2], [9]])
def test_paint_may_shrink_to_almost_nothing(sample: Sample, small: Recipe, keep: list[int]):
    job = start(sample, small, steps=6)
    for step in job:
        assert np.isfinite(step.loss)
        if step.index == 2:
            job.update_paint([Paint(np.where(np.isin(sample.paint, keep), sample.paint, 0))])
    assert job.done


# ---- previews -----------------------------------------------------------------------------------


def test_previews_are_answered_and_change_nothing(sample: Sample, small: Recipe):
    expected = start(sample, small, steps=8)
    run(expected)
    job = start(sample, small, steps=8)
    job.request_preview(0, (), WHOLE)
    answered = []
    for step in job:
        if step.preview is not None:
            answered.append(step.index)
            preview = step.preview
            assert (preview.image_index, preview.frame, preview.window) == (0, (), WHOLE)
            assert preview.labels.shape == (40, 40)
            assert preview.probability.shape == (1, 40, 40)
            assert 0 <= preview.probability.min() <= preview.probability.max() <= 1
        if step.index == 4:
            job.request_preview(0, (), (slice(0, 5), slice(0, 5)))
            job.request_preview(0, (), WHOLE)  # the newest counts
    assert answered == [1, 5]
    assert equal_checkpoints(job, expected)
    assert equal(weights(job.result), weights(expected.result))


def test_previews_of_frames_at_the_corner_of_an_image(sample: Sample, small: Recipe):
    stack = np.stack([sample.image, sample.image[::-1]])
    paint = np.stack([sample.paint, 0 * sample.paint])
    image = Image(stack, "TYX")
    job = train([image], [paint], small, steps=2, device="cpu")
    window = slice(150, 160), slice(0, 160)
    job.request_preview(0, (("T", 1),), window)
    preview = next(job).preview
    assert preview is not None and preview.labels.shape == (10, 160)


def test_a_preview_that_fails_does_not_end_the_training(small: Recipe):
    """NaN that no sample showed: a word to the user, and the training goes on."""
    pixels = np.random.default_rng(0).random((3000, 1000), np.float32)
    pixels[-1, -1] = np.nan
    paint = np.zeros(pixels.shape, np.uint8)
    paint[10:30, 10:30], paint[40:43, 10:60] = 2, 1
    job = train([pixels], [paint], small, steps=8, device="cpu")
    notes, failed = [], []
    for step in job:
        notes.append(step.note)
        failed.append(step.has_no_preview)
        if step.index == 3:
            job.request_preview(0, (), (slice(2990, 3000), slice(990, 1000)))
        if step.index == 5:
            job.request_preview(7, (), (slice(0, 8), slice(0, 8)))
        if step.index == 6:
            job.request_preview(0, (), (slice(0, 8),) * 3)  # that many axes: a ValueError
    assert "No preview: " in notes[3] and "NaN" in notes[3]
    assert "No preview: " in notes[5] and "No preview: " in notes[6]
    assert failed == [False] * 3 + [True, False, True, True, False]
    assert not job.problem


def test_a_training_that_breaks_off_keeps_what_it_has(small: Recipe):
    """The disk with the image goes away before new paint is read: the model until then is given."""
    import dask.array as da

    gone = threading.Event()

    def read(block_info: Any = None) -> Any:
        if gone.is_set():
            raise OSError("the disk is gone")
        return np.random.default_rng(0).random((1000, 1000), np.float32)

    pixels = da.map_blocks(read, chunks=((1000,) * 3, (1000,)), dtype=np.float32)
    paint = np.zeros(pixels.shape, np.uint8)
    paint[10:30, 10:30], paint[40:43, 10:60] = 2, 1
    later = paint.copy()
    later[2990:2999, 990:999] = 3
    job = train([Image(pixels, "YX")], [paint], small, steps=8, device="cpu")
    for step in job:
        if step.index == 3:
            gone.set()
            job.update_paint([Paint(later)])
    assert "The training broke off after step 4: the disk is gone" in job.problem
    assert job.result.provenance["steps"] == 4
    assert job.checkpoint is not None


# ---- fine-tuning --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parent(sample: Sample, small: Recipe) -> Model:
    return run(start(sample, small, steps=100))


RUINOUS = {"training.learning_rate": 1.0, "training.fine_tuning": 1.0, "training.validate_every": 6}


def test_fine_tuning_goes_on_from_the_parent(sample: Sample, small: Recipe, parent: Model):
    same = small.changed({"training.replay": 0})  # the same patches for both
    child = losses(list(start(sample, same, start=parent, steps=4)))
    scratch = losses(list(start(sample, same, steps=4)))
    assert np.mean(child) < 0.9 * np.mean(scratch)


def test_images_that_the_parent_does_not_know_are_learnt_nearly_anew(sample: Sample, small: Recipe):
    parent = run(start(sample, small, steps=250))
    strange = Sample(sample.image.max() - sample.image, sample.truth, sample.paint)
    job = start(strange, parent.recipe, start=parent, steps=200)
    notes = [step.note for step in job]
    assert "does not know such images" in notes[0]
    assert job.fine_tuning is not None and job.fine_tuning.share == 1
    assert job.checkpoint is not None and job.checkpoint.numbers["has_begun_again"]
    again = start(strange, parent.recipe, start=parent, steps=1, resume=job.checkpoint)
    (step,) = again
    assert "does not know" not in step.note
    size, before = (
        sum(
            float(t.norm()) for k, t in c.tensors.items() if k.startswith("network/") and t.ndim > 1
        )
        for c in (again.checkpoint, job.checkpoint)
    )
    assert size > 0.9 * before


def test_a_child_that_is_worse_gives_its_parent_back(sample: Sample, parent: Model):
    job = start(sample, parent.recipe.changed(RUINOUS), start=parent, steps=6)
    assert run(job) is parent
    assert job.kept_parent


def test_a_child_that_is_worse_is_kept_where_asked_for(sample: Sample, parent: Model):
    recipe = parent.recipe.changed(RUINOUS)
    job = start(sample, recipe, start=parent, steps=6, keep_worse=True)
    child = run(job)
    assert child is not parent and not job.kept_parent
    assert not equal(weights(child), weights(parent))


def test_a_child_that_is_worse_gives_its_parent_back_after_new_paint(sample: Sample, parent: Model):
    job = start(sample, parent.recipe.changed(RUINOUS), start=parent, steps=6,
                paint=half(sample.paint))  # fmt: skip
    for step in job:
        if step.index == 2:
            job.update_paint([Paint(sample.paint)])
    assert job.result is parent and job.kept_parent


def test_a_child_that_was_better_stays_so_when_it_goes_on_in_vain(sample: Sample, small: Recipe):
    """Fine-tuning helped, going on did not: the fine-tuned model is given, not the parent."""
    weak = run(start(sample, small, steps=3))
    first = start(sample, small, start=weak, steps=80)
    better = run(first)
    assert not first.kept_parent
    again = start(sample, small.changed(RUINOUS), start=weak, resume=first.checkpoint, steps=2)
    result = run(again)
    assert not again.kept_parent
    assert not equal(weights(result), weights(weak))
    assert result.provenance["best_validation"] <= better.provenance["validation"][-2][1]


# ---- it learns ----------------------------------------------------------------------------------


def test_it_learns_objects():
    sample = nuclei((192, 192), seed=3)
    recipe = Recipe().changed(
        {"network.depth": 2, "network.width": 8, "training.patch": 64, "training.batch": 4}
    )
    job = start(sample, recipe, steps=250)
    seen = losses(list(job))
    assert np.mean(seen[-10:]) < 0.7 * np.mean(seen[:10])
    scores = evaluate(run(segment(job.result, sample.image)), sample.truth)
    assert scores.foreground_iou >= 0.6
    assert scores.ap[0] >= 0.5


def test_it_learns_classes(small: Recipe):
    sample = nuclei((128, 128), seed=4)
    truth = np.where(sample.truth > 0, 255, 0).astype(np.uint8)
    recipe = Recipe(**{**small.model_dump(exclude={"target"}), "task": "classes"})
    recipe = recipe.changed({"network.width": 8, "training.batch": 4})
    job = train([sample.image], [Paint.from_mask(truth)], recipe, steps=150, device="cpu")
    labels = run(segment(run(job), sample.image))
    assert set(np.unique(labels)) == {0, 255}
    found = labels == 255
    assert (found & (truth > 0)).sum() / (found | (truth > 0)).sum() >= 0.6
    assert evaluate_classes(labels, truth) is not None


def test_objects_only_teach_something():
    """No background was painted at all."""
    sample = nuclei((192, 192), seed=3)
    paint = simulate_paint(sample.truth, 12, 0, seed=0)
    assert 1 not in paint
    recipe = Recipe().changed(
        {"network.depth": 2, "network.width": 8, "training.patch": 64, "training.batch": 4}
    )
    job = start(sample, recipe, steps=400, paint=paint)
    scores = evaluate(run(segment(run(job), sample.image)), sample.truth)
    assert scores.foreground_iou >= 0.5


def test_a_3d_training_runs():
    sample = nuclei((12, 40, 40), seed=0)
    recipe = Recipe(
        network={"dimensions": 3, "depth": 1, "width": 4},
        training={"patch": 16, "batch": 2, "validate_every": 3},
    )
    image = Image(sample.image, "ZYX", scale=dict.fromkeys("ZYX", 0.5))
    job = train([image], [sample.paint], recipe, steps=20, device="cpu")
    job.request_preview(0, (), (slice(0, 12), slice(4, 20), slice(0, 16)))
    steps = list(job)
    assert steps[0].preview is not None and steps[0].preview.labels.shape == (12, 16, 16)
    seen = losses(steps)
    assert np.mean(seen[-5:]) < np.mean(seen[:5])
    labels = run(segment(job.result, image))
    assert labels.shape == sample.truth.shape
    assert job.result.thickness == 1


def test_valid_padding_trains(sample: Sample, small: Recipe):
    recipe = small.changed({"network.padding": "valid", "training.batch": 4})
    job = start(sample, recipe, steps=60)
    seen = losses(list(job))
    assert np.mean(seen[-20:]) < 0.95 * np.mean(seen[:20])
    assert run(segment(job.result, sample.image[:50, :60])).shape == (50, 60)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("depth", [4, 5])
def test_one_small_patch_a_step_trains(padding: str, depth: int):
    """The coarsest level of a deep network may be a single pixel."""
    sample = nuclei((64, 64), seed=0)
    recipe = Recipe(
        network={"depth": depth, "width": 2, "padding": padding},
        training={"patch": 16, "batch": 1, "validate_every": 1},
    )
    steps = list(start(sample, recipe, steps=2))
    assert all(np.isfinite(s.loss) for s in steps)


def test_channels_are_chosen_and_kept(sample: Sample, small: Recipe):
    noise = np.random.default_rng(0).integers(0, 9999, sample.image.shape).astype(np.uint16)
    both = Image(np.stack([noise, sample.image]), "CYX")
    model = run(train([both], [sample.paint], small, channels=[1], steps=3, device="cpu"))
    alone = run(start(sample, small, steps=3))
    assert (model.channels, model.image_channels) == ((1,), 2)
    assert equal(weights(model), weights(alone))
    np.testing.assert_array_equal(run(segment(model, both)), run(segment(alone, sample.image)))


def test_several_images_and_stacks(sample: Sample, small: Recipe):
    stack = np.stack([sample.image[:64, :64], sample.image[64:128, :64]])
    paint = np.stack([sample.paint[:64, :64], 0 * sample.paint[:64, :64]])
    images = [Image(sample.image), Image(stack, "ZYX"), sample.image.astype(np.float32)]
    paints = [sample.paint, paint, Paint.from_mask(sample.truth)]  # strokes beside a mask
    job = train(images, paints, small, steps=4, device="cpu")
    assert len(run(job).provenance["images"]) == 3


def test_lazy_images_train(sample: Sample, small: Recipe, tmp_path: Any):
    import dask.array as da
    import zarr

    expected = weights(run(start(sample, small, steps=2)))
    stored = zarr.create_array(tmp_path / "a.zarr", shape=(160, 160), dtype="u2", chunks=(50, 50))
    stored[:] = sample.image
    for data in (stored, da.from_array(sample.image, chunks=64), tmp_path / "a.zarr"):
        model = run(train([data], [sample.paint], small, steps=2, device="cpu"))
        assert equal(weights(model), expected)
