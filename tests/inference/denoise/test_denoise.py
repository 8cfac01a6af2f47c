"""A denoiser over images: exact tiles, axes, types, outputs, and in front of a segmentation."""

import numpy as np
import pytest
import torch
import zarr

import napari_scribe as ns
from napari_scribe.inference.denoise.denoised_image import denoised_image
from napari_scribe.inference.denoise.removed import check_removed_from, removed_noise, write_removed
from napari_scribe.model import build_network
from napari_scribe.normalization import FixedNormalization
from napari_scribe.recipe import parse_recipe


def denoiser(n_channels: int = 1, dimensions: int = 2, seed: int = 0) -> ns.Model:
    """A small network that has learnt nothing: what it takes away is no noise."""
    recipe = parse_recipe(
        {
            "task": "denoised",
            "network": {"depth": 2, "width": 4, "dimensions": dimensions},
            "tiling": {"tile": 48},
        }
    )
    torch.manual_seed(seed)
    blank = ns.Model(
        network=None,
        recipe=recipe,
        channels=tuple(range(n_channels)),
        image_channels=n_channels,
        normalization=FixedNormalization((100.0,) * n_channels, (20.0,) * n_channels),
        parameters={"shift 0": 0.25},
    )
    network = build_network(recipe, n_channels, blank.encoding).eval()
    torch.nn.init.normal_(network.head.weight)  # as it begins, it takes nothing away
    return blank.changed(network=network)


def shots(*shape: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.clip(100 + 20 * rng.normal(size=shape), 0, 255).astype(np.uint8)


@pytest.fixture(autouse=True)
def in_float32(monkeypatch):
    monkeypatch.setattr("napari_scribe.inference.plan.precision", lambda _: torch.float32)
    monkeypatch.setattr(
        "napari_scribe.inference.denoise.denoised_image.precision", lambda _: torch.float32
    )


@pytest.mark.parametrize("tile", [16, 40, 64, 200])
def test_tiles_change_nothing(tile):
    model, image = denoiser(), shots(150, 170)

    whole = ns.run(ns.denoise(model, image, tile=256, device="cpu"))
    tiled = ns.run(ns.denoise(model, image, tile=tile, device="cpu"))

    np.testing.assert_allclose(tiled, whole, atol=20 * 1e-5)


def test_the_answer_is_input_and_residual_and_shift_in_the_units_of_the_image():
    model, image = denoiser(), shots(128, 128)
    x = torch.from_numpy((image - np.float32(100)) / 20)[None, None]
    with torch.inference_mode():
        expected = (x + model.network(x) + 0.25) * 20 + 100

    result = ns.run(ns.denoise(model, image, device="cpu"))

    inner = (slice(24, -24), slice(24, -24))  # at its edges the image is mirrored first
    np.testing.assert_allclose(result[inner], expected[0, 0][inner], atol=1e-2)
    assert np.abs(result - image).max() > 1


@pytest.mark.parametrize(
    ("axes", "shape", "kept"),
    [
        ("YX", (40, 50), (40, 50)),
        ("TZYX", (2, 3, 40, 50), (2, 3, 40, 50)),
        ("TCYX", (3, 2, 40, 50), (3, 2, 40, 50)),
        ("YXC", (40, 50, 2), (2, 40, 50)),
        ("CZYX", (2, 3, 40, 50), (2, 3, 40, 50)),
    ],
)
def test_axes_are_kept(axes, shape, kept):
    image = ns.Image(shots(*shape), axes)
    model = denoiser(image.n_channels)

    result = ns.run(ns.denoise(model, image, device="cpu"))

    assert result.shape == kept
    if axes == "TCYX":
        alone = ns.run(ns.denoise(model, ns.Image(image.data[1], "CYX"), device="cpu"))
        np.testing.assert_allclose(result[1], alone, atol=1e-3)


def test_volumes_go_in_whole():
    result = ns.run(ns.denoise(denoiser(1, 3), ns.Image(shots(9, 30, 40), "ZYX"), device="cpu"))

    assert result.shape == (9, 30, 40)


def test_the_type_of_the_source_does_not_wrap_around():
    model = denoiser()
    image = np.where(shots(64, 64) > 100, 255, 0).astype(np.uint8)
    exact = ns.run(ns.denoise(model, image, device="cpu"))

    result = ns.run(ns.denoise(model, image, dtype="source", device="cpu"))

    assert exact.min() < -1 and exact.max() > 256
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, np.clip(np.rint(exact), 0, 255))


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.float16])
def test_large_types_keep_within_their_limits(dtype):
    limits = np.iinfo(dtype) if np.dtype(dtype).kind in "ui" else np.finfo(dtype)
    image = np.where(shots(64, 64) > 100, limits.max, limits.min).astype(dtype)
    width = float(limits.max)
    model = denoiser().changed(normalization=FixedNormalization((0.0,), (width,)))

    result = ns.run(ns.denoise(model, image, dtype="source", device="cpu"))

    assert result.dtype == dtype
    assert np.isfinite(result).all()
    exact = ns.run(ns.denoise(model, image, device="cpu"))
    assert ((exact > 1.5 * width) <= (result > 0)).all()


