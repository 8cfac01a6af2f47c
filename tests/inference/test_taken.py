"""Outputs that more than one wants: nothing is mixed, nothing replaced unasked, nothing lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_scribe.errors import InputError, InUseError, TakenError
from napari_scribe.image import Image
from napari_scribe.inference.segment import segment
from napari_scribe.io import create_zarr, read_image, read_labels, write_tiff
from napari_scribe.model import Model
from napari_scribe.progress import run

pytestmark = pytest.mark.usefixtures("in_float32")


@pytest.fixture(scope="module")
def other(model: Model) -> Model:
    return model.changed(parameters={"min_size": 9.0, "peak": 0.0})


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 4000, (24, 40)).repeat(4, axis=0).repeat(4, axis=1)
    return (coarse + rng.integers(0, 500, (96, 160))).astype(np.uint16)


def begin(model: Model, pixels: Any, out: Path | None, **options: Any) -> Any:
    return segment(model, pixels, out, tile=32, device="cpu", **options)


def some_steps(job: Any, n: int = 4) -> None:
    for _ in range(n):
        next(job)


def is_that_of(out: Path, model: Model, pixels: np.ndarray) -> bool:
    return np.array_equal(read_labels(out), run(begin(model, pixels, None)))


# ---- jobs at the same time ----------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
@pytest.mark.parametrize("parts", [(None, None), ((1, 2), (2, 2))])
def test_jobs_of_two_models_are_kept_apart(
    model: Model, other: Model, pixels: np.ndarray, tmp_path: Path, suffix: str, parts: Any
) -> None:
    """Both are made before one of them begins."""
    out = tmp_path / f"a{suffix}"
    first = begin(model, pixels, out, part=parts[0])
    second = begin(other, pixels, out, part=parts[1])
    next(first)
    with pytest.raises(TakenError, match="unfinished result of another model"):
        run(second)
    run(first)
    if parts[0]:
        run(begin(model, pixels, out))
    assert is_that_of(out, model, pixels)


def test_two_jobs_of_the_same_are_kept_apart(
    model: Model, pixels: np.ndarray, tmp_path: Path
) -> None:
    out = tmp_path / "a.tif"
    first, second = (begin(model, pixels, out) for _ in range(2))
    some_steps(first)
    with pytest.raises(InUseError, match=r"Another job of this program is at work on .*close it"):
        next(second)
    run(first)
    assert is_that_of(out, model, pixels)


def test_overwrite_takes_nothing_from_a_job_that_is_at_work(
    model: Model, other: Model, pixels: np.ndarray, tmp_path: Path
) -> None:
    out = tmp_path / "a.tif"
    first = begin(model, pixels, out)
    some_steps(first)
    with pytest.raises(InUseError):
        run(begin(other, pixels, out, overwrite=True))
    run(first)
    assert is_that_of(out, model, pixels)
    run(begin(other, pixels, out, overwrite=True))
    assert is_that_of(out, other, pixels)


def test_a_job_that_is_made_anew_in_place_of_one_that_was_broken_off(
    model: Model, pixels: np.ndarray, tmp_path: Path
) -> None:
    """As in a notebook, where a cell is run once more."""
    job = begin(model, pixels, tmp_path / "a.tif")
    some_steps(job)
    job = begin(model, pixels, tmp_path / "a.tif")
    assert next(job).done > 4
    run(job)
    assert is_that_of(tmp_path / "a.tif", model, pixels)


# ---- outputs that appear meanwhile --------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
@pytest.mark.parametrize("what", ["a", "a.probability"])
def test_what_appeared_meanwhile_is_not_replaced(
    model: Model, pixels: np.ndarray, tmp_path: Path, suffix: str, what: str
) -> None:
    """The result is kept beside it, with its maps."""
    options, taken = {"save": ("labels", "probability")}, tmp_path / f"{what}{suffix}"
    job = begin(model, pixels, tmp_path / f"a{suffix}", **options)
    some_steps(job)
    if suffix == ".zarr":
        create_zarr(taken, (5, 5), "u1", "YX")[:] = 7
    else:
        write_tiff(taken, np.full((5, 5), 7, np.uint8))
    with pytest.raises(TakenError, match=rf"appeared.* is kept in .*a-2{suffix} instead"):
        run(job)
    assert (np.asarray(read_labels(taken)) == 7).all()
    assert is_that_of(tmp_path / f"a-2{suffix}", model, pixels)
    assert read_image(tmp_path / f"a-2.probability{suffix}").shape[-2:] == pixels.shape
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        [taken.name, f"a-2{suffix}", f"a-2.probability{suffix}"]
    )


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
def test_with_overwrite_it_is(
    model: Model, pixels: np.ndarray, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"a{suffix}"
    job = begin(model, pixels, out, overwrite=True)
    some_steps(job)
    if suffix == ".zarr":
        create_zarr(out, (5, 5), "u1", "YX")
    else:
        write_tiff(out, np.full((5, 5), 7, np.uint8))
    run(job)
    assert is_that_of(out, model, pixels)
    assert [p.name for p in tmp_path.iterdir()] == [out.name]


# ---- links --------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_is_followed(
    model: Model, pixels: np.ndarray, tmp_path: Path, suffix: str, is_there: bool
) -> None:
    real, link = tmp_path / "disk" / f"real{suffix}", tmp_path / f"a{suffix}"
    real.parent.mkdir()
    link.symlink_to(real)
    if is_there:
        run(begin(model, pixels + 1, real))
        with pytest.raises(TakenError, match="exists already"):
            begin(model, pixels, link)
    run(begin(model, pixels, link, overwrite=is_there))
    assert link.is_symlink() and not real.is_symlink()
    assert is_that_of(real, model, pixels)
    assert "nothing to do" in begin(model, pixels, link).note
    assert [p.name for p in real.parent.iterdir()] == [real.name]


# ---- an image that changes ----------------------------------------------------------------------


def saved(pixels: np.ndarray, path: Path) -> Path:
    if path.suffix == ".zarr":
        zarr.create_array(path, data=pixels, chunks=(32, 32))
    elif path.suffix == ".npy":
        np.save(path, pixels)
    else:
        write_tiff(path, pixels, "YX")
    return path


def changed(path: Path, n: int = 1) -> None:
    """Change a pixel that no sample sees: here, of what the sample is the same."""
    if path.suffix == ".zarr":
        path = next((path / "c").glob("*/1"))
    status = path.stat()
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + n))


@pytest.mark.parametrize("suffix", [".zarr", ".npy", ".tif"])
def test_an_image_that_was_written_to_is_another(
    model: Model, pixels: np.ndarray, tmp_path: Path, suffix: str
) -> None:
    image, out = saved(pixels, tmp_path / f"image{suffix}"), tmp_path / "a.tif"
    job = begin(model, image, out)
    some_steps(job)
    job.stop()
    run(job)
    changed(image)
    with pytest.raises(TakenError, match="as it was before its file changed"):
        begin(model, image, out)
    run(begin(model, image, out, overwrite=True))
    note = begin(model, image, out).note
    assert "same size and time of change" in note and "nothing to do" in note
    changed(image)
    with pytest.raises(TakenError, match=r"made from the same image before its file changed"):
        begin(model, image, out)
    assert begin(model, image, out, overwrite=True).note == ""


def test_a_file_of_a_set_that_was_written_to(
    model: Model, pixels: np.ndarray, tmp_path: Path
) -> None:
    from napari_scribe.io import stamp

    first, second = tmp_path / "a.ome.tif", tmp_path / "b.ome.tif"
    write_tiff(first, pixels, "YX")
    write_tiff(second, pixels, "YX")
    xml = '<OME><TiffData><UUID FileName="b.ome.tif"/></TiffData></OME>'
    import tifffile

    tifffile.imwrite(first, pixels, description=xml, metadata=None)
    before = stamp(first, None)
    assert before == stamp(first, None)
    changed(second)
    assert stamp(first, None) != before


def test_of_an_array_the_sample_is_compared(
    model: Model, pixels: np.ndarray, tmp_path: Path
) -> None:
    run(begin(model, pixels, tmp_path / "a.tif"))
    note = begin(model, pixels, tmp_path / "a.tif").note
    assert "a sample of the pixels" in note and "time of change" not in note


# ---- what is left by what was killed ------------------------------------------------------------

KILLED = """
import os, sys
from pathlib import Path
import napari_scribe as ns

