"""The size of objects, and the grid on which they have a wanted one."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scribe.errors import InputError
from napari_scribe.image import Image
from napari_scribe.targets.object_size import (
    check_room,
    check_size,
    diameter_of_objects,
    diameters_of_objects,
    doubt_about_sizes,
    factor_to,
    on_grid,
    thickness,
)


def disk(labels: np.ndarray, number: int, y: float, x: float, diameter: float) -> None:
    """Draw a round object."""
    grid = np.ogrid[tuple(slice(0, n) for n in labels.shape)]
    labels[(grid[0] - y) ** 2 + (grid[1] - x) ** 2 < (diameter / 2) ** 2] = number


@pytest.mark.parametrize(
    ("scale", "units", "known"),
    [
        ({"Z": 2.0, "Y": 0.5}, {}, 4.0),
        ({"Z": 0.46, "Y": 100.0}, {"Z": "micrometer", "Y": "nanometer"}, 4.6),
        ({"Y": 0.1}, {"Y": "micrometer"}, None),
        ({"Z": 1.0, "Y": 1.0}, {}, None),
    ],
)
def test_slices_lie_as_far_apart_as_the_image_says(
    scale: dict[str, float], units: dict[str, str], known: float | None
) -> None:
    volume = Image(np.zeros((4, 5, 6)), "ZYX", scale=scale, units=units)
    assert thickness(volume) == (None if known is None else pytest.approx(known))


def test_whole_objects_are_measured_and_those_at_the_edge_are_not() -> None:
    labels = np.zeros((200, 200), np.int32)
    disk(labels, 3, 50, 50, 30)
    disk(labels, 70, 120, 120, 50)
    disk(labels, 9, 195, 60, 40)
    assert diameters_of_objects(labels) == pytest.approx([30, 50], rel=0.02)
    assert diameter_of_objects(labels) == pytest.approx(40, rel=0.02)
    assert diameter_of_objects(np.where(labels == 9, labels, 0)) is None
    assert diameter_of_objects(np.zeros_like(labels)) is None


def test_objects_of_a_volume_are_as_wide_as_balls_or_as_their_largest_slice() -> None:
    z, y, x = np.ogrid[:21, :64, :64]
    ball = 9 * (z - 10) ** 2 + (y - 30) ** 2 + (x - 30) ** 2 < 15**2
    labels = np.where(ball, 1, 0).astype(np.int32)
    assert diameters_of_objects(labels, anisotropy=3) == pytest.approx([30], rel=0.03)
    painted = labels.copy()
    painted[1::2] = 0  # every other slice
    assert diameters_of_objects(painted, anisotropy=3) == pytest.approx([30], rel=0.03)
    assert diameters_of_objects(labels[10:], anisotropy=3).tolist() == []


@pytest.mark.parametrize(
    ("wanted", "diameter", "factor"),
    [
        (24, 30, 1),
        (24, 36, 1),
        (24, 16, 1),
        (24, 96, 0.25),
        (24, 8, 3),
        (None, 96, 1),
        (24, None, 1),
    ],
)
def test_only_sizes_far_from_the_wanted_one_are_changed(
    wanted: float | None, diameter: float | None, factor: float
) -> None:
    assert factor_to(wanted, diameter) == factor


def test_sizes_that_differ_much_are_pointed_out() -> None:
    assert doubt_about_sizes(np.array([8.0, 20, 64])) == ""
    assert doubt_about_sizes(np.zeros(0)) == ""
    words = doubt_about_sizes(np.array([4.0, 20, 64]))
    assert "4 px" in words and "64 px" in words


def test_images_that_would_vanish_or_explode_are_refused_with_numbers() -> None:
    image = Image(np.zeros((600, 800), np.uint8), name="a.tif")
    assert on_grid(image, 1.0, 24) is image
    assert on_grid(image, 0.25, 24).shape == (150, 200)
    with pytest.raises(InputError, match=r"a.tif would be brought to 24 px, and its 600 x 800 px"):
        on_grid(image, 0.02, 24)
    with pytest.raises(InputError, match=r"to 2400 x 3200 px, which needs 30.7 MB of disk, and 30"):
        check_room(image, 4.0, 24, 4, 30_000_000, "disk")
    check_room(image, 4.0, 24, 4, 31_000_000, "disk")
    check_room(image, 0.25, 24, 4, 0, "disk")  # a smaller image needs no more than it did
    tiny = Image(np.zeros((12, 12), np.uint8))
    assert on_grid(tiny, 2.0, 24).shape == (24, 24)


@pytest.mark.parametrize("size", [0, -3, np.nan, np.inf])
def test_a_size_is_a_positive_number(size: float) -> None:
    with pytest.raises(InputError, match="make no sense"):
        check_size(size)
