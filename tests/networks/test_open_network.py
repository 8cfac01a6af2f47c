"""A network of another kind: all that it takes is its recipe, its class and an entry for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import Field
from torch import Tensor, nn

import napari_scribe as ns
from napari_scribe.describe import describe_model
from napari_scribe.errors import InputError
from napari_scribe.networks import NETWORKS, Network, measure_geometry
from napari_scribe.networks.blocks import CONVOLUTION, TRANSPOSED, Layers, crop, initialize
from napari_scribe.recipe import NETWORK_KINDS, NetworkPart, parse_recipe
from napari_scribe.samples import nuclei

# ---- the network --------------------------------------------------------------------------------


class ToyRecipe(NetworkPart):
    """Three convolutions with an added skip, then a level below without any skip."""

    kind: Literal["toy"] = "toy"
    width: int = Field(6, ge=1, le=64, title="Width", description="Features.")
    spread: int = Field(2, ge=1, le=8, title="Spread", description="Dilation of convolutions.")

    @property
    def features(self) -> int:
        return self.width


class Toy(Network):
    def __init__(self, recipe: ToyRecipe, channels_in: int, channels_out: int) -> None:
        super().__init__()
        d, n = recipe.dimensions, recipe.width
        self.dimensions = d
        convolution, kernel = Layers(), (3,) * d
        self.first = convolution(kernel, channels_in, n)
        self.dilated = nn.Sequential(
            CONVOLUTION[d](n, n, 3, padding=recipe.spread, dilation=recipe.spread), nn.ReLU()
        )
        self.second = convolution(kernel, n, n)
        self.down = CONVOLUTION[d](n, n, 3, stride=2, padding=1)
        self.below = convolution(kernel, n, n)
        self.up = TRANSPOSED[d](n, n, 2, stride=2)
        self.head = CONVOLUTION[d](n, channels_out, 1)
        initialize(self)
        self.geometry = measure_geometry(self, channels_in)

    def forward(self, x: Tensor, margin: Sequence[int] | None = None) -> Tensor:
        x = self.first(x)
        x = x + self.second(self.dilated(x))
        x = self.up(self.below(self.down(x)))
        return crop(self.head(x), margin or (0,) * self.dimensions)

    def answer_zero(self) -> None:
        nn.init.zeros_(self.head.weight)


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORK_KINDS, "toy", ToyRecipe)
        patch.setitem(NETWORKS, "toy", Toy)
        yield


# ---- its recipe ---------------------------------------------------------------------------------


def test_the_kind_is_chosen_by_name_and_has_its_own_fields():
    chosen = ns.Recipe().changed({"network.kind": "toy", "network.spread": "3"})
    assert chosen.network == ToyRecipe(spread=3)
    assert parse_recipe(chosen.model_dump()) == chosen
    with pytest.raises(InputError, match=r"no recipe value 'network.depth'"):
        ns.Recipe().changed({"network.kind": "toy", "network.depth": 3})
    with pytest.raises(InputError, match=r"no recipe value 'network.spread'"):
        ns.Recipe().changed({"network.spread": 3})
    with pytest.raises(InputError, match=r"there is no kind 'resnet': choose from unet, .*, toy"):
        ns.Recipe().changed({"network.kind": "resnet"})


def test_another_kind_keeps_the_fields_of_the_same_name():
    unet = ns.Recipe(network={"dimensions": 3, "width": 8, "depth": 1})
    toy = unet.changed({"network.kind": "toy"})
    assert toy.network == ToyRecipe(dimensions=3, width=8)
    back = toy.changed({"network.kind": "unet", "network.depth": 1})
    assert back == unet


def test_defaults_of_volumes_and_denoisers_are_for_networks_that_know_them():
    volume = ns.Recipe(network={"kind": "toy", "dimensions": 3})
    assert volume.training == ns.Recipe(network={"dimensions": 3}).training
    assert ns.Recipe(task="denoised", network={"kind": "toy"}).network == ToyRecipe()


# ---- what it sees -------------------------------------------------------------------------------


@pytest.mark.parametrize("dimensions", [2, 3])
def test_its_geometry_is_measured(dimensions: int):
    network = Toy(ToyRecipe(dimensions=dimensions), 1, 1)
    (g,) = set(network.geometry)
    assert (g.stride, g.shrinkage, g.smallest) == (2, 0, 2)
    # Convolutions see 1, 2 and 1 to either side, the strided one 1, and the one below twice 1. An
    # odd pixel is made from the even one before it.
    assert g.receptive_field == 1 + 2 + 1 + 1 + 2 + 1
    assert g.halo == 8


# ---- from a recipe to labels --------------------------------------------------------------------


@pytest.fixture(scope="module", params=["objects", "classes"])
def model(request: pytest.FixtureRequest) -> ns.Model:
    sample = nuclei((96, 96), seed=1)
    paint = sample.paint if request.param == "objects" else ns.Paint(np.minimum(sample.paint, 2))
    recipe = ns.Recipe(
        task=request.param,
        network={"kind": "toy", "width": 4},
        training={"patch": 32, "batch": 2, "learning_rate": 0.01},
    )
    job = ns.train([ns.Image(sample.image)], [paint], recipe, steps=100, device="cpu")
    losses = [step.loss for step in job]
    assert min(losses[-5:]) < 0.9 * losses[0]
    return job.result


def test_it_is_saved_loaded_and_described(model: ns.Model, tmp_path: Path):
    again = ns.load_model(model.save(tmp_path / "toy.zip"))
    assert isinstance(again.network, Toy) and again.network.geometry == model.network.geometry
    assert again.fingerprint() == model.fingerprint()
    said = describe_model(again)
    assert "network      toy, width 4, spread 2; " in said
    assert "8 px to either side; halo 8 px, stride 2 px" in said


def test_it_segments_whatever_the_tile(model: ns.Model):
    image = nuclei((75, 90), seed=2).image
    whole = ns.run(ns.segment(model, image, tile=96, device="cpu"))
    assert len(np.unique(whole)) > 1
    for tile in (10, 32):
        parts = ns.run(ns.segment(model, image, tile=tile, device="cpu"))
        np.testing.assert_array_equal(parts, whole)


def test_training_goes_on_from_it(model: ns.Model):
    sample = nuclei((96, 96), seed=1)
    if model.recipe.task == "objects":
        images, paints = [ns.Image(sample.image)], [sample.paint]
        more = ns.run(ns.train(images, paints, start=model, steps=2, device="cpu"))
        assert more.recipe.network == model.recipe.network


def test_folding_changes_no_answer(model: ns.Model):
    folded, x = model.network.folded(), torch.rand(1, 1, 32, 32)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    with torch.inference_mode():
        torch.testing.assert_close(folded(x), model.network(x), rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module", params=[2, 3])
def denoiser(request: pytest.FixtureRequest) -> ns.Model:
    """A denoiser with weights at random: of one that has hardly learnt, little would be seen."""
    rng = np.random.default_rng(0)
    shape = {2: (2, 48, 48), 3: (2, 24, 24, 24)}[request.param]
    movie = ns.Image(rng.normal(size=shape), "T" + "ZYX"[-request.param :])
    pairs = ns.frame_pairs(movie, dimensions=request.param)
    network = {"kind": "toy", "width": 4, "dimensions": request.param}
    recipe = ns.Recipe(task="denoised", network=network, training={"patch": 16, "batch": 1})
    made = ns.run(ns.train_denoiser(pairs, recipe, steps=2, device="cpu"))
    torch.manual_seed(0)
    initialize(made.network)
    return made


@settings(max_examples=12, deadline=None)
@given(sides=st.tuples(*[st.integers(1, 40)] * 2), tile=st.integers(1, 48))
@example(sides=(1, 1), tile=1)
@example(sides=(39, 24), tile=8)
def test_tiles_answer_as_the_whole(denoiser: ns.Model, sides: tuple[int, int], tile: int):
    shape = sides if denoiser.dimensions == 2 else (5, *sides)
    pixels = np.random.default_rng(tile).normal(size=shape).astype(np.float32)
    image = ns.Image(pixels, "ZYX"[-len(shape) :])
    whole = ns.run(ns.denoise(denoiser, image, tile=48, device="cpu"))
    parts = ns.run(ns.denoise(denoiser, image, tile=tile, device="cpu"))
    assert max(shape) < 8 or np.abs(whole - pixels).max() > 1e-2  # it does something
    np.testing.assert_allclose(parts, whole, rtol=0, atol=1e-5)


def test_a_denoiser_begins_by_changing_nothing():
    network = Toy(ToyRecipe(), 1, 1)
    network.answer_zero()
    with torch.inference_mode():
        assert not network(torch.rand(1, 1, 16, 16)).any()


# ---- without it ---------------------------------------------------------------------------------


def test_a_model_of_an_unknown_kind_says_so(
    model: ns.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = model.save(tmp_path / "toy.zip")
    monkeypatch.delitem(NETWORKS, "toy")
    with pytest.raises(InputError, match=r"toy\.zip: Its network is of the kind 'toy', which"):
        ns.load_model(path)
    monkeypatch.delitem(NETWORK_KINDS, "toy")
    with pytest.raises(InputError, match=r"toy\.zip: Its network is of the kind 'toy', which"):
        ns.load_model(path)
