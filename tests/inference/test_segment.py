"""The job `segment`: any image, any source, any place to write to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import torch
import zarr

from napari_scribe.errors import InputError
from napari_scribe.image import Image
from napari_scribe.inference.segment import segment
from napari_scribe.io import read_image, read_labels, write_tiff
from napari_scribe.model import Model
from napari_scribe.progress import run

Make = Callable[..., Model]
pytestmark = pytest.mark.usefixtures("in_float32")


def counted_anew(labels: Any) -> Any:
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape)


def pixels(*shape: int, seed: int = 0) -> np.ndarray:
    """Blobs of noise, so that there is something to find."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 4000, [-(-n // 4) if n > 8 else n for n in shape])
    for axis, n in enumerate(shape):
        if n > 8:
            coarse = np.repeat(coarse, 4, axis=axis).take(np.arange(n), axis=axis)
    return (coarse + rng.integers(0, 500, shape)).astype(np.uint16)


def labels_of(model: Model, image: Any, **options: Any) -> np.ndarray:
    return np.asarray(run(segment(model, image, device="cpu", **options)))


@pytest.fixture(scope="session")
def model(random_model: Make) -> Model:
    return random_model()


# ---- shapes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["objects", "classes"])
def test_a_2d_image(random_model: Make, task: str):
    model = random_model(task, painted=(1, 2, 7) if task == "classes" else ())
    labels = labels_of(model, pixels(50, 60))
    assert labels.shape == (50, 60) and labels.dtype == np.int32
    assert len(np.unique(labels)) > 1
    if task == "classes":
        assert set(np.unique(labels)) <= {1, 2, 7}


@pytest.mark.parametrize("axes", ["ZYX", "TYX", "TZYX"])
def test_slices_and_times_are_answered_one_by_one(model: Model, axes: str):
    sizes = {"T": 2, "Z": 3, "Y": 30, "X": 40}
    stack = pixels(*(sizes[a] for a in axes), seed=1)
    image = Image(stack, axes)
    job = segment(model, image, tile=16, device="cpu")
    steps = list(job)
    labels = job.result
    assert labels.shape == stack.shape
    n_frames = int(np.prod(stack.shape[:-2]))
    assert [s.done for s in steps] == list(range(1, steps[-1].total + 1))
    assert steps[-1].total % n_frames == 0
    assert {s.frame for s in steps} == set(image.frames(2))
    # The numbers of the normalization are the stack's, so a frame alone may differ; frames that
    # are put in another order do not.
    swapped = labels_of(model, Image(stack[::-1], axes), tile=16)
    for one, other in zip(swapped[::-1], labels, strict=True):  # labels count on through a stack
        np.testing.assert_array_equal(counted_anew(one), counted_anew(other))
    assert len(np.unique(labels[labels > 0])) == labels.max()  # no label in two frames


def test_a_3d_image(random_model: Make):
    model = random_model(dimensions=3, depth=1, width=2)
    volume = pixels(7, 16, 18)
    whole = labels_of(model, volume)
    assert whole.shape == volume.shape
    np.testing.assert_array_equal(labels_of(model, volume, tile=6), whole)
    movie = np.stack([volume, volume])
    both = labels_of(model, Image(movie, "TZYX"))
    np.testing.assert_array_equal(both, np.stack([whole, whole]))


@pytest.mark.parametrize("axes", ["CYX", "YXC"])
def test_channels_wherever_they_are(random_model: Make, axes: str):
    model = random_model(n_channels=2)
    image = pixels(2, 40, 44)
    moved = image if axes == "CYX" else np.moveaxis(image, 0, -1)
    labels = labels_of(model, Image(moved, axes))
    assert labels.shape == (40, 44)
    np.testing.assert_array_equal(labels, labels_of(model, Image(image, "CYX")))
    other = labels_of(model, Image(image[::-1], "CYX"))
    assert not np.array_equal(labels, other)


def test_chosen_channels_of_an_image_with_more(random_model: Make):
    model = random_model(n_channels=2).changed(channels=(2, 0), image_channels=3)
    image = pixels(3, 40, 44)
    expected = labels_of(model, Image(image[[2, 0]], "CYX"))
    np.testing.assert_array_equal(labels_of(model, Image(image, "CYX")), expected)


