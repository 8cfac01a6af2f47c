"""Labels are written into the OME-Zarr of their image, whole or not at all."""

from __future__ import annotations

import json
import os
import signal
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaozarrs
import zarr

from napari_scribe.errors import InputError, TakenError
from napari_scribe.image import Image
from napari_scribe.inference.segment import segment
from napari_scribe.io import labels_path, read_image, read_labels
from napari_scribe.io.ngff_labels import image_group
from napari_scribe.model import Model
from napari_scribe.progress import run

pytestmark = pytest.mark.usefixtures("in_float32")
PIXELS = np.random.default_rng(0).integers(0, 4000, (2, 16, 20)).repeat(8, 1).repeat(8, 2)
PIXELS = PIXELS.astype(np.uint16)
PLACE = {"scale": [2.0, 0.5, 0.25], "translation": [0.0, 3.0, 0.0]}


def store(path: Path, zarr_format: Any = 3, axes: str = "zyx") -> Path:
    """An OME-Zarr image with two levels, of which the second one is half as wide."""
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    pixels = PIXELS[np.newaxis] if "c" in axes else PIXELS
    kinds = {"c": "channel", "t": "time"}
    entries: list[dict[str, str]] = [
        {"name": a, "type": kinds.get(a, "space")} | ({} if a in kinds else {"unit": "micrometer"})
        for a in axes
    ]
    datasets = []
    for i in range(2):
        names = [{} if zarr_format == 2 else {"dimension_names": list(axes)}][0]
        group.create_array(f"s{i}", data=pixels[..., :: 2**i, :: 2**i], **names)
        by_axis = dict(zip("zyx", PLACE["scale"], strict=True))
        scale = [by_axis.get(a, 1.0) * (2**i if a in "yx" else 1) for a in axes]
        shift = [3.0 if a == "y" else 0.0 for a in axes]
        transforms: list[Any] = [{"type": "scale", "scale": scale}]
        transforms.append({"type": "translation", "translation": shift})
        datasets.append({"path": f"s{i}", "coordinateTransformations": transforms})
    multiscale: dict[str, Any] = {"name": "cells", "axes": entries, "datasets": datasets}
    if zarr_format == 2:
        group.attrs["multiscales"] = [{"version": "0.4", **multiscale}]
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]}
    return path


@pytest.fixture(scope="module")
def expected(model: Model) -> np.ndarray:
    found = np.asarray(run(segment(model, Image(PIXELS, "ZYX"), device="cpu")))
    assert found.max() > 5
    return found


def listed(group: Path) -> list[str]:
    attrs: Any = zarr.open_group(group / "labels", mode="r", use_consolidated=False).attrs
    return list(attrs.get("ome", attrs)["labels"])


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("axes", ["zyx", "czyx"])
def test_labels_lie_in_the_image(
    tmp_path: Path, model: Model, expected: np.ndarray, zarr_format: int, axes: str
) -> None:
    path = store(tmp_path / "cells.ome.zarr", zarr_format, axes)
    out = labels_path(path, "nuclei")
    assert out == path / "labels" / "nuclei"
    labels = run(segment(model, path, out, device="cpu"))
    np.testing.assert_array_equal(labels, expected)
    assert listed(path) == ["nuclei"]
    yaozarrs.validate_zarr_store(path)
    yaozarrs.validate_zarr_store(out)
    again = read_image(out)
    host = read_image(path)
    assert again.axes == "ZYX"
    assert again.scale == host.scale and again.units == host.units
    assert again.translate == host.translate
    np.testing.assert_array_equal(read_labels(out), expected)
    group = zarr.open_group(out, mode="r")
    attrs: Any = group.attrs
    ome = attrs.get("ome", attrs)
    assert group.metadata.zarr_format == zarr_format
    version = ome["version"] if zarr_format == 3 else ome["multiscales"][0]["version"]
    assert version == {2: "0.4", 3: "0.5"}[zarr_format]
    assert ome["image-label"]["source"] == {"image": "../../"}
    assert (out / "../..").resolve() == path.resolve()
    assert [p.name for p in (path / "labels").iterdir() if p.name.startswith(".n")] == []

    job = segment(model, path, out, device="cpu")  # the image is as it was
    assert "nothing to do" in job.note
    run(job)
    second = labels_path(path, "second")
    run(segment(model, path, second, device="cpu"))
    assert listed(path) == ["nuclei", "second"]


def test_a_name_that_is_taken_is_refused_unless_it_may_be_replaced(
    tmp_path: Path, model: Model, expected: np.ndarray, random_model: Callable[..., Model]
) -> None:
    path = store(tmp_path / "cells.ome.zarr")
    out = labels_path(path, "nuclei")
    run(segment(model, path, out, device="cpu"))
    other = random_model(width=2)
    with pytest.raises(TakenError, match="nuclei exists already"):
        segment(other, path, out, device="cpu")
    np.testing.assert_array_equal(read_labels(out), expected)
    run(segment(other, path, out, device="cpu", overwrite=True))
    assert not np.array_equal(read_labels(out), expected)
    assert listed(path) == ["nuclei"]


CHILD = """
import sys
import napari_scribe as ns
job = ns.segment(ns.load_model(sys.argv[1]), sys.argv[2], sys.argv[3], tile=32, device="cpu")
for step in job:
    print(step.done, step.phase, flush=True)
"""


