"""The network sees objects at the size it knows, and answers on the image's own pixels."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_scribe.errors import InputError, TakenError
from napari_scribe.evaluation.metrics import evaluate
from napari_scribe.image import Image
from napari_scribe.inference.decoding import decode, maps_to_decode
from napari_scribe.inference.own_pixels import OwnLabels, OwnPixels
from napari_scribe.inference.seams import seam_test
from napari_scribe.inference.segment import segment
from napari_scribe.inference.source import source_of
from napari_scribe.inference.store.sinks import Folder, Memory
from napari_scribe.io import read_image, read_labels
from napari_scribe.model import Model
from napari_scribe.progress import run
from napari_scribe.resampling import ResampledLabels, resampled

pytestmark = pytest.mark.usefixtures("in_float32")
SIZE = 24.0


@pytest.fixture(scope="module")
def model(random_model: Callable[..., Model]) -> Model:
    return random_model().changed(object_size=SIZE)


def blobs(height: int, width: int, side: int, seed: int = 0) -> np.ndarray:
    """Squares of noise, so that there is something to find."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 4000, (height // side, width // side))
    pixels = coarse.repeat(side, axis=0).repeat(side, axis=1)
    return (pixels + rng.integers(0, 300, pixels.shape)).astype(np.uint16)


LARGE = blobs(240, 320, 16)
SMALL = blobs(60, 84, 3)
CASES = [(LARGE, 96.0), (LARGE, 65.0), (SMALL, 8.0), (SMALL, 14.1)]


def labels_of(model: Model, image: Any, **options: Any) -> np.ndarray:
    return np.asarray(run(segment(model, image, device="cpu", **options)))


def assert_alike(labels: np.ndarray, expected: np.ndarray) -> None:
    """Compare labels; tiles change answers by 1e-6, so an object at a threshold may come or go."""
    assert labels.shape == expected.shape
    assert np.count_nonzero((labels > 0) != (expected > 0)) <= 1e-3 * labels.size
    assert evaluate(labels, expected, pieces=False).ap[-1] > 0.98  # at an IoU of .95


def begin(model: Model, out: Path, pixels: np.ndarray = LARGE, **options: Any) -> Any:
    chosen = {"tile": 32, "object_size": 96.0, **options}
    return segment(model, Image(pixels, "YX"), out, device="cpu", **chosen)


@pytest.mark.parametrize(("pixels", "size"), CASES)
def test_the_answer_is_that_for_the_resampled_image_however_it_is_tiled(
    model: Model, pixels: np.ndarray, size: float
) -> None:
    factor = SIZE / size
    working = np.asarray(resampled(Image(pixels), {"Y": factor, "X": factor}).data)
    on_grid = labels_of(model, Image(working), object_size=SIZE)
    inverse = (1 / factor, 1 / factor)
    expected = np.asarray(ResampledLabels(on_grid, inverse, pixels.shape, is_smooth=True))
    assert len(np.unique(expected)) > 5
    for tile in (16, 64):
        labels = labels_of(model, Image(pixels), object_size=size, tile=tile)
        assert_alike(labels, expected)


@pytest.mark.parametrize(("pixels", "size"), [CASES[1], CASES[3]])
def test_objects_are_made_again_as_the_run_makes_them(
    model: Model, pixels: np.ndarray, size: float
) -> None:
    options = {"object_size": size, "save": ("labels", *maps_to_decode(model)), "device": "cpu"}
    job = segment(model, Image(pixels), **options)
    labels = run(job)
    assert job.maps_to_decode["probability"].shape[1:] != pixels.shape
    np.testing.assert_array_equal(decode(model, job.maps_to_decode), labels)
    other = {"foreground": 0.55, "min_size": 12}
    again = labels_of(model, Image(pixels), object_size=size, decoding=other)
    np.testing.assert_array_equal(decode(model, job.maps_to_decode, other), again)


def test_objects_near_the_size_of_the_model_change_nothing(model: Model) -> None:
    expected = labels_of(model.changed(object_size=None), Image(LARGE))
    for size in (24, 35, 17):
        np.testing.assert_array_equal(labels_of(model, Image(LARGE), object_size=size), expected)