def test_channels_that_the_model_is_given(random_model: Make):
    """One for each that it sees, whatever else an image has."""
    plain = random_model(n_channels=2)
    model = plain.changed(channels=(1, 0), image_channels=2)
    image = pixels(4, 40, 44)
    expected = labels_of(plain, Image(image[[3, 1]], "CYX"))
    found = labels_of(model, Image(image, "CYX"), channels=[3, 1])
    np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(labels_of(model, Image(image, "CYX"), channels=[1, 3]), expected)
    with pytest.raises(InputError, match=r"1 channels of image were chosen: \[3\].* sees 2"):
        segment(model, Image(image, "CYX"), channels=[3])
    with pytest.raises(InputError, match="has channels 0 to 3"):
        segment(model, Image(image, "CYX"), channels=[3, 4])


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (3, 2)])
def test_tiny_images(model: Model, shape: tuple[int, int]):
    ramp = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape) * 100
    assert labels_of(model, ramp).shape == shape


# ---- the answer depends on nothing else ---------------------------------------------------------


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("task", ["objects", "classes"])
def test_the_answer_does_not_depend_on_the_tile(random_model: Make, padding: str, task: str):
    model = random_model(task, painted=(1, 2) if task == "classes" else (), padding=padding)
    image = pixels(70, 90)
    job = segment(model, image, save=("labels", "probability"), device="cpu")
    whole = run(job)
    assert whole.max() > 1
    for tile in (8, 24, 37, 1000):
        other = segment(model, image, tile=tile, save=("labels", "probability"), device="cpu")
        labels = run(other)
        assert job.probability is not None and other.probability is not None
        difference = np.abs(job.probability.astype(np.float32) - other.probability)
        assert difference.max() <= 1e-3  # kept in half precision: one step at .5 is 5e-4
        assert (labels != whole).mean() < 1e-3


@pytest.mark.parametrize("task", ["objects", "classes"])
def test_the_answer_does_not_depend_on_the_batch(random_model: Make, task: str):
    model = random_model(task, painted=(1, 2) if task == "classes" else ())
    image = Image(pixels(2, 70, 90), "TYX")
    whole = labels_of(model, image, tile=16, batch=1)
    for batch in (2, 7, 1000):
        assert (labels_of(model, image, tile=16, batch=batch) != whole).mean() < 1e-3


@pytest.mark.parametrize("flat_levels", [0, 1, 2])
def test_volumes_with_thick_slices(random_model: Make, flat_levels: int):
    options = {"dimensions": 3, "depth": 2, "width": 2, "flat_levels": flat_levels}
    model = random_model("classes", painted=(1, 2), **options)
    volume = pixels(9, 40, 44)
    whole = labels_of(model, volume, tile=64)
    assert len(np.unique(whole)) == 2
    for tile, batch in ((8, 1), (16, 3)):
        assert (labels_of(model, volume, tile=tile, batch=batch) != whole).mean() < 1e-3


def test_lazy_sources_give_the_same_labels(model: Model, tmp_path: Path):
    image = pixels(5, 40, 50)
    expected = labels_of(model, Image(image, "ZYX"))
    stored = zarr.create_array(
        tmp_path / "a.zarr", shape=image.shape, dtype=image.dtype, chunks=(1, 16, 16)
    )
    stored[:] = image
    np.save(tmp_path / "a.npy", image)
    write_tiff(tmp_path / "a.tif", image, "ZYX")
    sources = [
        Image(stored, "ZYX"),
        Image(da.from_array(image, chunks=(1, 7, 9)), "ZYX"),
        Image(np.load(tmp_path / "a.npy", mmap_mode="r"), "ZYX"),
        read_image(tmp_path / "a.tif"),
        tmp_path / "a.tif",
        str(tmp_path / "a.npy"),
    ]
    for source in sources:
        np.testing.assert_array_equal(labels_of(model, source, tile=16), expected)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", ">u2", "float32", "float64"])
def test_any_type_of_pixels(model: Model, dtype: str):
    image = pixels(40, 50) > 2000 if dtype == "bool" else pixels(40, 50) // 20
    assert labels_of(model, image.astype(dtype)).shape == (40, 50)


# ---- flat images --------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, 7, 65535])
def test_a_constant_image_stays_empty(model: Model, value: int):
    job = segment(model, np.full((40, 50), value, np.uint16), save=("labels", "probability"))
    assert not run(job).any()
    assert job.probability is not None and not job.probability.any()


