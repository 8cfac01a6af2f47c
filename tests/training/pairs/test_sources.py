from pathlib import Path

import numpy as np
import pytest
import tifffile

import napari_scribe as ns
from napari_scribe.training.pairs.sources import joined


def numbered(*shape: int, axes: str) -> ns.Image:
    """Frames that hold their own number."""
    n = int(np.prod(shape[:-2]))
    pixels = np.repeat(np.arange(n, dtype=np.uint16), shape[-1] * shape[-2]).reshape(shape)
    return ns.Image(pixels, axes, name="movie")


def shown(pairs: ns.Pairs) -> list[tuple[int, int]]:
    """The numbers of the frames of each pair, read from their pixels."""
    window = (slice(0, 1), slice(0, 1))
    return [
        (int(pairs.views[a].read(window).flat[0]), int(pairs.views[b].read(window).flat[0]))
        for a, b in pairs.pairs
    ]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("consecutive", [(0, 1), (1, 2), (2, 3), (3, 4)]),
        ("even-odd", [(0, 1), (2, 3)]),
        ("near", [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)]),
        ("all", [(a, b) for a in range(5) for b in range(a + 1, 5)]),
    ],
)
def test_frames_are_paired_as_asked(how, expected):
    assert sorted(shown(ns.frame_pairs(numbered(5, 4, 4, axes="TYX"), how))) == expected


def test_frames_follow_each_other_in_time_at_each_slice():
    pairs = ns.frame_pairs(numbered(3, 2, 4, 4, axes="TZYX"))

    assert sorted(shown(pairs)) == [(0, 2), (1, 3), (2, 4), (3, 5)]


def test_slices_are_neighbours_along_z_at_each_time():
    pairs = ns.slice_pairs(numbered(2, 3, 4, 4, axes="TZYX"))

    assert sorted(shown(pairs)) == [(0, 1), (1, 2), (3, 4), (4, 5)]


def test_an_array_of_frames_needs_no_axes():
    assert len(ns.frame_pairs(np.zeros((6, 8, 8))).pairs) == 5


def test_volumes_are_paired_in_time():
    pairs = ns.frame_pairs(numbered(3, 2, 4, 4, axes="TZYX"), dimensions=3)

    assert [pairs.shape(i) for i in range(3)] == [(2, 4, 4)] * 3
    assert pairs.pairs == ((0, 1), (1, 2))


def test_two_layers_are_paired_frame_by_frame():
    first = numbered(3, 4, 4, axes="TYX")
    second = first.selected(data=first.data + 10)

    assert shown(ns.layer_pairs(first, second)) == [(0, 10), (1, 11), (2, 12)]


def test_channels_are_paired(tmp_path):
    image = numbered(2, 3, 4, 4, axes="TCYX")

    assert shown(ns.channel_pairs(image, 0, 2)) == [(0, 2), (3, 5)]


def test_files_are_paired_two_by_two(tmp_path: Path):
    for i in range(4):
        tifffile.imwrite(tmp_path / f"{i}.tif", np.full((8, 8), i, np.uint8))

    pairs = ns.file_pairs([tmp_path / f"{i}.tif" for i in range(4)])

    assert shown(pairs) == [(0, 1), (2, 3)]


def test_single_images_are_alone():
    pairs = ns.single_pairs(numbered(3, 4, 4, axes="TYX"))

    assert pairs.is_single
    assert shown(pairs) == [(0, 0), (1, 1), (2, 2)]


def test_parts_are_joined_with_their_own_views():
    image = numbered(3, 4, 4, axes="TYX")
    other = image.selected(data=image.data + 10)

    pairs = joined([ns.frame_pairs(image), ns.frame_pairs(other)])

    assert shown(pairs) == [(0, 1), (1, 2), (10, 11), (11, 12)]


def test_frames_are_left_out_with_their_pairs():
    pairs = ns.frame_pairs(numbered(5, 4, 4, axes="TYX"))

    assert shown(pairs.without([2])) == [(0, 1), (3, 4)]
    with pytest.raises(ns.InputError, match="No pair is left"):
        pairs.without([1, 3])


@pytest.mark.parametrize("shape", [(8, 8), (1, 8, 8)])
def test_a_single_frame_makes_no_pairs(shape):
    with pytest.raises(ns.InputError, match=r"no frames|no axis|has no"):
        ns.frame_pairs(ns.Image(np.zeros(shape), "TYX"[-len(shape) :]))


def test_slices_are_frames_where_there_is_one_time():
    assert len(ns.frame_pairs(numbered(1, 3, 4, 4, axes="TZYX")).pairs) == 2


def test_masks_and_mixed_colours_are_refused():
    picture = ns.Image(np.zeros((3, 8, 8, 3), np.uint8), "TYXC", name="slide")
    assert len(ns.frame_pairs(picture, channels=[1]).pairs) == 2
    for make in (ns.frame_pairs, ns.single_pairs, lambda i: ns.channel_pairs(i, 0, 1)):
        with pytest.raises(ns.InputError, match=r"slide is a colour picture \(RGB\)"):
            make(picture)
    with pytest.raises(ns.InputError, match="true and false only"):
        ns.frame_pairs(np.zeros((6, 8, 8), bool))


def test_pairs_of_different_shape_are_refused():
    with pytest.raises(ns.InputError, match=r"\(8, 8\).*\(8, 9\)"):
        ns.layer_pairs(np.zeros((8, 8)), np.zeros((8, 9)))


def test_an_odd_number_of_files_is_refused():
    with pytest.raises(ns.InputError, match="3 images make no pairs"):
        ns.file_pairs([np.zeros((8, 8))] * 3)


def test_a_channel_makes_no_pair_with_itself():
    with pytest.raises(ns.InputError, match="choose two"):
        ns.channel_pairs(numbered(2, 4, 4, axes="CYX"), 1, 1)


def test_axes_of_length_1_make_no_difference():
    first = numbered(2, 8, 9, axes="TYX")
    second = ns.Image(first.data[:, None, None], "TCZYX")
    assert shown(ns.layer_pairs(first, second)) == shown(ns.layer_pairs(first, first))