def test_models_without_a_size_and_sizes_without_sense_are_refused(
    model: Model, random_model: Callable[..., Model]
) -> None:
    image = Image(LARGE)
    with pytest.raises(InputError, match="does not know the size of the objects"):
        segment(random_model(), image, object_size=24)
    with pytest.raises(InputError, match="Objects of 0 px make no sense"):
        segment(model, image, object_size=0)
    with pytest.raises(InputError, match=r"240 x 320 px to 2 x 3 px: nothing can be found"):
        segment(model, image, object_size=2500)
    with pytest.raises(InputError, match=r"px, which needs .* of memory, and .* are free"):
        segment(model, image, object_size=0.001)


@pytest.fixture
def own(model: Model, monkeypatch: pytest.MonkeyPatch) -> tuple[OwnPixels, np.ndarray]:
    """Six windows of own pixels, and labels on a grid of a quarter: object 2 is one pixel."""
    monkeypatch.setattr("napari_scribe.inference.own_pixels.SIDE", {2: (128, 128)})
    source = source_of(model, Image(LARGE), None, None).on_grid(0.25)
    labels = np.zeros(source.shape, np.uint8)
    labels[5:12, 5:14], labels[20, 20], labels[30:50, 33:60], labels[2:9, 65:75] = 1, 2, 3, 4
    return OwnPixels(source), labels


def test_numbers_have_no_gap_where_an_object_vanishes(own: tuple[OwnPixels, np.ndarray]) -> None:
    pixels, labels = own
    seen = np.asarray(pixels.labels(labels))
    assert np.unique(seen).tolist() == [0, 1, 3, 4]
    expected = np.array([0, 1, 0, 2, 3])[seen]
    np.testing.assert_array_equal(pixels.whole_labels(labels), expected)
    final = np.zeros(seen.shape, np.uint8)
    objects = OwnLabels(pixels, final, Memory(), 4)
    assert list(objects.write(labels)) == [1, 2, 3, 4, 5, 6, *[6] * 6]
    assert objects.n_objects == 3
    np.testing.assert_array_equal(final, expected)
    classes = OwnLabels(pixels, np.zeros_like(final), Memory(), None)
    assert list(classes.write(labels)) == [1, 2, 3, 4, 5, 6]
    np.testing.assert_array_equal(classes.final, seen)


@pytest.mark.parametrize("lost", ["", "chunk", "numbers"])
def test_numbers_have_no_gap_wherever_the_process_died(
    own: tuple[OwnPixels, np.ndarray], tmp_path: Path, lost: str
) -> None:
    pixels, labels = own
    expected = pixels.whole_labels(labels)
    for n in range(1, 12):

        def begun(name: str = f"run-{n}") -> OwnLabels:
            sink = Folder(tmp_path / name, "run")
            sink.begin(dict)
            final = sink.array("labels", expected.shape, np.uint8, (128, 128))
            objects = OwnLabels(pixels, final, sink, 4)
            objects.forget_lost()
            return objects

        for _ in zip(range(n), begun().write(labels), strict=False):
            pass  # the process dies
        gone = {"chunk": "labels/c/0/1", "numbers": "renumbering/numbers.npz"}
        if lost:
            (tmp_path / f"run-{n}" / gone[lost]).unlink(missing_ok=True)
        objects = begun()
        assert len(list(objects.write(labels))) in (6, 12) and objects.n_objects == 3
        np.testing.assert_array_equal(objects.final[:], expected)


