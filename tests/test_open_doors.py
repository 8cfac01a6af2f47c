"""An encoding and losses that are not in the package: registered, trained, saved, applied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

import napari_scribe as ns
from napari_scribe.errors import InputError
from napari_scribe.normalization import Statistics
from napari_scribe.recipe import ObjectsTarget, Recipe
from napari_scribe.samples import nuclei, simulate_paint
from napari_scribe.targets import (
    ENCODINGS,
    Encoded,
    EncodingOptions,
    Head,
    PaintEncoding,
    Parameters,
    Prediction,
    paint_encoding_of,
)
from napari_scribe.targets.objects import renumbered, with_ring
from napari_scribe.targets.paint import Labels
from napari_scribe.training.augment import warp_fields
from napari_scribe.training.losses import LOSSES, Loss, Schedule, weighted_mean
from napari_scribe.training.regions import Layout, RegionLoader

pytestmark = pytest.mark.usefixtures("in_float32")


@dataclass(frozen=True)
class NextPixels(PaintEncoding):
    """Answer, for each axis, whether a pixel and the next one along it are of one object.

    Such maps have a direction: turned with the pixels they would be wrong.
    """

    recipe: ObjectsTarget
    dimensions: int
    task = "objects"

    @classmethod
    def from_options(cls, options: EncodingOptions) -> NextPixels:
        """Build it with the settings of the target."""
        assert isinstance(options.recipe.target, ObjectsTarget)
        return cls(options.recipe.target, options.recipe.network.dimensions)

    @property
    def heads(self) -> tuple[Head, ...]:
        """Return one head with a channel and a mask per axis."""
        return (
            Head(
                "affinities",
                self.dimensions,
                "binary",
                moves_with_pixels=False,
                is_weighted_by_channel=True,
            ),
        )

    def encode(
        self, labels: Labels, held_out: npt.NDArray[np.bool_], has_background: bool = True
    ) -> Encoded:
        """Return the labels that the maps are made of after the warp."""
        labels, held_out = with_ring(renumbered(labels), held_out, self.recipe.ring)
        nothing = np.zeros((0, *labels.shape), np.float32)
        return Encoded(nothing, nothing, held_out, labels, (labels > 0).astype(np.float32))

    def encode_warped(self, labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Compare each pixel with the next one; the last ones have none."""
        values, masks = torch.zeros_like(labels), torch.zeros_like(labels)
        values = values[:, None].repeat(1, self.dimensions, *[1] * self.dimensions)
        masks = masks[:, None].repeat(1, self.dimensions, *[1] * self.dimensions)
        for axis in range(self.dimensions):
            n = labels.shape[axis + 1] - 1
            here, there = (labels.narrow(axis + 1, start, n) for start in (0, 1))
            values[:, axis].narrow(axis + 1, 0, n).copy_((here == there) & (here > 1))
            known = weights.narrow(axis + 1, 0, n) * weights.narrow(axis + 1, 1, n)
            masks[:, axis].narrow(axis + 1, 0, n).copy_(known)
        return values, masks

    def decode(self, prediction: Prediction, parameters: Parameters) -> Labels:
        """Return what hangs together by its affinities; single pixels are background."""
        affinities = np.asarray(prediction["affinities"], np.float32) > 0.5
        shape = affinities.shape[1:]
        pixels = np.arange(np.prod(shape)).reshape(shape)
        ends = []
        for axis, joined in enumerate(affinities):
            here = np.take(joined, range(shape[axis] - 1), axis)
            first = np.take(pixels, range(shape[axis] - 1), axis)[here]
            second = np.take(pixels, range(1, shape[axis]), axis)[here]
            ends.append(np.stack([first, second]))
        a, b = np.concatenate(ends, axis=1)
        graph = coo_array((np.ones(len(a)), (a, b)), shape=(pixels.size, pixels.size))
        _, found = connected_components(graph, directed=False)
        sizes = np.bincount(found)
        number = np.where(sizes > 1, np.cumsum(sizes > 1), 0)
        return np.asarray(number[found].reshape(shape), np.int32)


def brier(prediction: Tensor, values: Tensor, weights: Tensor, _: Schedule) -> Tensor:
    """Return the Brier score of yes-or-no channels: the squared error of the probability."""
    return weighted_mean((prediction.sigmoid() - values) ** 2, weights)