def test_a_killed_run_is_not_listed_and_goes_on(
    tmp_path: Path, model: Model, child: Any, expected: np.ndarray
) -> None:
    path = store(tmp_path / "cells.ome.zarr", 2)
    before = {p.name for p in path.iterdir()}
    out, file = labels_path(path, "nuclei"), model.save(tmp_path / "m.zip")
    with child(CHILD, file, path, out) as process:
        while int(process.stdout.readline().split()[0]) < 12:
            pass
        process.kill()
    assert process.wait() == -signal.SIGKILL
    assert {p.name for p in path.iterdir()} == {*before, "labels"}
    assert not out.exists()
    assert not any((path / "labels" / name).exists() for name in ("zarr.json", ".zattrs"))
    assert image_group(path) == path and read_image(path).shape == PIXELS.shape
    job = segment(model, path, out, tile=32, device="cpu")
    first = next(iter(job))
    assert first.done > 12
    run(job)
    np.testing.assert_array_equal(read_labels(out), expected)
    assert listed(path) == ["nuclei"]
    # A process that ends between the labels and their entry: the next one enters them.
    text = path / "labels" / ".zattrs"
    text.write_text(text.read_text().replace('"nuclei"', ""))
    assert listed(path) == []
    run(segment(model, path, out, tile=32, device="cpu"))
    assert listed(path) == ["nuclei"]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_consolidated_metadata_know_the_labels(
    tmp_path: Path, model: Model, zarr_format: Any
) -> None:
    path = store(tmp_path / "cells.ome.zarr", zarr_format)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(path, zarr_format=zarr_format)
    out = labels_path(path, "nuclei")
    run(segment(model, path, out, device="cpu"))
    group: Any = zarr.open_group(path, mode="r")
    assert group.metadata.consolidated_metadata is not None
    assert group["labels/nuclei/0"].shape == PIXELS.shape
    assert "nothing to do" in segment(model, path, out, device="cpu").note


def test_what_cannot_be_written_into_an_image_is_told_before_any_work(
    tmp_path: Path, model: Model
) -> None:
    path = store(tmp_path / "cells.ome.zarr")
    out = labels_path(path, "nuclei")

    def refused(match: str, image: Any = path, **options: Any) -> None:
        with pytest.raises(InputError, match=match):
            segment(model, image, out, device="cpu", **options)
        assert not out.parent.exists()

    refused("axes were chosen as TYX, where cells.ome.zarr has ZYX", read_image(path, "TYX"))
    refused("of all of its full resolution", read_image(path, level=1))
    refused("choose the whole image", region={"Y": slice(0, 64)})
    refused("probability cannot be written into an image", save=("labels", "probability"))
    for name in ("a/b", "", ".hidden", "__x", "a.tif"):
        with pytest.raises(InputError, match="cannot be named"):
            labels_path(path, name)
    (tmp_path / "bare.zarr").mkdir()
    zarr.create_array(tmp_path / "bare.zarr", data=PIXELS, overwrite=True)
    for other in (tmp_path / "bare.zarr", tmp_path / "nothing.tif"):
        with pytest.raises(InputError, match="is no OME-Zarr image"):
            labels_path(other, "nuclei")
    odd = store(tmp_path / "odd.zarr", axes="zyx")
    attrs = json.loads((odd / "zarr.json").read_text())
    attrs["attributes"]["ome"]["multiscales"][0]["axes"][0]["name"] = "depth"
    (odd / "zarr.json").write_text(json.dumps(attrs))
    with pytest.raises(InputError, match=r"cannot be written into odd\.zarr"):
        segment(model, read_image(odd, "ZYX"), labels_path(odd, "nuclei"), device="cpu")
    (path / "labels").write_text("no folder")
    with pytest.raises(InputError, match=r"Cannot write .*nuclei"):
        segment(model, path, out, device="cpu")


def test_an_image_within_a_store(tmp_path: Path, model: Model, expected: np.ndarray) -> None:
    """As bioformats2raw writes it: labels lie beside the levels of the image that they are of."""
    path = tmp_path / "cells.zarr"
    zarr.open_group(path, mode="w").attrs["ome"] = {"bioformats2raw.layout": 3}
    store(path / "0")
    out = labels_path(path, "nuclei")
    assert out == path / "0" / "labels" / "nuclei" == labels_path(path / "0" / "s0", "nuclei")
    run(segment(model, path, out, device="cpu"))
    np.testing.assert_array_equal(read_labels(out), expected)
    store(path / "1")
    assert labels_path(path, "nuclei", series=1) == path / "1" / "labels" / "nuclei"
    assert image_group(path) is None and image_group(path / "1") == path / "1"


def test_the_command_writes_into_each_image(
    tmp_path: Path, model: Model, expected: np.ndarray, call: Any
) -> None:
    file = model.save(tmp_path / "m.zip")
    paths = [store(tmp_path / f"{name}.ome.zarr") for name in "ab"]
    options = ["--model", file, "--into-image", "nuclei", "--device", "cpu"]
    said = call("segment", *paths, *options)
    assert said.code == 0, said.err
    for path in paths:
        assert str(path / "labels" / "nuclei") in said.out
        np.testing.assert_array_equal(read_labels(path / "labels" / "nuclei"), expected)
    said = call("segment", paths[0], *options)
    assert said.code == 0 and "nothing to do" in said.out
    said = call("segment", paths[0], *options, "--set", "tiling.batch=1", "--halo", "quick")
    assert said.code == 2 and "exists already" in said.err and "--overwrite" in said.err
    said = call("segment", paths[0], *options, "--out", "a.tif")
    assert said.code == 2 and "--out PATH, or --into-image NAME" in said.err
    said = call("segment", paths[0], "--model", file)
    assert said.code == 2 and "--out PATH, or --into-image NAME" in said.err


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_read_only_store_is_told(tmp_path: Path, model: Model) -> None:
    path = store(tmp_path / "cells.ome.zarr")
    path.chmod(0o555)
    try:
        with pytest.raises(InputError, match="is read-only, so labels cannot be written into it"):
            segment(model, path, labels_path(path, "nuclei"), device="cpu")
    finally:
        path.chmod(0o755)