@pytest.mark.parametrize("suffix", [".zarr", ".tif"])
@pytest.mark.parametrize(("pixels", "size"), [CASES[1], CASES[3]])
def test_files_hold_the_same_as_memory(
    model: Model, tmp_path: Path, suffix: str, pixels: np.ndarray, size: float
) -> None:
    options = {"save": ("labels", "distance"), "object_size": size, "tile": 32}
    job = segment(model, Image(pixels), device="cpu", **options)
    expected = run(job)
    maps = dict(job.maps)
    assert maps["distance"].shape == (1, *pixels.shape) and maps["distance"].dtype == np.float16
    out = tmp_path / f"a{suffix}"
    job = begin(model, out, pixels, **options)
    steps = list(job)
    assert [s.done for s in steps] == sorted(s.done for s in steps)
    assert "pixels" in {s.phase for s in steps} and steps[-1].done == steps[-1].total
    assert job.n_objects == expected.max() > 5
    assert len(np.unique(expected)) == job.n_objects + 1
    assert_alike(np.asarray(job.result), expected)
    assert_alike(np.asarray(read_labels(out)), expected)
    written = np.asarray(read_image(out.with_name(f"a.distance{suffix}")).data)
    np.testing.assert_array_equal(np.squeeze(written), maps["distance"][0].astype(np.float32))
    again = begin(model, out, pixels, **options)
    assert list(again) == [] and "nothing to do" in again.note


def test_a_stack_goes_slice_by_slice(model: Model, tmp_path: Path) -> None:
    stack = np.stack([LARGE, LARGE[::-1], 0 * LARGE])
    image = Image(stack, "ZYX", scale={"Z": 2.0, "Y": 0.5, "X": 0.5}, units={"Y": "micrometer"})
    run(segment(model, image, tmp_path / "a.zarr", object_size=96, device="cpu"))
    read = read_image(tmp_path / "a.zarr")
    assert read.shape == stack.shape and read.scale["X"] == 0.5
    assert_alike(np.asarray(read.data), labels_of(model, image, object_size=96))
    assert not np.asarray(read.data[2]).any() and np.asarray(read.data[1]).any()


