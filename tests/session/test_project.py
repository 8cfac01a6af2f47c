"""Projects: images by reference, paint, recipe, models and history in a folder."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import napari_scribe as ns
from napari_scribe.errors import InputError
from napari_scribe.image import Image
from napari_scribe.io import read_image, write_tiff
from napari_scribe.recipe import Recipe
from napari_scribe.samples import nuclei
from napari_scribe.session.painted import PaintedLayer
from napari_scribe.session.project import FILE, Project, ProjectImage, is_project

PLACE = {"scale": {"Y": 0.5, "X": 0.5}, "units": {"Y": "micrometer", "X": "micrometer"}}


@pytest.fixture
def pixels() -> np.ndarray:
    return np.arange(48, dtype=np.uint16).reshape(6, 8)


@pytest.fixture
def folder(tmp_path: Path, pixels: np.ndarray) -> Path:
    """A folder of two images; one more lies beside it."""
    inside = tmp_path / "cells"
    for name in ("a", "b"):
        write_tiff(inside / f"{name}.tif", pixels, "YX")
    write_tiff(tmp_path / "c.tif", pixels, "YX")
    return inside


def paint(value: int = 7) -> np.ndarray:
    made = np.zeros((6, 8), np.uint16)
    made[2:4, 3:5] = value
    return made


def painted(path: Path | str, image: str = "") -> PaintedLayer:
    name = image or Path(path).stem
    return PaintedLayer(
        name=f"{name} annotations",
        image=name,
        image_path=str(path),
        reader="napari",
        shape=(6, 8),
        layer={"scale": [0.5, 0.5]},
        noted={"task": "classes"},
    )


def test_a_project_is_the_same_after_it_is_opened_again(folder: Path, pixels: np.ndarray) -> None:
    project = Project.create(folder)
    project.put(painted(folder / "a.tif"), paint(7), PLACE)
    project.put(painted(folder.parent / "c.tif"), paint(8), PLACE)
    project.put(painted("", "made here"), paint(9), PLACE, Image(pixels, "YX"))
    project.recipe = Recipe(task="classes").changed({"network.width": 12})
    project.save()
    assert is_project(folder)

    again = Project.open(folder)
    assert again == project
    images, paints = again.training_set()
    assert [image.name for image in images] == ["a", "c", "made here"]
    assert all(np.array_equal(image.data, pixels) for image in images)
    assert all(np.array_equal(p, paint(n)) for p, n in zip(paints, (7, 8, 9), strict=True))
    assert [again.read_paint(image).max() for image in again.images] == [7, 8, 9]
    written = read_image(folder / again.images[0].paint)
    assert (written.scale["X"], written.units["X"]) == (0.5, "micrometer")
    assert sorted(p.name for p in (folder / "images").iterdir()) == ["made here.tif"]


def test_a_moved_folder_finds_the_images_in_it(folder: Path) -> None:
    project = Project.create(folder)
    project.put(painted(folder / "a.tif"), paint(), PLACE)
    project.put(painted(folder.parent / "c.tif"), paint(), PLACE)
    project.save()
    paths = [image["image_path"] for image in json.loads((folder / FILE).read_text())["images"]]
    assert paths == ["a.tif", str(folder.parent / "c.tif")]
    moved = folder.parent / "elsewhere" / "deeper"
    moved.parent.mkdir()
    shutil.move(folder, moved)
    shutil.move(folder.parent / "c.tif", moved.parent)
    again = Project.open(moved)
    assert again.image_file(again.images[0]) == moved / "a.tif"
    assert again.image_file(again.images[1]) == moved.parent / "c.tif"


def test_a_missing_image_is_told_and_its_paint_stays(folder: Path) -> None:
    project = Project.create(folder)
    entry = project.put(painted(folder.parent / "c.tif"), paint(5), PLACE)
    project.save()
    (folder.parent / "c.tif").unlink()
    again = Project.open(folder)
    with pytest.raises(InputError) as error:
        again.training_set()
    said = str(error.value)
    assert "c.tif is missing" in said and str(folder) in said and str(folder.parent) in said
    assert again.read_paint(entry).max() == 5


def test_one_of_several_images_in_a_file_is_not_guessed(folder: Path) -> None:
    with tifffile.TiffWriter(folder / "scenes.tif") as file:
        for value in (0, 1):
            file.write(np.full((6, 8), value, np.uint8))
            file.write(np.full((5, 8), value, np.uint8))
    project = Project.create(folder)
    first = replace(painted(folder / "scenes.tif"), reader="scenes-reader")
    project.put(first, paint(5), PLACE)
    with pytest.raises(InputError, match=r"scenes\.tif holds several images"):
        project.training_set()
    project.put(painted(folder / "scenes.tif"), paint(5), PLACE)
    (image,), _ = project.training_set()
    assert image.data.shape == (6, 8)


def test_new_paint_of_an_image_leaves_the_file_of_the_old(folder: Path) -> None:
    project = Project.create(folder)
    first = project.put(painted(folder / "a.tif"), paint(7), PLACE)
    second = project.put(painted(folder / "a.tif"), paint(8), PLACE)
    assert project.images == [second]
    assert read_image(folder / first.paint).data.max() == 7
    assert project.read_paint(second).max() == 8


def test_a_folder_of_images_becomes_a_project(folder: Path, tmp_path: Path) -> None:
    project = Project.of_images(folder)
    assert [image.image for image in project.images] == ["a", "b"]
    assert Project.open(folder) == project
    with pytest.raises(InputError, match="Nothing is painted"):
        project.training_set()
    entry = project.put(painted(folder / "b.tif"), paint(), PLACE)
    assert project.images[1] == entry and len(project.images) == 2
    with pytest.raises(InputError, match="is a project already"):
        Project.create(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has no image"):
        Project.of_images(tmp_path / "empty")
    assert not is_project(tmp_path / "empty")


def test_the_example_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = nuclei((96, 96))
    project = ns.Project.create(tmp_path / "cells")
    project.recipe = Recipe().changed({"network.width": 2, "network.depth": 1})
    project.put(
        PaintedLayer(name="paint", image="nuclei", shape=(96, 96)),
        sample.paint.astype(np.uint16),
        {},
        Image(sample.image),
    )
    project.save()
    page = Path(__file__).parents[2] / "docs" / "projects.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code.replace("seconds=60", "steps=1"), names)
    assert names["model"].provenance["images"][0]["name"] == "nuclei"


def test_models_and_what_they_learnt(folder: Path) -> None:
    project = Project.create(folder)
    model = folder.parent / "nuclei.zip"
    model.write_bytes(b"a model")
    made = {"images": [{"name": "a"}], "steps": 30, "seconds": 2.5, "best_validation": 0.25}
    project.add_training(model, made)
    project.save()
    model.unlink()
    (training,) = Project.open(folder).history
    assert (training.images, training.steps, training.loss) == (("a",), 30, 0.25)
    assert [path.read_bytes() for path in project.models()] == [b"a model"]


def test_paint_that_does_not_fit_its_image(folder: Path) -> None:
    project = Project.create(folder)
    entry = project.put(painted(folder / "a.tif"), paint(), PLACE)
    write_tiff(folder / "a.tif", np.zeros((9, 9), np.uint16), "YX")
    with pytest.raises(InputError, match="The paint of a has the shape"):
        project.pair(entry)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"version": 99}',
        '{"images": [{"name": "a"}]}',
        '{"images": [{"name": "a", "image": "a", "shape": [6, 8], "paint": "../a.tif"}]}',
        '{"recipe": {"network": {"width": -3}}}',
    ],
)
def test_damaged_projects(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="is no project"):
        Project.open(tmp_path)
    (tmp_path / FILE).write_text(text)
    with pytest.raises(InputError, match="is damaged, or of a newer"):
        Project.open(tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be saved"):
        Project.create(tmp_path / "file" / "project")


def test_an_image_of_a_folder_with_a_like_name_is_another(tmp_path: Path) -> None:
    """Images without a file lie in ``images``; ``images_old`` is a folder of somebody."""
    project = Project.create(tmp_path / "mine")
    for folder, is_own in (("images_old", False), ("images", True)):
        path = project.folder / folder / "cells.tif"
        project.images = [ProjectImage(name="", image="cells", image_path=str(path))]
        assert (project.entry(painted("", "cells")) is not None) == is_own
