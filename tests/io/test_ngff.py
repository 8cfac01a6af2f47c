"""zarr: what is written comes back, and what others wrote is understood."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaozarrs
import zarr
from yaozarrs import v05
from yaozarrs.write.v05 import write_image

from napari_scribe.errors import InputError
from napari_scribe.io import add_pyramid, create_zarr, ngff_writer, read_image, read_labels

UM = "micrometer"


def group_04(path: Path, axes: str = "zyx", unit: str = UM) -> np.ndarray:
    """An OME-NGFF 0.4 image (zarr 2) with two levels."""
    array = np.arange(4 * 8 * 6, dtype=np.uint16).reshape(4, 8, 6)
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("s0", data=array)
    group.create_array("s1", data=array[:, ::2, ::2])
    group.attrs["multiscales"] = [
        {
            "version": "0.4",
            "axes": [{"name": a, "type": "space", "unit": unit} for a in axes],
            "coordinateTransformations": [{"type": "scale", "scale": [1.0, 10.0, 10.0]}],
            "datasets": [
                {
                    "path": f"s{i}",
                    "coordinateTransformations": [
                        {"type": "scale", "scale": [2.0, 0.1 * 2**i, 0.1 * 2**i]},
                        {"type": "translation", "translation": [0.0, 0.5, 0.0]},
                    ],
                }
                for i in range(2)
            ],
        }
    ]
    return array


@pytest.mark.parametrize("axes", ["YX", "ZYX", "TYX", "CYX", "TCZYX"])
def test_what_is_created_is_read_back(tmp_path: Path, axes: str):
    sizes = {"T": 2, "C": 3, "Z": 4, "Y": 9, "X": 7}
    scale = {a: v for a, v in {"T": 5.0, "Z": 2.0, "Y": 0.5, "X": 0.25}.items() if a in axes}
    units = {a: "second" if a == "T" else UM for a in scale}
    array = np.random.default_rng(0).integers(0, 99, [sizes[a] for a in axes]).astype(np.int32)
    path = tmp_path / "labels.zarr"
    created = create_zarr(path, array.shape, np.int32, axes, scale, units, translate={"Y": 3.0})
    created[...] = array
    image = read_image(path)
    assert (image.axes, image.name, image.dtype) == (axes, "labels", np.int32)
    assert image.scale == scale
    assert image.units == units
    assert image.translate == {a: 3.0 if a == "Y" else 0.0 for a in scale}
    np.testing.assert_array_equal(image.data[...], array)
    np.testing.assert_array_equal(read_labels(path)[...], array)


def test_metadata_is_ome_ngff_05(tmp_path: Path):
    create_zarr(tmp_path / "a.zarr", (3, 40, 50), "uint8", "ZYX", {"Z": 2.0}, {"Z": UM})
    metadata = json.loads((tmp_path / "a.zarr" / "zarr.json").read_text())
    ome = metadata["attributes"]["ome"]
    assert (metadata["zarr_format"], ome["version"]) == (3, "0.5")
    assert ome["multiscales"][0]["axes"] == [
        {"name": "z", "type": "space", "unit": UM},
        {"name": "y", "type": "space"},
        {"name": "x", "type": "space"},
    ]
    level = ome["multiscales"][0]["datasets"][0]
    assert level["path"] == "0"
    assert level["coordinateTransformations"] == [{"type": "scale", "scale": [2.0, 1.0, 1.0]}]
    array = json.loads((tmp_path / "a.zarr" / "0" / "zarr.json").read_text())
    assert array["dimension_names"] == ["z", "y", "x"]


@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.parametrize("axes", ["YX", "CYX", "TCZYX"])
def test_what_is_written_is_valid_for_others(
    tmp_path: Path, axes: str, labels: bool, monkeypatch: pytest.MonkeyPatch
):
    """Metadata and the arrays that they name, by the models of yaozarrs."""
    monkeypatch.setattr(ngff_writer, "_SMALL", 16)
    shape = [{"T": 2, "C": 3, "Z": 4, "Y": 33, "X": 20}[a] for a in axes]
    path = tmp_path / "a.zarr"
    create_zarr(path, shape, "u2", axes, {"Y": 0.5}, {"Y": UM}, translate={"X": 2.0})
    yaozarrs.validate_zarr_store(path)
    list(add_pyramid(path, labels))
    yaozarrs.validate_zarr_store(path)
    ome = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]
    image = yaozarrs.validate_ome_object(ome, v05.Image)
    assert [d.path for d in image.multiscales[0].datasets] == ["0", "1", "2"]


def test_what_others_write_is_understood(tmp_path: Path):
    array = np.arange(120, dtype=np.uint16).reshape(2, 10, 6)
    axes = [v05.ChannelAxis(name="c"), v05.SpaceAxis(name="y", unit=UM), v05.SpaceAxis(name="x")]
    scales = [[1.0, 0.5 * n, 0.25 * n] for n in (1, 2)]
    datasets = [
        v05.Dataset(
            path=f"s{i}",
            coordinateTransformations=[
                v05.ScaleTransformation(scale=scale),
                v05.TranslationTransformation(translation=[0.0, 3.0, 0.0]),
            ],
        )
        for i, scale in enumerate(scales)
    ]
    multiscale = v05.Multiscale(name="cells", axes=axes, datasets=datasets)
    image = v05.Image(multiscales=[multiscale])
    write_image(tmp_path / "a.zarr", image, [array, array[:, ::2, ::2]], writer="zarr")
    for level, scale in enumerate(scales):
        found = read_image(tmp_path / "a.zarr", level=level)
        assert (found.axes, found.units) == ("CYX", {"Y": UM})
        assert (found.scale, found.translate) == (
            {"Y": scale[1], "X": scale[2]},
            {"Y": 3.0, "X": 0.0},
        )
        step = 2**level
        np.testing.assert_array_equal(found.data[...], array[:, ::step, ::step])


def test_chunks(tmp_path: Path):
    by_default = create_zarr(tmp_path / "a.zarr", (3, 600, 50), "uint8", "ZYX")
    assert by_default.chunks == (1, 512, 50)
    given = create_zarr(tmp_path / "b.zarr", (3, 600, 50), "uint8", "ZYX", chunks=(3, 100, 25))
    assert given.chunks == (3, 100, 25)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int32"])
def test_chunks_larger_than_the_image_are_cut(tmp_path: Path, dtype: str):
    created = create_zarr(tmp_path / "a.zarr", (3, 30), dtype, "YX", chunks=(64, 16))
    assert created.chunks == (3, 16)
    created[...] = np.iinfo(dtype).max
    labels = read_labels(tmp_path / "a.zarr")
    assert labels.dtype == dtype
    assert (labels[...] == np.iinfo(dtype).max).all()


def test_chunks_of_zeros_take_no_room(tmp_path: Path):
    created = create_zarr(tmp_path / "a.zarr", (64, 64), "uint16", "YX", chunks=(16, 16))
    array = np.zeros((64, 64), np.uint16)
    array[20, 50] = 9
    created[...] = array
    assert [p.name for p in (tmp_path / "a.zarr" / "0" / "c").rglob("*") if p.is_file()] == ["3"]
    np.testing.assert_array_equal(created[...], array)


def test_what_exists_is_kept_unless_told_otherwise(tmp_path: Path):
    create_zarr(tmp_path / "a.zarr", (4, 4), "uint8", "YX")[...] = 1
    with pytest.raises(InputError, match="exists already"):
        create_zarr(tmp_path / "a.zarr", (4, 4), "uint8", "YX")
    assert read_image(tmp_path / "a.zarr").data[0, 0] == 1
    create_zarr(tmp_path / "a.zarr", (4, 5), "uint8", "YX", overwrite=True)
    assert not read_image(tmp_path / "a.zarr").data[...].any()


@pytest.mark.parametrize(
    "wrong", [{"dtype": "no type"}, {"chunks": (4, -1)}, {"scale": {"Y": "a"}}]
)
def test_what_fails_leaves_what_was_there_and_nothing_else(
    tmp_path: Path, wrong: dict[str, object]
):
    options = {"shape": (4, 5), "dtype": "uint8", "axes": "YX", "overwrite": True} | wrong
    with pytest.raises((TypeError, ValueError)):
        create_zarr(tmp_path / "a.zarr", **options)
    assert not list(tmp_path.iterdir())
    create_zarr(tmp_path / "a.zarr", (4, 4), "uint8", "YX")[...] = 1
    with pytest.raises((TypeError, ValueError)):
        create_zarr(tmp_path / "a.zarr", **options)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]
    assert read_image(tmp_path / "a.zarr").data[0, 0] == 1


def test_a_file_in_the_way_is_replaced(tmp_path: Path):
    (tmp_path / "a.zarr").write_text("a file")
    create_zarr(tmp_path / "a.zarr", (4, 5), "uint8", "YX", overwrite=True)
    assert read_image(tmp_path / "a.zarr").shape == (4, 5)


@pytest.mark.parametrize("axes", ["YXZ", "XY", "ZY", "YX", "QYX", "ZYXC"])
def test_axes_out_of_order_are_refused(tmp_path: Path, axes: str):
    with pytest.raises(InputError, match="TCZYX"):
        create_zarr(tmp_path / "a.zarr", (3, 4, 5), "uint8", axes)
    assert not list(tmp_path.iterdir())


def test_levels_of_ngff_04(tmp_path: Path):
    array = group_04(tmp_path / "a.ome.zarr")
    full, half = (read_image(tmp_path / "a.ome.zarr", level=i) for i in (0, 1))
    assert full.name == "a"
    np.testing.assert_array_equal(full.data[...], array)
    np.testing.assert_array_equal(half.data[...], array[:, ::2, ::2])
    assert full.scale == {"Z": 2.0, "Y": 1.0, "X": 1.0}
    assert half.scale == {"Z": 2.0, "Y": 2.0, "X": 2.0}
    assert full.translate == {"Z": 0.0, "Y": 5.0, "X": 0.0}
    assert full.units == {"Z": UM, "Y": UM, "X": UM}
    with pytest.raises(InputError, match="levels 0 to 1, not 2"):
        read_image(tmp_path / "a.ome.zarr", level=2)


def test_a_level_by_its_own_path_keeps_its_meaning(tmp_path: Path):
    group_04(tmp_path / "a.zarr")
    image = read_image(tmp_path / "a.zarr" / "s1")
    assert (image.axes, image.scale) == ("ZYX", {"Z": 2.0, "Y": 2.0, "X": 2.0})


def test_axes_can_be_given(tmp_path: Path):
    group_04(tmp_path / "a.zarr")
    image = read_image(tmp_path / "a.zarr", "TYX")
    assert (image.axes, image.scale) == ("TYX", {"Y": 1.0, "X": 1.0})
    with pytest.raises(InputError, match="3 axes"):
        read_image(tmp_path / "a.zarr", "YX")


def test_unknown_axes_are_asked_for(tmp_path: Path):
    group_04(tmp_path / "a.zarr", axes="ayx")
    with pytest.raises(InputError, match=r"(?s)axes a, y, x.*Options: axes"):
        read_image(tmp_path / "a.zarr")
    assert read_image(tmp_path / "a.zarr", "ZYX").axes == "ZYX"


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_bare_arrays(tmp_path: Path, zarr_format: int):
    array = np.arange(24, dtype=np.uint8).reshape(4, 6)
    zarr.create_array(tmp_path / "a.zarr", data=array, zarr_format=zarr_format)
    image = read_image(tmp_path / "a.zarr")
    assert (image.axes, image.scale) == ("YX", {})
    np.testing.assert_array_equal(image.data[...], array)


def test_bare_arrays_with_named_axes(tmp_path: Path):
    zarr.create_array(
        tmp_path / "a.zarr", shape=(9, 6, 5), dtype="u1", dimension_names=["t", "y", "x"]
    )
    assert read_image(tmp_path / "a.zarr").axes == "TYX"
    zarr.create_array(tmp_path / "b.zarr", shape=(9, 6), dtype="u1", dimension_names=["row", None])
    assert read_image(tmp_path / "b.zarr").axes == "YX"


def test_groups_without_ngff(tmp_path: Path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    with pytest.raises(InputError, match="no array"):
        read_image(tmp_path / "a.zarr")
    group.create_array("cells", shape=(4, 5), dtype="u1")
    assert read_image(tmp_path / "a.zarr").shape == (4, 5)
    group.create_array("nuclei", shape=(4, 5), dtype="u1")
    with pytest.raises(InputError, match="cells, nuclei"):
        read_image(tmp_path / "a.zarr")


def test_bioformats2raw_groups(tmp_path: Path):
    zarr.open_group(tmp_path / "a.zarr", mode="w").attrs["ome"] = {"bioformats2raw.layout": 3}
    create_zarr(tmp_path / "a.zarr" / "0", (4, 5), "u1", "YX", {"Y": 2.0}, {"Y": UM})
    assert read_image(tmp_path / "a.zarr").scale == {"Y": 2.0, "X": 1.0}


def test_channel_names(tmp_path: Path):
    create_zarr(tmp_path / "a.zarr", (2, 4, 5), "u1", "CYX")
    group = zarr.open_group(tmp_path / "a.zarr", mode="r+")
    channels = [{"label": "DAPI"}, {"label": "GFP"}]
    group.attrs["ome"] = dict(group.attrs["ome"]) | {"omero": {"channels": channels}}
    assert read_image(tmp_path / "a.zarr").channel_names == ("DAPI", "GFP")


def test_damaged_metadata_is_refused(tmp_path: Path):
    create_zarr(tmp_path / "a.zarr", (4, 5), "u1", "YX")
    (tmp_path / "a.zarr" / "zarr.json").write_text("{")
    with pytest.raises(InputError, match="Could not read"):
        read_image(tmp_path / "a.zarr")