def test_what_is_flatter_than_the_floor_stays_empty(model: Model):
    strict = model.changed(normalization=model.normalization.__class__(floor=50, dtype="uint16"))
    image = 1000 + pixels(40, 50) % 20
    assert labels_of(model, image).any()
    assert not labels_of(strict, image).any()


def test_a_constant_image_is_all_of_the_first_class(random_model: Make):
    model = random_model("classes", painted=(1, 256)).changed(offset=1)
    assert not labels_of(model, np.full((20, 30), 9, np.uint16)).any()


# ---- outputs ------------------------------------------------------------------------------------


def calibrated(image: np.ndarray) -> Image:
    scale = {"Z": 2.0, "Y": 0.5, "X": 0.25}
    return Image(image, "ZYX", scale, units=dict.fromkeys("ZYX", "micrometer"), name="cells")


def test_tiff(model: Model, tmp_path: Path):
    image = calibrated(pixels(2, 40, 50))
    expected = labels_of(model, image)
    labels = labels_of(model, image, out=tmp_path / "new" / "labels.tif")
    np.testing.assert_array_equal(labels, expected)
    written = read_image(tmp_path / "new" / "labels.tif")
    np.testing.assert_array_equal(written.data, expected)
    assert written.dtype == np.uint8 and written.axes == "ZYX"
    assert written.scale == image.scale and written.units == image.units
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["labels.tif"]


def test_zarr(model: Model, tmp_path: Path):
    image = calibrated(pixels(2, 40, 50)).selected(translate={"Z": 4.0, "Y": 1.0, "X": 2.0})
    result = run(segment(model, image, out=tmp_path / "labels.zarr"))
    assert isinstance(result, zarr.Array)
    written = read_image(tmp_path / "labels.zarr")
    np.testing.assert_array_equal(written.data[:], labels_of(model, image))
    assert written.scale == image.scale and written.units == image.units
    assert written.translate == image.translate
    assert zarr.open_array(tmp_path / "labels.zarr" / "0").shape == (2, 40, 50)


@pytest.mark.parametrize(("side", "dtype"), [(60, np.uint8), (520, np.uint16)])
def test_labels_have_the_smallest_type(
    model: Model, tmp_path: Path, side: int, dtype: type[np.generic]
):
    image = pixels(side, side)
    labels = run(segment(model, image, tmp_path / "a.zarr", tile=64))
    assert labels.dtype == dtype and np.min_scalar_type(labels[:].max()) == dtype
    np.testing.assert_array_equal(labels[:], labels_of(model, image, tile=64))


@pytest.mark.parametrize(("largest", "dtype"), [(7, np.uint8), (256, np.uint16)])
def test_classes_have_the_smallest_type(
    random_model: Make, tmp_path: Path, largest: int, dtype: type[np.generic]
):
    model = random_model("classes", painted=(1, largest))
    labels = run(segment(model, pixels(40, 50), tmp_path / "a.zarr"))
    assert labels.dtype == dtype and set(np.unique(labels[:])) == {1, largest}


@pytest.mark.parametrize("save", [("labels",), ("labels", "probability")])
def test_parts_of_classes(random_model: Make, tmp_path: Path, save: tuple[str, ...]):
    """Without objects a part is made of tiles."""
    model, image = random_model("classes", painted=(1, 2, 7)), Image(pixels(2, 40, 50), "TYX")
    options = {"tile": 16, "save": save, "device": "cpu"}
    whole = run(segment(model, image, **options))
    out = tmp_path / "a.zarr"
    n_steps = [len(list(segment(model, image, out, part=(i, 3), **options))) for i in (3, 1, 2)]
    assert sum(n_steps) == 2 * 3 * 4 and max(n_steps) - min(n_steps) <= 1
    last = segment(model, image, out, **options)
    assert list(last) == []
    np.testing.assert_array_equal(last.result[:], whole)
    again = segment(model, image, out, **options)
    run(again)
    assert (again.probability is None) == (save == ("labels",))


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
@pytest.mark.parametrize("task", ["objects", "classes"])
@pytest.mark.parametrize("shape", [(1, 1, 40, 50), (2, 1, 40, 50), (1, 3, 40, 50)])
def test_maps_that_were_written_have_the_shape_of_those_in_memory(
    random_model: Make, tmp_path: Path, shape: tuple[int, ...], task: str, suffix: str
):
    model = random_model(task, painted=(1, 2, 3) if task == "classes" else ())
    image = Image(np.resize(pixels(40, 50), shape), "TZYX")
    options = {"save": ("labels", "probability"), "device": "cpu"}
    in_memory = segment(model, image, **options)
    run(in_memory)
    written = segment(model, image, tmp_path / f"a{suffix}", **options)
    run(written)
    np.testing.assert_array_equal(
        np.asarray(written.probability, np.float16), in_memory.probability
    )


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
def test_probability_is_written_beside(random_model: Make, tmp_path: Path, suffix: str):
    model = random_model("classes", painted=(1, 2, 7))
    out = tmp_path / f"a{suffix}"
    job = segment(model, pixels(40, 50), out, save=("labels", "probability"))
    labels = np.asarray(run(job))
    assert job.probability is not None and job.probability.shape == (3, 40, 50)
    probability = np.asarray(job.probability, np.float32)
    chosen = np.take_along_axis(probability, np.searchsorted([1, 2, 7], labels)[np.newaxis], 0)[0]
    assert (chosen >= probability.max(axis=0) - 1e-3).all()  # kept as float16
    written = read_image(tmp_path / f"a.probability{suffix}")
    assert written.axes == "CYX"
    np.testing.assert_array_equal(written.data, job.probability)