def charbonnier(prediction: Tensor, values: Tensor, weights: Tensor, _: Schedule) -> Tensor:
    """Return a smooth mean absolute error."""
    return weighted_mean(((prediction - values) ** 2 + 1e-4).sqrt(), weights)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENCODINGS, "next_pixels", NextPixels)
    monkeypatch.setitem(LOSSES, "brier", Loss(brier, ("binary",)))
    monkeypatch.setitem(LOSSES, "charbonnier", Loss(charbonnier, ("image",)))


class Painted(NamedTuple):
    """An image, and what a person paints on it."""

    image: np.ndarray
    paint: np.ndarray


@pytest.fixture(scope="module")
def sample() -> Painted:
    made = nuclei((160, 160), seed=1)
    return Painted(made.image, simulate_paint(made.truth, 10, 3, seed=0))


@pytest.fixture(scope="module")
def small() -> Recipe:
    return Recipe(
        network={"depth": 2, "width": 4},
        training={"patch": 32, "batch": 2, "validate_every": 5},
    )


def recipe_of(small: Recipe, **changes: Any) -> Recipe:
    return small.changed(
        {
            **{"target.encoding": "next_pixels", "network.width": 8, "training.batch": 4},
            **{"training.patch": 48, "training.validate_every": 20, "training.learning_rate": 1e-2},
            **changes,
        }
    )


# ---- trained and applied ------------------------------------------------------------------------


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_an_encoding_of_directions_trains_and_tiles(
    sample: Painted, small: Recipe, padding: str, tmp_path: Path
):
    recipe = recipe_of(small, **{"network.padding": padding})
    job = ns.train([sample.image], [sample.paint], recipe, steps=60, device="cpu")
    steps = list(job)
    assert np.mean([s.loss for s in steps[-9:]]) < 0.6 * np.mean([s.loss for s in steps[:3]])
    assert any(step.validation is not None for step in steps)
    model = ns.load_model(job.result.save(tmp_path / "next_pixels.zip"))
    assert model.recipe.target.encoding == "next_pixels"
    whole, probability = segmented(model, sample.image, tile=256)
    assert len(np.unique(whole)) > 5
    for tile in (32, 72):
        labels, tiled = segmented(model, sample.image, tile)
        np.testing.assert_allclose(tiled, probability, atol=1e-3)  # kept in float16
        assert (labels > 0).sum() == pytest.approx((whole > 0).sum(), rel=1e-3)
        scores = ns.evaluate(labels, whole)
        assert scores.ap[0] > 0.99


def segmented(model: ns.Model, image: np.ndarray, tile: int) -> tuple[np.ndarray, np.ndarray]:
    job = ns.segment(model, image, tile=tile, save=("labels", "probability"), device="cpu")
    labels = ns.run(job)
    return labels, np.asarray(job.probability)


def test_a_volume_has_one_channel_more(small: Recipe):
    image = np.random.default_rng(0).random((8, 40, 40)).astype(np.float32)
    paint = np.zeros(image.shape, np.uint8)
    for label, x in enumerate(range(2, 34, 8), start=2):
        paint[2:6, 5:12, x : x + 6] = label
    paint[:, 30:] = 1
    changes = {"network.dimensions": 3, "training.patch": 16, "network.depth": 1}
    recipe = recipe_of(small, **changes)
    model = ns.run(ns.train([ns.Image(image, "ZYX")], [paint], recipe, steps=2, device="cpu"))
    assert [head.channels for head in model.encoding.heads] == [3]


# ---- maps with a direction are made after the warp ----------------------------------------------

TURNS: dict[str, Callable[[Tensor], Tensor]] = {
    "as it is": lambda at: at,
    "90 degrees": lambda at: torch.stack([at[..., 1], -at[..., 0]], -1),
    "180 degrees": lambda at: -at,
    "270 degrees": lambda at: torch.stack([-at[..., 1], at[..., 0]], -1),
    "flipped": lambda at: at * torch.tensor([1, -1]),
    "transposed": lambda at: at.flip(-1),
}