def test_another_image_is_not_taken_for_the_one_before(tmp_path):
    model, image, out = denoiser(), shots(40, 50), tmp_path / "out.tif"
    ns.run(ns.denoise(model, image // 2, out, device="cpu"))

    with pytest.raises(ns.InputError, match="exists already"):
        ns.denoise(model, image // 2 + 50, out, device="cpu")


def test_axes_of_length_1_are_kept(tmp_path):
    image = ns.Image(shots(1, 40, 50), "TYX")

    result = ns.run(ns.denoise(denoiser(), image, tmp_path / "out.tif", device="cpu"))
    again = ns.run(ns.denoise(denoiser(), image, tmp_path / "out.tif", device="cpu"))

    assert result.shape == again.shape == (1, 40, 50)


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
def test_outputs_hold_pixels_scale_and_units(tmp_path, suffix):
    image = ns.Image(
        shots(2, 3, 40, 50), "TCYX", scale={"Y": 0.5, "X": 0.5}, units={"Y": "um", "X": "um"}
    )
    model, out = denoiser(3), tmp_path / f"out{suffix}"
    expected = ns.run(ns.denoise(model, image, device="cpu"))

    ns.run(ns.denoise(model, image, out, device="cpu"))

    written = ns.read_image(out)
    assert written.axes == "TCYX"
    assert written.scale["Y"] == 0.5
    assert written.dtype == np.float32
    np.testing.assert_allclose(np.asarray(written.data), expected, atol=1e-3)
    again = ns.denoise(model, image, out, device="cpu")
    ns.run(again)
    assert "nothing to do" in again.note


def test_large_zarr_goes_in_and_comes_out_with_a_pyramid(tmp_path):
    store = zarr.create_array(
        tmp_path / "in.zarr", shape=(1100, 1300), dtype=np.uint8, chunks=(256, 256)
    )
    store[:] = shots(1100, 1300)
    job = ns.denoise(denoiser(), tmp_path / "in.zarr", tmp_path / "out.zarr", tile=256)

    ns.run(job)

    small = np.asarray(job.levels[1])
    full = np.asarray(job.levels[0])
    assert [level.shape for level in job.levels] == [(1100, 1300), (550, 650)]
    np.testing.assert_allclose(small, full.reshape(550, 2, 650, 2).mean(axis=(1, 3)), atol=1e-2)


def test_a_stopped_run_goes_on(tmp_path):
    model, image, out = denoiser(), shots(2, 200, 200), tmp_path / "out.zarr"
    job = ns.denoise(model, ns.Image(image, "TYX"), out, tile=48, device="cpu")
    for step in job:
        if step.done == 3:
            job.stop()
    assert not out.exists()

    again = ns.denoise(model, ns.Image(image, "TYX"), out, tile=48, device="cpu")
    first = next(iter(again))
    ns.run(again)

    expected = ns.run(ns.denoise(model, ns.Image(image, "TYX"), tile=48, device="cpu"))
    assert first.done > 1
    np.testing.assert_array_equal(np.asarray(again.result), expected)


def test_other_models_and_images_are_refused():
    image = shots(40, 50)

    with pytest.raises(ns.InputError, match="denoiser: use denoise"):
        ns.segment(denoiser(), image)
    with pytest.raises(ns.InputError, match=r"3 channels.*1 channel"):
        ns.denoise(denoiser(), ns.Image(shots(3, 40, 50), "CYX"))
    with pytest.raises(ns.InputError, match="needs a Z axis"):
        ns.denoise(denoiser(1, 3), ns.Image(image, "YX"))


def test_an_image_unlike_the_training_images_is_named():
    job = ns.denoise(denoiser(), shots(64, 64).astype(np.uint16) * 50)

    assert "do not trust" in job.note
    assert ns.denoise(denoiser(), shots(64, 64)).note == ""


def test_what_was_removed_and_what_is_left_make_the_image(tmp_path):
    image = ns.Image(shots(2, 3, 40, 48), "TCYX")
    model = denoiser().changed(channels=(2,), image_channels=3)
    result = ns.run(ns.denoise(model, image, device="cpu"))

    noise = removed_noise(image, result, [2])
    path = write_removed(tmp_path / "out.tif", image, result, [2])

    np.testing.assert_allclose(np.asarray(noise.data) + result, image.data[:, 2], atol=1e-3)
    np.testing.assert_allclose(np.asarray(ns.read_image(path).data), noise.data, atol=1e-3)


def test_what_was_removed_is_judged():
    rng = np.random.default_rng(0)
    clean = 100 + 50 * np.sin(np.arange(256) / 9)[:, None] * np.sin(np.arange(256) / 7)
    image = ns.Image((clean + rng.normal(0, 10, clean.shape)).astype(np.float32), "YX")

    good = check_removed_from(image, clean.astype(np.float32), [0])
    bad = check_removed_from(image, np.full_like(image.data, 100), [0])

    assert good.is_clean
    assert not bad.is_clean


@pytest.mark.parametrize("axes", ["TYX", "TCYX"])
@pytest.mark.parametrize("cache", [2**27, 2**15])
def test_windows_are_those_of_the_denoised_copy(axes, cache, monkeypatch):
    monkeypatch.setattr("napari_scribe.inference.denoise.denoised_image.CACHE", cache)
    shape = (2, 200, 210) if axes == "TYX" else (2, 3, 200, 210)
    image = ns.Image(shots(*shape), axes)
    model = denoiser(image.n_channels)
    whole = ns.run(ns.denoise(model, image, tile=48, device="cpu"))

    seen = denoised_image(model, image, device="cpu")

    assert (seen.axes, seen.shape) == (axes, whole.shape)
    for window in [
        (slice(0, 200), slice(0, 210)),
        (slice(37, 61), slice(101, 107)),
        (slice(90, 200), slice(3, 140)),
    ]:
        read = seen.read((("T", 1),), window)
        expected = ns.Image(whole, axes).read((("T", 1),), window)
        np.testing.assert_allclose(read, expected, atol=20 * 1e-5)


def test_volumes_are_seen_slice_by_slice_or_whole():
    image = ns.Image(shots(8, 60, 70), "ZYX")
    model = denoiser(1, 3)
    whole = ns.run(ns.denoise(model, image, device="cpu"))
    window = (slice(3, 50), slice(0, 70))

    seen = denoised_image(model, image, device="cpu")

    np.testing.assert_allclose(seen.read((("Z", 5),), window)[0], whole[5, 3:50], atol=20 * 1e-5)
    np.testing.assert_allclose(
        seen.read((), (slice(2, 6), *window))[0], whole[2:6, 3:50], atol=20 * 1e-5
    )


@pytest.fixture(scope="module")
def cells() -> ns.Image:
    return ns.Image(shots(160, 180, seed=3), "YX", name="cells")


@pytest.fixture(scope="module")
def model(cells) -> ns.Model:
    image = cells
    paint = np.zeros(image.shape, np.int32)
    paint[10:60, 10:60], paint[20:40, 20:40], paint[90:120, 90:140] = 1, 2, 3
    recipe = parse_recipe({"network": {"depth": 1, "width": 4}, "training": {"patch": 32}})
    job = ns.train([image], [paint], recipe, steps=5, device="cpu", denoiser=denoiser())
    return ns.run(job)


def test_both_travel_in_one_file(model, tmp_path):
    loaded = ns.load_model(model.save(tmp_path / "both.zip"))

    assert loaded.denoiser is not None
    assert loaded.denoiser.fingerprint() == model.denoiser.fingerprint()
    assert loaded.fingerprint() == model.fingerprint()
    assert loaded.fingerprint() != loaded.changed(denoiser=None).fingerprint()


def test_labels_are_those_of_two_runs_with_a_copy_between(model, cells):
    image = cells
    copy = ns.run(ns.denoise(model.denoiser, image, tile=48, device="cpu"))
    expected = ns.run(ns.segment(model.changed(denoiser=None), copy, device="cpu"))

    labels = ns.run(ns.segment(model, image, tile=32, device="cpu"))

    np.testing.assert_array_equal(labels, expected)


def test_fine_tuning_keeps_the_denoiser(model, cells):
    image = cells
    paint = np.zeros(image.shape, np.int32)
    paint[10:60, 10:60], paint[20:40, 20:40] = 1, 2

    tuned = ns.run(ns.train([image], [paint], start=model, steps=2, device="cpu", keep_worse=True))

    assert tuned.denoiser is not None
    with pytest.raises(ns.InputError, match="without this denoiser"):
        ns.train([image], [paint], start=model, denoiser=denoiser(seed=5))
