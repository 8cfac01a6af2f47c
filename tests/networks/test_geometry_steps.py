"""Geometry from lists of steps, against what networks do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from napari_scribe.networks import Geometry, Network, UNet, measure_geometry
from napari_scribe.networks.geometry import Branch, Convolve, Down, Join, Step, Up
from napari_scribe.recipe import UNet as Recipe

# ---- any list of steps, against a network that is built of it -----------------------------------


class Built(Network):
    """A network that does what a list of steps says, along its first axis."""

    def __init__(self, steps: Sequence[Step]) -> None:
        super().__init__()
        self.dimensions, self.steps = 2, steps
        layers: list[nn.Module] = []
        for step in steps:
            match step:
                case Convolve(radius, is_padded):
                    padding = radius if is_padded else 0
                    kernel = (2 * radius + 1, 1)
                    layers.append(nn.Conv2d(1, 1, kernel, padding=(padding, 0)))
                case Down(factor):
                    layers.append(nn.AvgPool2d((factor, 1)))
                case Up(factor):
                    layers.append(nn.ConvTranspose2d(1, 1, (factor, 1), (factor, 1)))
                case _:
                    layers.append(nn.Identity())
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, margin: Sequence[int] | None = None) -> Tensor:
        outputs = [x]
        for step, layer in zip(self.steps, self.layers, strict=True):
            match step:
                case Join(earlier):
                    one, other = outputs[-1], outputs[earlier]
                    n = min(one.shape[2], other.shape[2])
                    outputs.append(_middle(one, n) + _middle(other, n))
                case Branch(earlier):
                    outputs.append(outputs[earlier])
                case Down(factor):
                    if outputs[-1].shape[2] % factor:
                        raise ValueError("This size cannot be divided.")
                    outputs.append(layer(outputs[-1]))
                case _:
                    outputs.append(layer(outputs[-1]))
        return outputs[-1]


def _middle(x: Tensor, n: int) -> Tensor:
    return x.narrow(2, (x.shape[2] - n) // 2, n)


@st.composite
def step_lists(draw: st.DrawFn) -> list[Step]:
    """Lists of steps that fit together: blocks, with skips or without, one within another."""
    steps: list[Step] = []
    is_padded = draw(st.booleans())

    def block(depth: int) -> None:
        start = len(steps)
        for _ in range(draw(st.integers(1, 3))):
            kind = draw(st.sampled_from(["convolve", "convolve", "deeper", "branch"]))
            if kind == "deeper" and depth:
                factor = draw(st.sampled_from([2, 2, 3]))
                skip = len(steps)
                steps.append(Down(factor))
                block(depth - 1)
                steps.append(Up(factor))
                if draw(st.booleans()):
                    steps.append(Join(skip))
            elif kind == "branch" and depth:
                one = len(steps)
                steps.append(Branch(start))
                block(0)
                steps.append(Join(one))
            else:
                padded = is_padded or draw(st.integers(0, 3)) == 0
                steps.append(Convolve(draw(st.integers(0, 2)), padded))
        if draw(st.booleans()):
            steps.append(Join(start))

    block(2)
    return steps


def _geometry(steps: Sequence[Step]) -> Geometry | None:
    try:
        return Geometry.of_steps(steps)
    except ValueError:  # odd sizes that cannot be cropped alike, or not be divided
        return None


@settings(max_examples=60, deadline=None)
@given(steps=step_lists().filter(lambda steps: _geometry(steps) is not None))
def test_what_steps_say_is_what_their_network_does(steps: list[Step]):
    g = Geometry.of_steps(steps)
    network = Built(steps).double().eval()
    for layer in network.parameters():
        nn.init.uniform_(layer, 0.5, 1.5)

    def rows(x: Tensor) -> Tensor:
        with torch.inference_mode():
            return network(x)[0, 0, :, 0]

    def dependent(n: int, source: slice) -> Tensor:
        x = torch.rand(1, 1, n, 1, dtype=torch.double)
        x[:, :, source] = torch.nan
        return rows(x).isnan().nonzero().flatten() + g.shrinkage

    for n in range(1, g.smallest + 2 * g.stride + 1):
        try:
            size = len(rows(torch.rand(1, 1, n, 1, dtype=torch.double)))
        except (RuntimeError, ValueError):
            size = 0
        assert g.takes(n) == (size > 0), n
        assert not size or size == g.output_size(n)
    # What NaN around a small image reaches is what the padding of that image reaches.
    n = g.input_size(8 * g.stride, g.halo + g.receptive_field)
    place = n // 2 // g.stride * g.stride
    reach = [
        (dependent(n, slice(p, p + 1)) - p).abs().max() for p in range(place, place + g.stride)
    ]
    assert max(reach) == g.receptive_field
    before, after = slice(0, place), slice(place + g.smallest % g.stride, n)
    spoiled = max(
        int(dependent(n, before).max()) + 1 - place,
        after.start - int(dependent(n, after).min()),
    )
    assert max(0, spoiled - g.shrinkage) == g.border


@settings(max_examples=20, deadline=None)
@given(steps=step_lists().filter(lambda steps: _geometry(steps) is not None))
def test_measured_geometry_is_that_of_the_steps(steps: list[Step]):
    assert measure_geometry(Built(steps), 1)[0] == Geometry.of_steps(steps)


@pytest.mark.parametrize(
    "recipe",
    [
        {"depth": 1, "width": 2},
        {"depth": 2, "width": 2},
        {"depth": 2, "width": 2, "padding": "valid"},
        {"depth": 1, "width": 2, "dimensions": 3, "flat_levels": 1},
    ],
    ids=str,
)
def test_u_nets_measure_as_they_are_written_down(recipe: dict[str, Any]):
    network = UNet(Recipe(**recipe), 1, 2)
    network.answer_zero()  # what is not trained yet measures the same
    assert measure_geometry(network, 1) == network.geometry
    with torch.device("meta"):
        shapes = UNet(Recipe(**recipe), 1, 2)
    assert measure_geometry(shapes, 1) == network.geometry


class Whole(Network):
    """A network that looks at the whole image at once."""

    dimensions = 2

    def forward(self, x: Tensor, margin: Sequence[int] | None = None) -> Tensor:
        return x - x.mean(dim=(2, 3), keepdim=True)


class Broken(Network):
    dimensions = 2

    def forward(self, x: Tensor, margin: Sequence[int] | None = None) -> Tensor:
        raise TypeError("a mistake")


def test_a_network_that_fails_says_why():
    with pytest.raises(ValueError, match="takes no image") as said:
        measure_geometry(Broken(), 1)
    assert "a mistake" in str(said.value.__cause__)


def test_what_looks_at_the_whole_image_is_refused():
    with pytest.raises(ValueError, match="cannot be tiled"):
        measure_geometry(Whole(), 1)


@pytest.mark.parametrize(
    ("steps", "numbers"),
    [
        ([Convolve(1)] * 3, (1, 3, 0, 3, 1)),  # no skips
        ([Convolve(1), Convolve(1), Join(0)], (1, 2, 0, 2, 1)),  # an added one
        ([Down(2), Convolve(1), Up(2)], (2, 3, 0, 2, 2)),  # without any skip, a level below
        ([Convolve(2, is_padded=False)], (1, 2, 2, 0, 5)),
        ([Convolve(1), Branch(0), Convolve(3), Join(1)], (1, 3, 0, 3, 1)),  # two outputs
        ([Down(2), Up(2), Branch(0), Down(3), Up(3), Join(2)], (6, 2, 0, 0, 6)),
    ],
    ids=str,
)
def test_small_lists(steps: list[Step], numbers: tuple[int, ...]):
    assert Geometry.of_steps(steps) == Geometry(*numbers)


@pytest.mark.parametrize(
    "steps",
    [
        [Down(2)],
        [Up(2), Down(2)],
        [Down(2), Join(0), Up(2)],
    ],
    ids=str,
)
def test_steps_that_do_not_fit_together(steps: list[Step]):
    with pytest.raises(ValueError, match=r"image|divided|joined"):
        Geometry.of_steps(steps)