def test_volumes_change_in_the_plane_alone(random_model: Callable[..., Model]) -> None:
    model = random_model(dimensions=3, depth=1).changed(object_size=SIZE)
    volume = np.stack([blobs(96, 128, 8, seed=z // 3) for z in range(9)])
    options = {"object_size": 48.0, "save": ("labels", "probability")}
    job = segment(model, Image(volume, "ZYX"), device="cpu", **options)
    labels = run(job)
    working = np.asarray(resampled(Image(volume, "ZYX"), {"Y": 0.5, "X": 0.5}).data)
    on_grid = labels_of(model, Image(working, "ZYX"), object_size=SIZE)
    expected = np.asarray(ResampledLabels(on_grid, (1.0, 2.0, 2.0), volume.shape, is_smooth=True))
    assert expected.max() > 1
    assert_alike(labels, expected)
    assert job.maps["probability"].shape == (1, *volume.shape)


@pytest.mark.parametrize("suffix", [".zarr", ".tif"])
def test_a_run_that_was_stopped_goes_on_in_every_phase(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr("napari_scribe.inference.own_pixels.SIDE", {2: (128, 128)})
    expected = labels_of(model, Image(LARGE), object_size=65)
    out, phases = tmp_path / f"a{suffix}", []
    for n in (3, 4, 6, 1, 1, 1):
        job = begin(model, out, object_size=65)
        for i, step in enumerate(job, start=1):
            phases.append(step.phase)
            assert job.so_far.shape == LARGE.shape
            if i == n:
                job.stop()
        if job.is_complete:
            break
    else:
        run(begin(model, out, object_size=65))
    assert {"tiles", "pixels"} <= set(phases)
    assert_alike(np.asarray(read_labels(out)), expected)


def test_what_is_deleted_between_is_done_again(model: Model, tmp_path: Path) -> None:
    expected = labels_of(model, Image(LARGE), object_size=65)
    for name in ("ids", "provisional", "a.zarr/0"):
        out = tmp_path / "a.zarr"
        job = begin(model, out, object_size=65)
        for step in job:
            if step.phase == "pixels":
                job.stop()
        (folder,) = (p for p in tmp_path.iterdir() if (p / "run.json").exists())
        chunks = [p for p in (folder / name).rglob("*") if p.is_file() and p.name != "zarr.json"]
        assert chunks
        chunks[0].unlink()
        run(begin(model, out, object_size=65))
        assert_alike(np.asarray(read_labels(out)), expected)
        shutil.rmtree(out)


def test_the_size_is_a_part_of_what_a_result_was_begun_with(model: Model, tmp_path: Path) -> None:
    out = tmp_path / "a.tif"
    job = begin(model, out)
    next(iter(job))
    job.stop()
    for _ in job:
        pass
    with pytest.raises(TakenError, match="unfinished result of another model, image or setting"):
        run(begin(model, out, object_size=60))
    assert_alike(np.asarray(run(begin(model, out))), labels_of(model, LARGE, object_size=96))


@pytest.mark.parametrize("size", [96.0, 65.0])
def test_a_region_is_answered_as_in_the_whole_image(model: Model, size: float) -> None:
    maps = ("labels", "probability")
    options = {"object_size": size, "save": maps, "tile": 32, "device": "cpu"}
    whole = segment(model, Image(LARGE), **options)
    region = {"Y": slice(51, 167), "X": slice(125, 320)}
    part = segment(model, Image(LARGE), region=region, **options)
    labels = run(whole), run(part)
    window = tuple(part.region[a] for a in "YX")
    assert labels[1].shape == labels[0][window].shape
    expected = whole.maps["probability"][(slice(None), *window)]
    np.testing.assert_allclose(part.maps["probability"], expected, atol=2e-3)
    # Objects that the edge of the region cuts may be found otherwise.
    assert ((labels[1] > 0) != (labels[0][window] > 0)).mean() < 0.02


def test_there_are_no_seams(model: Model) -> None:
    seams = run(seam_test(model, Image(LARGE), tile=32, object_size=65, device="cpu"))
    assert seams.largest < 1e-4 and seams.n_pixels > 1000


def test_workers_share_a_run(model: Model, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    zarr.save_array(tmp_path / "image.zarr", LARGE, path="")
    image = read_image(tmp_path / "image.zarr", "YX")
    out = tmp_path / "a.zarr"
    run(segment(model, image, out, object_size=65, tile=64, workers=1, device="cpu"))
    expected = labels_of(model, Image(LARGE), object_size=65)
    assert_alike(np.asarray(read_labels(out)), expected)


@pytest.mark.parametrize("task", ["objects", "classes"])
def test_slices_are_brought_to_the_distance_that_the_model_knows(
    random_model: Callable[..., Model], tmp_path: Path, task: str
) -> None:
    options = {"painted": (1, 2, 3)} if task == "classes" else {}
    model = random_model(task, dimensions=3, depth=1, **options).changed(thickness=2.0)
    maps = maps_to_decode(model) if task == "objects" else ("probability",)
    pixels = np.stack([blobs(32, 40, 8, seed=z // 4) for z in range(16)])
    own = {"Z": 0.5, "Y": 1.0, "X": 1.0}

    def volume(scale: dict[str, float]) -> Image:
        return Image(pixels, "ZYX", scale=scale, units=dict.fromkeys("ZYX", "micrometer"))

    thin = volume(own)
    assert source_of(model, thin, None, None).on_grid(1.0).frame_shape == (4, 32, 40)
    job = segment(model, thin, save=("labels", *maps), device="cpu")
    labels = run(job)
    words = "Slices that lie 0.5 px apart were brought to the 2 px that the model knows."
    assert job.size_note == words
    unaware = model.changed(thickness=None)
    working = np.asarray(resampled(Image(pixels, "ZYX"), {"Z": 0.25}).data)
    on_grid = labels_of(unaware, Image(working, "ZYX"))
    assert on_grid.max() > 2
    expected = np.asarray(ResampledLabels(on_grid, (4.0, 1.0, 1.0), pixels.shape, is_smooth=True))
    assert_alike(labels, expected)
    assert job.maps["probability"].shape[1:] == pixels.shape
    if task == "objects":
        np.testing.assert_array_equal(decode(model, job.maps_to_decode), labels)
    out = tmp_path / "a.tif"
    run(segment(model, thin, out, device="cpu"))
    assert_alike(np.asarray(read_labels(out)), labels)
    with pytest.raises(TakenError):  # the scale is a part of what a result was made with
        segment(model, volume({**own, "Z": 2.0}), out, device="cpu")
    for same in (volume({**own, "Z": 2.0}), volume({**own, "Z": 1.4}), Image(pixels, "ZYX")):
        source = source_of(model, same, None, None)
        assert source.on_grid(1.0) is source