@pytest.mark.parametrize("suffix", [".zarr", ".tif"])
def test_maps_on_request(random_model: Make, tmp_path: Path, suffix: str):
    """Beside the labels, and as they are in memory."""
    image, out = Image(pixels(3, 2, 40, 50), "TCYX"), tmp_path / f"a{suffix}"
    model = random_model(n_channels=2)
    save = ("labels", "probability", "distance")
    expected = segment(model, image, save=save, device="cpu")
    run(expected)
    for _ in range(2):  # made, and opened again
        job = segment(model, image, out, save=save, device="cpu")
        run(job)
        assert job.maps.keys() == {"probability", "distance"}
        for name, array in job.maps.items():
            assert array.shape == (1, 3, 40, 50)
            np.testing.assert_array_equal(np.asarray(array), expected.maps[name])
    stored = read_image(tmp_path / f"a.distance{suffix}")
    assert stored.dtype == (np.float16 if suffix == ".zarr" else np.float32)
    assert not np.array_equal(expected.maps["distance"], expected.maps["probability"])
    with pytest.raises(InputError, match="exists already"):
        segment(model, image, out, save=("labels", "probability"), device="cpu")


def test_classes_have_no_distance(random_model: Make):
    with pytest.raises(InputError, match="no distance to save"):
        segment(random_model("classes", painted=(1, 2)), pixels(9, 9), save=("distance",))


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
def test_what_exists_is_replaced_only_when_allowed(model: Model, tmp_path: Path, suffix: str):
    out = tmp_path / f"a{suffix}"
    first = labels_of(model, pixels(40, 50), out=out)
    with pytest.raises(
        InputError, match=r"(?s)exists already. Choose another name, .*overwrite=True"
    ):
        segment(model, pixels(40, 50, seed=5), out)
    np.testing.assert_array_equal(read_labels(out), first)
    second = labels_of(model, pixels(30, 20, seed=5), out=out, overwrite=True)
    assert read_labels(out).shape == (30, 20)
    np.testing.assert_array_equal(read_labels(out), second)


# ---- stopping -----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["", ".tif", ".zarr"])
@pytest.mark.parametrize("task", ["objects", "classes"])
def test_a_stop_keeps_what_is_done(random_model: Make, tmp_path: Path, suffix: str, task: str):
    model = random_model(task, painted=(2, 7) if task == "classes" else ())
    image = Image(pixels(3, 40, 60), "ZYX")
    whole = labels_of(model, image, tile=20)
    out = tmp_path / f"a{suffix}" if suffix else None
    job = segment(model, image, out, tile=20, device="cpu")
    per_frame = 2 * 3 + (task == "objects")  # tiles, and a block that becomes objects
    for step in job:
        if step.done == per_frame + 3:
            job.stop()  # in the middle of the second slice: its upper half is done
    labels = np.asarray(job.result)
    assert not job.is_complete
    np.testing.assert_array_equal(labels[0], whole[0])
    if out is not None:
        assert not out.exists()  # an output is whole
        again = segment(model, image, out, tile=20, device="cpu")
        assert next(again).done > step.done
        run(again)
        np.testing.assert_array_equal(read_labels(out), whole)
        assert [path.name for path in tmp_path.iterdir()] == [out.name]
        return
    assert not labels[1, 20:, 40:].any() and not labels[2].any()  # two tiles are on their way
    assert labels[1, :20].any()
    if task == "classes":
        np.testing.assert_array_equal(labels[1, :20], whole[1, :20])