n = int(sys.argv[4])

def counted(real):
    def call(*args, **options):
        global n
        n -= 1
        if n == 0:
            os.kill(os.getpid(), 9)
        return real(*args, **options)
    return call

for owner, name in [(os, "replace"), (os, "link"), (Path, "rename"), (Path, "mkdir")]:
    setattr(owner, name, counted(getattr(owner, name)))
ns.run(ns.segment(ns.load_model(sys.argv[1]), ns.read_image(sys.argv[2]), sys.argv[3],
                  tile=96, device="cpu", overwrite=sys.argv[5] == "True"))
print("done", flush=True)
"""


@pytest.mark.parametrize(("suffix", "overwrite"), [(".tif", False), (".zarr", True)])
def test_killed_at_any_step_on_the_disk_nothing_is_left(
    model: Model,
    pixels: np.ndarray,
    tmp_path: Path,
    child: Callable[..., Any],
    suffix: str,
    overwrite: bool,
) -> None:
    """The old result is there until the new one is, and the next run takes away what is left."""
    image, file = saved(pixels, tmp_path / "image.npy"), model.save(tmp_path / "m.zip")
    out = tmp_path / "out" / f"a{suffix}"
    if overwrite:
        run(begin(model, pixels + 1, out))
    for n in range(1, 80, 6):
        with child(KILLED, file, image, out, n, overwrite) as one:
            is_done = b"done" in one.stdout.read()
        if is_done:
            break
        assert one.wait() == -9
        if overwrite:
            begin(model, pixels + 1, out, overwrite=True)  # puts in order what is there
            read_labels(out)
    else:
        pytest.fail("It never came to its end.")
    assert n > 10
    assert is_that_of(out, model, pixels)
    assert [p.name for p in out.parent.iterdir()] == [out.name]


def test_a_folder_that_was_left_after_the_result_was_in_place(
    model: Model, pixels: np.ndarray, tmp_path: Path
) -> None:
    out = tmp_path / "a.tif"
    job = begin(model, pixels, out)
    some_steps(job)
    job.stop()
    run(job)
    os.rename(tmp_path / ".a.tif.part", tmp_path / "kept")
    run(begin(model, pixels, out))
    os.rename(tmp_path / "kept", tmp_path / ".a.tif.part")
    assert "nothing to do" in begin(model, pixels, out).note
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


# ---- what is refused before any work ------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("n" * 219 + ".tif", ""),
        ("n" * 240 + ".tif", "name in it is too long"),
        ("n" * 300 + ".zarr", "name in it is too long"),
        (f"{'n' * 300}/a.tif", "name in it is too long"),
        ("\udcff.tif", r"\\udcff.tif: it has bytes that are no text in UTF-8"),
        ("a.png", "results go to .tif or .zarr"),
    ],
)
def test_names_that_cannot_be_had(
    model: Model, pixels: np.ndarray, tmp_path: Path, name: str, said: str
) -> None:
    if not said:
        run(begin(model, pixels, tmp_path / name))
        assert (tmp_path / name).exists()
        return
    with pytest.raises(InputError, match=said):
        begin(model, pixels, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_map_has_a_longer_name(model: Model, pixels: np.ndarray, tmp_path: Path) -> None:
    out = tmp_path / f"{'n' * 212}.tif"
    with pytest.raises(InputError, match=r"\.probability\.tif: a name in it is too long"):
        begin(model, pixels, out, save=("labels", "probability"))
    begin(model, pixels, out)


@pytest.mark.parametrize("suffix", [".TIF", ".Tiff", ".ZARR"])
def test_suffixes_in_capitals(
    model: Model, pixels: np.ndarray, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"O{suffix}"
    job = begin(model, pixels, out, save=("labels", "probability"))
    run(job)
    assert is_that_of(out, model, pixels)
    assert "nothing to do" in begin(model, pixels, out, save=("labels", "probability")).note
    assert job.probability.shape == (1, *pixels.shape)


class Huge:
    """An array that is larger than any disk."""

    shape, dtype, ndim = (10**7, 10**7), np.dtype(np.uint16), 2

    def __getitem__(self, index: Any) -> np.ndarray:
        shape = [len(range(*s.indices(10**7))) for s in index]
        return np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
def test_what_is_too_large_for_the_disk_is_said_at_once(
    model: Model, tmp_path: Path, suffix: str
) -> None:
    with pytest.raises(InputError, match=r"needs up to \d[\d.]* PB, and .* has .* left"):
        begin(model, Image(Huge(), "YX"), tmp_path / f"a{suffix}")
    assert not list(tmp_path.iterdir())


def test_too_many_parts(model: Model, pixels: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be shared among 99999999999: use at most"):
        begin(model, pixels, tmp_path / "a.tif", part=(1, 99999999999))