@pytest.mark.parametrize("turn", TURNS)
def test_affinities_are_those_of_the_warped_labels(turn: str, small: Recipe):
    rng = np.random.default_rng(0)
    paint = np.repeat(np.repeat(rng.integers(0, 7, (9, 9)), 5, 0), 5, 1).astype(np.int32)
    paint[0, 0] = 1
    recipe = recipe_of(small, **{"target.ring": 0})
    encoding = paint_encoding_of(recipe)
    as_is = Statistics(np.zeros(1), np.ones(1), np.zeros(1, bool), np.zeros(1))
    loader = RegionLoader([ns.Image(paint)], (0,), [as_is], encoding, recipe, torch.device("cpu"))
    (region,) = loader.load([ns.Paint(paint)])
    still = recipe.augmentation.model_copy(
        update={"flip": False, "rotation": 0, "scaling": 1, "elastic": 0}
    )
    offsets = warp_fields(1, (21, 21), still, torch.Generator().manual_seed(0))[0]
    places = TURNS[turn](offsets) + torch.tensor([22.0, 22.0])
    layout = Layout(encoding, 1)
    batch = layout.batch([layout.cut(region.smooth, region.exact, places, (0, 0))])
    y, x = places.long().numpy().transpose(2, 0, 1)
    labels, trains = paint[y, x], ~region.held[y, x]
    np.testing.assert_array_equal(batch.pixels[0, 0].round(), labels)
    known = (labels > 0) & trains
    for axis, (values, weights) in enumerate(zip(batch.values[0], batch.weights[0], strict=True)):
        here, there = (np.take(labels, range(a, 20 + a), axis) for a in (0, 1))
        inner = (slice(None),) * axis + (slice(0, 20),)
        np.testing.assert_array_equal(values[inner], (here == there) & (here > 1))
        both = np.take(known, range(20), axis) & np.take(known, range(1, 21), axis)
        np.testing.assert_array_equal(weights[inner], both)
        assert not weights[(slice(None),) * axis + (20,)].any()
    assert batch.weights.any() and batch.values.any()


# ---- losses -------------------------------------------------------------------------------------


def test_a_loss_of_paint_trains(sample: Painted, small: Recipe, tmp_path: Path):
    recipe = small.changed({"losses.binary": "brier"})
    job = ns.train([sample.image], [sample.paint], recipe, steps=4, device="cpu")
    plain = ns.train([sample.image], [sample.paint], small, steps=4, device="cpu")
    assert [s.loss for s in job] != [s.loss for s in plain]
    model = ns.load_model(job.result.save(tmp_path / "brier.zip"))
    assert model.recipe.losses.binary == "brier"
    tiled, whole = (segmented(model, sample.image, tile)[1] for tile in (32, 256))
    np.testing.assert_allclose(tiled, whole, atol=1e-3)


def test_a_loss_of_noisy_pairs_trains(tmp_path: Path):
    stack = np.random.default_rng(0).normal(100, 9, (4, 64, 64)).astype(np.float32)
    recipe = Recipe(
        task="denoised",
        target={"loss": "charbonnier"},
        network={"depth": 1, "width": 4},
        training={"patch": 32},
    )
    model = ns.run(ns.train_denoiser(ns.Image(stack, "TYX"), recipe, steps=3, device="cpu"))
    again = ns.load_model(model.save(tmp_path / "d.zip"))
    assert again.recipe.target.loss == "charbonnier" and again.parameters == {}
    np.testing.assert_allclose(
        ns.run(ns.denoise(again, stack[0], tile=16, device="cpu")),
        ns.run(ns.denoise(again, stack[0], tile=64, device="cpu")),
        rtol=1e-4,
    )


# ---- names that do not exist --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target.encoding": "vectors"}, "choose from distance, affinities, .*next_pixels"),
        ({"target.encoding": "classes"}, "no encoding 'classes' for the task objects"),
        ({"losses.distance": "brier"}, "no loss 'brier' for distance heads: choose from l1, l2"),
        ({"losses.binary": "hinge"}, "choose from cross_entropy, .*, brier"),
    ],
)
def test_unknown_names_are_refused_before_any_work(
    sample: Painted, small: Recipe, changes: dict[str, str], words: str
):
    with pytest.raises(InputError, match=words):
        ns.train([sample.image], [sample.paint], small.changed(changes))


def test_an_unknown_loss_of_a_denoiser_is_refused_before_any_work():
    stack = np.zeros((4, 64, 64), np.float32)
    recipe = Recipe(task="denoised", target={"loss": "focal"})
    with pytest.raises(InputError, match="choose from l1, l2, smooth_l1, l0, charbonnier"):
        ns.train_denoiser(ns.Image(stack, "TYX"), recipe)


def test_a_model_of_an_encoding_that_is_not_there(
    sample: Painted, small: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    job = ns.train([sample.image], [sample.paint], recipe_of(small), steps=1, device="cpu")
    path = ns.run(job).save(tmp_path / "m.zip")
    with pytest.raises(InputError, match="start from has the encoding 'next_pixels'"):
        ns.train([sample.image], [sample.paint], small.changed({"network.width": 8}), start=path)
    monkeypatch.delitem(ENCODINGS, "next_pixels")
    with pytest.raises(InputError, match=r"m\.zip: There is no encoding 'next_pixels'.*distance"):
        ns.load_model(path)