def test_a_stop_after_the_last_tile_comes_too_late(model: Model):
    job = segment(model, pixels(40, 60), tile=20, device="cpu")
    for step in job:
        if step.done == step.total:
            job.stop()
    assert job.is_complete


def test_a_closed_job_writes_no_tiff(model: Model, tmp_path: Path):
    job = segment(model, pixels(40, 60), tmp_path / "a.tif", tile=20)
    next(job)
    job.close()
    assert not list(tmp_path.iterdir())


# ---- refused before work ------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinite_pixels(model: Model, tmp_path: Path, bad: float):
    image = pixels(40, 50).astype(np.float32)
    image[3, 4] = bad
    with pytest.raises(InputError, match="NaN or infinite"):
        segment(model, image, tmp_path / "a.tif")
    assert not list(tmp_path.iterdir())


def test_nan_that_the_sample_missed_ends_the_job_with_a_message(model: Model, tmp_path: Path):
    image = np.zeros((3000, 1000), np.float32)
    image[:, ::2] = 1
    image[-1, -1] = np.nan
    statistics = model.normalization.measure(Image(image))  # does not notice
    assert not statistics.flat.any()
    corner = Image(image, name="cells")
    job = segment(model, corner, tmp_path / "a.tif", tile=3000)
    with pytest.raises(InputError, match="cells has NaN or infinite pixels near"):
        run(job)
    assert not list(tmp_path.iterdir())


def test_pixels_that_are_infinite_once_normalized_end_the_job(model: Model):
    image = np.zeros((3000, 1000), np.float64)
    image[:, ::2] = 1
    image[-1, -1] = 1e300
    with pytest.raises(InputError, match="or such that are far beyond all others"):
        run(segment(model, Image(image, name="cells"), tile=3000))


def test_answers_that_are_no_numbers_end_the_job_with_a_message(
    random_model: Callable[..., Model],
):
    model = random_model()
    with torch.no_grad():
        model.network.head.weight.fill_(float("nan"))
    with pytest.raises(InputError, match="answers with NaN or infinite values near"):
        run(segment(model, pixels(40, 50)))


@pytest.mark.parametrize(
    ("image", "options", "said"),
    [
        (pixels(5, 40, 50), {"axes": "CYX"}, "has 5 channels, but this model was trained on 1"),
        (pixels(40, 50), {"tile": 0}, "A tile of 0 px keeps nothing"),
        (pixels(40, 50), {"tile": -8}, "A tile of -8 px keeps nothing"),
        (pixels(40, 50), {"save": ("labels", "heat")}, "Cannot save .*heat"),
        (pixels(40, 50), {"out": "a.png"}, "Cannot write a.png: results go to .tif or .zarr"),
        (pixels(40, 50), {"out": "file/a.tif"}, "Cannot write"),
        (pixels(40, 50), {"device": "banana"}, "The device 'banana' cannot be used"),
    ],
)
def test_refusals(model: Model, tmp_path: Path, image: Any, options: dict[str, Any], said: str):
    (tmp_path / "file").write_text("")
    options = dict(options)
    image = Image(image, options.pop("axes", ""))
    if "out" in options:
        options["out"] = tmp_path / options["out"]
    with pytest.raises(InputError, match=said):
        segment(model, image, **options)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_3d_model_refuses_a_2d_image(random_model: Make):
    model = random_model(dimensions=3, depth=1, width=2)
    with pytest.raises(InputError, match="a 3D model needs a Z axis"):
        segment(model, pixels(40, 50))


def test_labels_are_not_written_over_their_own_image(model: Model, tmp_path: Path):
    path = tmp_path / "a.zarr"
    stored = zarr.create_array(path, shape=(40, 50), dtype="u2")
    stored[:] = pixels(40, 50)
    with pytest.raises(InputError, match="the image itself"):
        segment(model, path, path, overwrite=True)
    np.testing.assert_array_equal(read_image(path).data[:], pixels(40, 50))
