"""What others delete in the folder of a run while it goes on is noticed, and done again."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_scribe.errors import DamagedError
from napari_scribe.image import Image
from napari_scribe.inference.segment import segment
from napari_scribe.inference.store import results
from napari_scribe.io import open_levels, read_labels
from napari_scribe.model import Model
from napari_scribe.progress import run

pytestmark = pytest.mark.usefixtures("in_float32")
TILE = 32
SHAPE = (2, 96, 160)
LARGE = (64, 1100)
"""Has a smaller copy in a zarr."""


@pytest.fixture(scope="module")
def objects(random_model: Callable[..., Model]) -> Model:
    return random_model()


@pytest.fixture(scope="module")
def classes(random_model: Callable[..., Model]) -> Model:
    return random_model("classes", painted=(1, 2, 3))


@pytest.fixture(scope="module")
def stack() -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 4000, (2, 24, 40)).repeat(4, axis=1).repeat(4, axis=2)
    return (coarse + rng.integers(0, 500, SHAPE)).astype(np.uint16)


def begin(model: Model, pixels: np.ndarray, out: Path | None, **options: Any) -> Any:
    image = Image(pixels, "ZYX" if pixels.ndim == 3 else "YX")
    return segment(model, image, out, tile=TILE, device="cpu", **options)


def deleted(folder: Path, pattern: str) -> bool:
    """Delete all that fits, or the folder; whether there was any."""
    found = list(folder.glob(pattern)) if pattern else [folder]
    for path in found:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)  # somebody writes to it
        else:
            path.unlink(missing_ok=True)
    return bool(found)


def steps_until(job: Iterator[Any], phase: str, n: int) -> None:
    """Go on until so many steps of a phase are done."""
    for step in job:
        n -= step.phase == phase
        if n <= 0:
            return


WORK = {
    "": "tiles",  # all of it
    "run.json": "tiles",
    "frame-0": "tiles",
    "frame-0/prediction": "tiles",
    "frame-0/prediction/c/0/0": "tiles",
    "frame-0/prediction/zarr.json": "tiles",
    "*.log": "tiles",
    "**/*.log": "tiles",
    "provisional": "numbers",
    "provisional/c/1": "numbers",
    "objects/*.npz": "tiles",
    "probability/c/0/0/0": "tiles",
    "probability": "numbers",
    "**/c/**/0": "numbers",
}


@pytest.mark.parametrize(("what", "suffix"), list(zip(WORK, itertools.cycle([".zarr", ".tif"]))))
def test_what_is_deleted_is_done_again(
    objects: Model, stack: np.ndarray, tmp_path: Path, what: str, suffix: str
) -> None:
    """By the job itself, and by the same call after a stop."""
    options = {"save": ("labels", "probability")}
    expected = begin(objects, stack, None, **options)
    run(expected)
    for how in ("goes on", "stops"):
        out = tmp_path / how / f"a{suffix}"
        job = begin(objects, stack, out, **options)
        steps_until(job, WORK[what], 12 if WORK[what] == "tiles" else 1)
        if how == "stops":
            job.stop()
            run(job)
        deleted(out.parent / f".a{suffix}.part", what)
        run(job if how == "goes on" else begin(objects, stack, out, **options))
        np.testing.assert_array_equal(read_labels(out), expected.result)
        again = begin(objects, stack, out, **options)
        assert "nothing to do" in again.note
        run(again)
        np.testing.assert_array_equal(np.asarray(again.probability), expected.probability)
        assert not list(out.parent.glob(".*"))


@pytest.mark.parametrize("kind", ["objects", "classes"])
@pytest.mark.parametrize("what", ["labels", "probability"])
@pytest.mark.parametrize("is_deleted", [True, False])
def test_chunks_that_are_lost_while_results_are_written_are_made_again(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    stack: np.ndarray,
    tmp_path: Path,
    kind: str,
    what: str,
    is_deleted: bool,
) -> None:
    """Deleted, or damaged so that nothing can decode them."""
    model: Model = request.getfixturevalue(kind)
    options = {"save": ("labels", "probability")}
    expected = begin(model, stack, None, **options)
    run(expected)
    write, n_writes = results.write_tiff, itertools.count()

    def lose_and_write(path: Path, *args: Any, **kwargs: Any) -> None:
        if path.name != "a.tif":  # a map
            return write(path, *args, **kwargs)
        chunks = [p for p in tmp_path.glob(f".a.tif.part/{what}/c/**/*") if p.is_file()]
        assert chunks
        for chunk in chunks[:2] if next(n_writes) == 0 else ():
            if is_deleted:
                chunk.unlink()
            else:
                chunk.write_bytes(b"no zstd")
        write(path, *args, **kwargs)

    monkeypatch.setattr(results, "write_tiff", lose_and_write)
    out = tmp_path / "a.tif"
    np.testing.assert_array_equal(run(begin(model, stack, out, **options)), expected.result)


@pytest.mark.parametrize(("after", "suffix"), [(2, ".tif"), (10, ".zarr")])
def test_the_folder_of_the_output_is_deleted(
    objects: Model, stack: np.ndarray, tmp_path: Path, after: int, suffix: str
) -> None:
    out = tmp_path / "results" / f"a{suffix}"
    job = begin(objects, stack, out)
    steps_until(job, "tiles", after)
    shutil.rmtree(out.parent, ignore_errors=True)
    run(job)
    np.testing.assert_array_equal(read_labels(out), run(begin(objects, stack, None)))


@pytest.mark.parametrize(
    ("what", "suffix"),
    [("", ".tif"), ("**/c/0", ".zarr"), ("**/c/0/0/0", ".tif"), ("*.json", ".zarr"),
     ("*/*.json", ".zarr")],
)  # fmt: skip
def test_answers_that_tiles_give_at_once(
    classes: Model, stack: np.ndarray, tmp_path: Path, what: str, suffix: str
) -> None:
    out = tmp_path / f"a{suffix}"
    job = begin(classes, stack, out)
    steps_until(job, "tiles", 12)
    (grown,) = (p for p in tmp_path.glob(".a.*.part/*") if p.name in ("labels", "a.zarr"))
    deleted(grown, what)
    run(job)
    np.testing.assert_array_equal(read_labels(out), run(begin(classes, stack, None)))


@pytest.mark.parametrize("task", ["objects", "classes"])
@pytest.mark.parametrize("phase", ["numbers", "pyramid"])
@pytest.mark.parametrize("what", ["", "0/c/0/0", "1", "1/c/0/0"])
def test_the_output_is_damaged_while_it_is_made(
    request: pytest.FixtureRequest, tmp_path: Path, task: str, phase: str, what: str
) -> None:
    model = request.getfixturevalue(task)
    pixels = np.random.default_rng(2).integers(0, 4000, LARGE).astype(np.uint16)
    out = tmp_path / "a.zarr"
    job = begin(model, pixels, out)
    steps_until(job, phase if task == "objects" else "pyramid", 1)
    deleted(tmp_path / ".a.zarr.part" / "a.zarr", what)
    run(job)
    whole = run(begin(model, pixels, None))
    levels = [level[:] for level in open_levels(out)]
    np.testing.assert_array_equal(levels[0], whole)
    np.testing.assert_array_equal(levels[1], whole[::2, ::2])


def test_empty_chunks_of_an_output_are_no_damage(objects: Model, tmp_path: Path) -> None:
    """They take no room, and nothing is done twice for them."""
    pixels = np.full((64, 1100), 7, np.uint16)
    pixels[:32, :32] = np.random.default_rng(0).integers(0, 4000, (32, 32))
    job = begin(objects, pixels, tmp_path / "a.zarr")
    steps = [step.done for step in job]
    assert steps == sorted(steps)
    array = zarr.open_array(tmp_path / "a.zarr" / "0", mode="r")
    assert array.nchunks_initialized < array.nchunks


def test_what_is_deleted_again_and_again_is_said(
    objects: Model, stack: np.ndarray, tmp_path: Path
) -> None:
    job = begin(objects, stack, tmp_path / "a.tif")
    with pytest.raises(DamagedError, match=r"lost again: keep programs that clean up .* away from"):
        for _ in job:
            deleted(tmp_path / ".a.tif.part", "**/c")
    assert not (tmp_path / "a.tif").exists()
    assert job.can_resume


def test_a_chunk_that_cannot_be_decoded(objects: Model, stack: np.ndarray, tmp_path: Path) -> None:
    out = tmp_path / "a.tif"
    job = begin(objects, stack, out)
    steps_until(job, "tiles", 10)
    for chunk in (tmp_path / ".a.tif.part" / "frame-0").glob("prediction/c/*/*/1"):
        chunk.write_bytes(b"nonsense")
    run(job)
    np.testing.assert_array_equal(read_labels(out), run(begin(objects, stack, None)))
