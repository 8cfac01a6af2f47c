"""Keep images, paint, recipe, models and what was trained together in a folder."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from ..arrays import Pixels
from ..errors import InputError
from ..image import AXES, Image
from ..io import list_images, list_series, read_image, read_labels, replacing, stem, write_tiff
from ..recipe import Recipe
from ..recipe.recipe import parse_recipe
from .painted import PaintedLayer, read_paint, write_paint

if TYPE_CHECKING:
    from ..targets.paint import Box, Paint

FILE = "napari-scribe.json"
"""The file that makes a folder a project."""
VERSION = 1
PAINT, IMAGES, MODELS = "paint", "images", "models"
"""Folders in a project. The second one has only images that were in no file."""
_NOT_IN_NAMES = re.compile(r"[^\w .+-]+")


@dataclass(frozen=True, kw_only=True)
class ProjectImage(PaintedLayer):
    """Describe an image of a project, and its paint.

    Parameters
    ----------
    paint
        File of the paint in the project; empty where nothing is painted yet.
    name_in_file
        Name that the image has where it is opened; empty where that is its name in the project.
    """

    paint: str = ""
    name_in_file: str = ""

    def renewed(self, painted: PaintedLayer) -> Self:
        """Return the entry with what is said of the layer of paint and its image now."""
        values = {name: getattr(painted, name) for name in PaintedLayer.__dataclass_fields__}
        if not painted.image_path:  # the image is closed, or in no other file
            values |= {"image_path": self.image_path, "reader": self.reader}
        opened_as = self.name_in_file or self.image
        renamed = opened_as if painted.image != opened_as else ""
        return replace(self, **values, name_in_file=renamed)


FIRST_IMAGE = "", "napari"
"""Readers that open the first image of a file that holds several; an empty name is our own."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """Describe what was trained.

    Parameters
    ----------
    when
        Day and time, as in ``2026-11-28 14:32``.
    images
        Names of the images.
    steps, seconds
        How long.
    loss
        The best loss on held-out paint; None where nothing was held out.
    model
        File of the model in the project.
    """

    when: str
    images: tuple[str, ...] = ()
    steps: int | None = None
    seconds: float | None = None
    loss: float | None = None
    model: str = ""


class _File(BaseModel):
    """Hold what the file of a project says."""

    format: str = "napari-scribe project"
    version: int = Field(default=VERSION, le=VERSION)
    images: list[ProjectImage] = []
    recipe: dict[str, Any] | None = None
    history: list[Training] = []


@dataclass
class Project:
    """Hold a project: a folder with ``napari-scribe.json``, and its paint and models.

    Images stay where they are. Those in the folder or below it are found again when the folder is
    moved. `create`, `open` and `of_images` make one.

    Parameters
    ----------
    folder
        Where it lies.
    images
        Its images, each with the file of its paint.
    recipe
        How it is trained.
    history
        What was trained, the newest last.
    """

    folder: Path
    images: list[ProjectImage] = field(default_factory=list)
    recipe: Recipe | None = None
    history: list[Training] = field(default_factory=list)

    # ---- making and reading one ------------------------------------------------------------------

    @classmethod
    def create(cls, folder: str | Path) -> Self:
        """Make an empty project in a folder, which is made as well where it is missing.

        Raises
        ------
        InputError
            If there is a project already, or nothing can be written.
        """
        folder = Path(folder).absolute()
        if is_project(folder):
            raise InputError(f"{folder} is a project already: open it, or choose another folder.")
        project = cls(folder)
        project.save()
        return project

    @classmethod
    def of_images(cls, folder: str | Path) -> Self:
        """Make a project in a folder of images, none of which is painted yet.

        Raises
        ------
        InputError
            If the folder has no image, or nothing can be written there.
        """
        paths = list_images(folder)
        project = cls.create(folder)
        project.images = [
            ProjectImage(name="", image=stem(path), image_path=str(path.absolute()))
            for path in paths
        ]
        project.save()
        return project

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Open a project. Images that are missing are told of where they are asked for.

        Raises
        ------
        InputError
            If the folder is no project, or its file is damaged.
        """
        folder = Path(folder).absolute()
        try:
            text = (folder / FILE).read_text(encoding="utf-8")
        except OSError:
            raise InputError(
                f"{folder} is no project: it has no {FILE}. Choose the folder of a project."
            ) from None
        try:
            file = _File.model_validate_json(text)
            recipe = None if file.recipe is None else parse_recipe(file.recipe)
            own = [*(image.paint for image in file.images), *(t.model for t in file.history)]
            if not all(_is_inside(name) for name in own):
                raise InputError("Files of a project lie in its folder.")
        except (ValidationError, InputError) as error:
            raise InputError(
                f"{folder / FILE} is damaged, or of a newer napari-scribe. The paint is in "
                f"{folder / PAINT} still."
            ) from error
        project = cls(folder, recipe=recipe, history=file.history)
        project.images = [
            replace(image, image_path=project._absolute(image.image_path)) for image in file.images
        ]
        return project

    def save(self) -> None:
        """Write the file of the project, all or nothing.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        images = [
            replace(image, image_path=self._relative(image.image_path)) for image in self.images
        ]
        recipe = None if self.recipe is None else self.recipe.model_dump(mode="json")
        text = _File(images=images, recipe=recipe, history=self.history).model_dump_json(indent=1)
        try:
            with replacing(self.folder / FILE) as partial:
                partial.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(f"The project cannot be saved: {error}. Choose another folder.") from (
                error
            )

    # ---- images and paint ------------------------------------------------------------------------

    def put(
        self,
        painted: PaintedLayer,
        paint: Pixels,
        place: Mapping[str, Mapping[str, Any]],
        image: Image | None = None,
        known: ProjectImage | None = None,
    ) -> ProjectImage:
        """Write the paint of an image, which takes the place of the paint that it has.

        The file of the paint before stays in the folder.

        Parameters
        ----------
        place
            ``scale`` and ``units`` per axis letter, for the file.
        image
            The image, which is written as well where it is in no file.
        known
            What the project has of the image, where that has another name there.

        Raises
        ------
        InputError
            If something cannot be written.
        """
        known = known or self.entry(painted)
        file = self._free(PAINT, painted.image)
        path = painted.image_path
        try:
            if not path and image is not None:
                path = (known and known.image_path) or str(
                    self.folder / self._free(IMAGES, painted.image)
                )
                if not Path(path).exists():
                    names = image.channel_names
                    at = image.scale, image.units
                    write_tiff(path, image.data, image.axes, *at, channel_names=names)
            write_paint(self.folder / file, paint, **place)
        except OSError as error:
            raise InputError(f"The project cannot be saved: {error}.") from error
        before = known or ProjectImage(name="", image=painted.image)
        entry = replace(before.renewed(painted), image_path=path, paint=file)
        if known is None:
            self.images.append(entry)
        else:
            self.images[self.images.index(known)] = entry
        return entry

    def renew(self, paint: str, painted: PaintedLayer) -> None:
        """Save what is said of a layer of paint now: its name, what it is for, complete boxes.

        Parameters
        ----------
        paint
            Its file in the project.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        for i, image in enumerate(self.images):
            if image.paint == paint and (new := image.renewed(painted)) != image:
                self.images[i] = new
                self.save()

    def entry(self, painted: PaintedLayer) -> ProjectImage | None:
        """Return what the project has of an image; None where it is not in it."""
        own = self.folder / IMAGES
        for image in self.images:
            is_same_file = image.image_path == painted.image_path
            is_own = not painted.image_path and Path(image.image_path).is_relative_to(own)
            if image.image == painted.image and (is_same_file or is_own):
                return image
        return None

    def image_file(self, image: ProjectImage) -> Path:
        """Return the file of an image.

        Raises
        ------
        InputError
            If it is missing: the message says where it was looked for.
        """
        path = Path(image.image_path)
        places = [path, self.folder / path.name, self.folder.parent / path.name]
        for place in places:
            if image.image_path and place.exists():
                return place
        looked = " and ".join(dict.fromkeys(str(place.parent) for place in places))
        raise InputError(
            f"{path.name or image.image} is missing: it was looked for in {looked}. Put it into "
            "one of these folders. Its paint is kept in the project."
        )

    def read_image(self, image: ProjectImage) -> Image:
        """Open an image; its pixels stay on disk unless it is small.

        Raises
        ------
        InputError
            If it is missing or cannot be read, or its file holds several images and was opened by a
            reader that may show others than the first one.
        """
        file = self.image_file(image)
        if image.reader not in FIRST_IMAGE and len(list_series(file)) > 1:
            raise InputError(
                f"{file.name} holds several images. Which one {image.image} is, only its reader "
                f"{image.reader} tells: open it in napari, and train there."
            )
        return read_image(file).selected(name=image.image)

    def read_paint(self, image: ProjectImage) -> Pixels:
        """Return the paint of an image, along the axes of its layer.

        Raises
        ------
        InputError
            If the file is missing or damaged.
        """
        return read_paint(self.folder / image.paint, image.shape)

    def pair(self, image: ProjectImage) -> tuple[Image, Pixels | Paint]:
        """Return an image and its paint along TZYX, as `train` takes them.

        The paint is a `Paint` where regions of it are complete, or objects were corrected.

        Raises
        ------
        InputError
            If one of them is missing, or they do not fit.
        """
        from ..targets.paint import Paint

        opened, paint, complete = self.painted(image)
        corrected = image.noted.get("corrected", ())
        is_plain = not (complete or corrected) or image.noted.get("task") == "classes"
        return opened, paint if is_plain else Paint(paint, complete or None, corrected=corrected)

    def painted(self, image: ProjectImage) -> tuple[Image, Pixels, tuple[Box, ...]]:
        """Return an image, its paint along TZYX, and the boxes in which everything is painted.

        Raises
        ------
        InputError
            If image or paint is missing, or they do not fit.
        """
        opened = self.read_image(image)
        # Along channels between other axes the file has one value.
        paint = np.asarray(read_labels(self.folder / image.paint, AXES[-len(image.shape) :]))
        shape = opened.label_shape()
        if np.squeeze(paint).shape != tuple(n for n in shape if n > 1):
            raise InputError(
                f"The paint of {image.image} has the shape {paint.shape}, where the image has "
                f"{shape} ({opened.label_axes()}). Open the image, and train from there."
            )
        complete = tuple(_along(shape, box, paint.shape) for box in image.complete)
        return opened, paint.reshape(shape), complete

    def training_set(self) -> tuple[list[Image], list[Pixels | Paint]]:
        """Return all painted images and their paint, as `train` takes them.

        Raises
        ------
        InputError
            If nothing is painted, or something is missing.
        """
        pairs = [self.pair(image) for image in self.images if image.paint]
        if not pairs:
            raise InputError(f"Nothing is painted in {self.folder} yet.")
        images, paints = zip(*pairs, strict=True)
        return list(images), list(paints)

    # ---- what was trained ------------------------------------------------------------------------

    def add_training(self, model: Path, provenance: Mapping[str, Any]) -> Training:
        """Copy a model into the project, and note what it was trained on.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        file = f"{MODELS}/{model.name}"
        try:
            with replacing(self.folder / file) as partial:
                shutil.copyfile(model, partial)
        except OSError as error:
            raise InputError(f"The model is not in the project: {error}.") from error
        images = [str(image["name"]) for image in provenance.get("images", []) if "name" in image]
        training = Training(
            when=time.strftime("%Y-%m-%d %H:%M"),
            images=tuple(images),
            steps=provenance.get("steps"),
            seconds=provenance.get("seconds"),
            loss=provenance.get("best_validation"),
            model=file,
        )
        self.history.append(training)
        return training

    def models(self) -> Iterator[Path]:
        """Yield the models of the project that are there, the newest first."""
        for training in reversed(self.history):
            if (path := self.folder / training.model).is_file():
                yield path

    # ---- paths -----------------------------------------------------------------------------------

    def _relative(self, path: str) -> str:
        """Return a path as it is written: relative where it lies in the project or below it."""
        if path and Path(path).is_relative_to(self.folder):
            return Path(path).relative_to(self.folder).as_posix()
        return path

    def _absolute(self, path: str) -> str:
        return os.fspath(self.folder / path) if path else ""

    def _free(self, folder: str, image: str) -> str:
        """Return a file in the project that no image has yet, named after one."""
        taken = {entry.paint for entry in self.images} | {
            self._relative(entry.image_path) for entry in self.images
        }
        name, n = _NOT_IN_NAMES.sub("-", image).strip(" .-")[:60] or "image", 1
        file = f"{folder}/{name}.tif"
        while file in taken or (self.folder / file).exists():
            n += 1
            file = f"{folder}/{name} ({n}).tif"
        return file


def _along(shape: tuple[int, ...], box: Box, lengths: tuple[int, ...]) -> Box:
    """Return a box along axes of these lengths as one in an array of the same pixels."""
    sides = iter([side for side, n in zip(box, lengths, strict=True) if n > 1])
    return tuple((0, 1) if n == 1 else next(sides) for n in shape)


def _is_inside(name: str) -> bool:
    """Return whether the name of a file stays in the folder that it is relative to."""
    return not PurePath(name).is_absolute() and ".." not in PurePath(name).parts


def is_project(folder: str | Path) -> bool:
    """Return whether a folder is a project."""
    return (Path(folder) / FILE).is_file()
