"""Read model files without torch, and check what they say before anything is built."""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from pydantic import AliasPath, BaseModel, BeforeValidator, Field, TypeAdapter, field_validator
from safetensors import SafetensorError

from ..errors import InputError
from ..recipe.targets import NEAR
from .archive import Archive
from .held_out import HeldOut
from .replay import MOST_BYTES, Replay

FORMAT = "napari-scribe model"
VERSIONS = {"float32": 1, "float16": 2}
"""Version of a model file by how its weights are written. Readers of 1 say that 2 is newer."""
VERSION = max(VERSIONS.values())
"""The newest version of a model file that is read."""
DENOISER = "denoiser/"
"""Folder in the file for the denoiser that images go through first."""
DESCRIPTION, WEIGHTS, PICTURE = "model.json", "weights.safetensors", "thumbnail.png"
REPLAY = "replay"
"""A sample of what the model learnt from."""
LONGEST = 2**22
"""Most bytes of a description."""
HEADER = 2**20
"""Most bytes of the header of the weights (their names and shapes), and of a picture."""
LARGEST_SIDE = 512
"""Side of the largest picture that is unpacked, in pixels."""
MOST_IMAGES = 1000
"""Most images that a description lists, so that it stays far below `LONGEST`."""
MOST = 10_000
"""Most channels, classes or parameters. pydantic would collect an error for each wrong one."""
ENOUGH_STEPS = 50
"""Fewest steps after which a model is judged: the first regular validation comes then."""
_PNG_START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


# ---- what a description says ---------------------------------------------------------------------


def _not_too_many(values: object) -> object:
    """Refuse a list with so many entries that checking them would take long."""
    if isinstance(values, list | dict) and len(values) > MOST:
        raise ValueError("too many")
    return values


def _all_described(images: object) -> object:
    """Refuse images that are not described by dictionaries. The list is not copied."""
    if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
        raise ValueError("images are described by a dictionary each")
    return images


_Short = BeforeValidator(_not_too_many)
_LARGEST = float(np.finfo(np.float32).max)
_Count = Annotated[int, Field(strict=True, ge=0, lt=2**31)]
_Number = Annotated[float, Field(strict=True, ge=-_LARGEST, le=_LARGEST, allow_inf_nan=False)]
_Key = Annotated[str, Field(max_length=12)]
_Text = Annotated[str, Field(max_length=1000)]
_VERSION: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(strict=True, ge=1, lt=2**31)])


class Numbers(BaseModel):
    """Hold the fields of `Normalization`, which brings images to one range."""

    low: _Number
    high: _Number
    floor: _Number
    noise: _Number = 0.0
    dtype: Annotated[str, Field(pattern=r"^[<>=|]?[a-z]+[0-9]*$", max_length=20)]
    is_absolute: bool = False

    @field_validator("dtype")
    @classmethod
    def _type_of_numbers(cls, name: str) -> str:
        try:
            kind = np.dtype(name).kind
        except TypeError:
            raise ValueError("no type of pixels") from None
        if kind not in "biuf":
            raise ValueError("no type of pixels")
        return name


class FixedNumbers(BaseModel):
    """Hold the fields of `FixedNormalization`, which denoisers use."""

    means: Annotated[tuple[_Number, ...], _Short]
    deviations: Annotated[tuple[Annotated[_Number, Field(gt=0)], ...], _Short]


class TrainedPairs(BaseModel):
    """Count the noisy pairs that a denoiser was trained on."""

    views: _Count
    pairs: _Count


class FineTuned(BaseModel):
    """Hold what became of a fine-tuning: from which model, how far, and the losses."""

    parent: Annotated[str, Field(max_length=1000)]
    share: _Number
    paint: tuple[float, float] | None = None
    replay: tuple[float, float] | None = None


class ImageObjects(BaseModel):
    """Hold the diameter of the objects in training images, in pixels, and µm of a pixel."""

    diameter: Annotated[_Number, Field(gt=0)]
    pixel_size: Annotated[_Number, Field(gt=0)] | None = None

    def is_about(self, other: ImageObjects) -> bool:
        """Return whether objects are about as large, in µm where that is known of both."""
        sizes = [self.diameter, other.diameter]
        if self.pixel_size is not None and other.pixel_size is not None:
            sizes = [self.diameter * self.pixel_size, other.diameter * other.pixel_size]
        return max(sizes) <= NEAR * min(sizes)


class Provenance(BaseModel):
    """Hold the fields of the provenance that the program uses."""

    images: Annotated[Any, BeforeValidator(_all_described)] = []  # not copied, as there may be many
    n_images: _Count | None = None
    pairs: TrainedPairs | None = None
    fine_tuning: FineTuned | None = None
    objects_in_images: ImageObjects | None = None
    steps: _Count | None = None
    steps_before: _Count | None = None
    seconds: _Number | None = None
    best_validation: float | None = None
    held_out: HeldOut = HeldOut()
    card: Annotated[dict[_Key, _Text], Field(max_length=20)] = {}

    @property
    def has_enough_steps(self) -> bool:
        """Return whether a model was trained long enough to be judged, or nobody has counted."""
        steps = (self.steps or 0) + (self.steps_before or 0)
        return steps == 0 or steps >= ENOUGH_STEPS


class Description(BaseModel):
    """Hold everything but the weights, as `Model.description` writes it."""

    recipe: dict[str, Any]
    channels: Annotated[tuple[_Count, ...], Field(min_length=1), _Short]
    image_channels: _Count
    normalization: FixedNumbers | Numbers
    painted: Annotated[tuple[_Count, ...], Field(max_length=256), _Short]
    offset: Annotated[_Count, Field(le=1)]
    parameters: Annotated[dict[str, _Number], _Short]
    provenance: dict[str, Any]
    object_size: Annotated[_Number, Field(gt=0)] | None = None
    thickness: Annotated[_Number, Field(gt=0)] | None = None

    @field_validator("provenance")
    @classmethod
    def _checked_provenance(cls, values: dict[str, Any]) -> dict[str, Any]:
        Provenance.model_validate(values)
        return values


class Summary(BaseModel):
    """Hold the fields of a model that menus show. Other fields are not checked."""

    task: Annotated[str, Field(validation_alias=AliasPath("recipe", "target", "kind"))]
    dimensions: Annotated[
        Literal[2, 3], Field(validation_alias=AliasPath("recipe", "network", "dimensions"))
    ]
    channels: Annotated[tuple[_Count, ...], _Short]
    image_channels: _Count
    provenance: Provenance
    object_size: Annotated[_Number, Field(gt=0)] | None = None


# ---- files ---------------------------------------------------------------------------------------

_DAMAGE: tuple[type[Exception], ...] = (
    *(BadZipFile, SafetensorError, zlib.error, struct.error),
    *(OSError, EOFError, ValueError, RecursionError, NotImplementedError),
)
"""Errors that reading raises if the bytes are not those of a model."""


class ModelFile:
    """Read the entries of a model file, or of the denoiser in it.

    Parameters
    ----------
    archive
        The file.
    folder
        Folder in the file, with a slash at the end; empty for the model itself.
    """

    def __init__(self, archive: Archive, folder: str = "") -> None:
        self._archive, self._folder = archive, folder

    def values(self) -> dict[str, Any]:
        """Return the description as it was written, after a check of its version.

        Raises
        ------
        ValueError, RecursionError
            If it is no description.
        InputError
            If a newer napari-scribe wrote it.
        """
        values = json.loads(self._archive.read(f"{self._folder}{DESCRIPTION}", LONGEST))
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise ValueError("format")
        version = _VERSION.validate_python(values.get("version"))
        if version > VERSION:
            raise InputError(
                f"It was written by a newer napari-scribe (file version {version}, this one reads "
                f"up to {VERSION}). Upgrade to open it."
            )
        return values

    def weights(self, n_bytes: int) -> bytes:
        """Return the weights, which have `n_bytes` without their header."""
        return self._archive.read(f"{self._folder}{WEIGHTS}", HEADER + n_bytes)

    def thumbnail(self) -> npt.NDArray[np.uint8] | None:
        """Return the ``(h, w, 3)`` picture of a training image; None if there is none."""
        name = f"{self._folder}{PICTURE}"
        return from_png(self._archive.read(name, HEADER)) if name in self._archive.names else None

    def replay(self) -> Replay | None:
        """Return the sample of what the model learnt from; None if there is none.

        A damaged one does not keep the model from being used: it is empty.
        """
        name = f"{self._folder}{REPLAY}"
        if name not in self._archive.names:
            return None
        try:
            return Replay(self._archive.read(name, MOST_BYTES))
        except _DAMAGE:
            return Replay(b"")

    def denoiser(self) -> ModelFile | None:
        """Return the denoiser that images go through first; None if there is none."""
        is_there = not self._folder and f"{DENOISER}{DESCRIPTION}" in self._archive.names
        return ModelFile(self._archive, DENOISER) if is_there else None


@contextmanager
def open_model_file(path: Path) -> Iterator[ModelFile]:
    """Open a model file; turn errors of reading and checking into one line that names the file.

    Raises
    ------
    InputError
        If the file cannot be used. The message says why, if the user can act on it.
    """
    try:
        with Archive(path) as archive:
            yield ModelFile(archive)
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from error
    except PermissionError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except _DAMAGE as error:
        raise InputError(
            f"{path.name} is not a model of napari-scribe, or it is damaged. Choose a file that "
            "napari-scribe saved."
        ) from error


def read_summary(path: Path) -> Summary:
    """Read what menus show of a model, without its weights.

    Raises
    ------
    InputError
        If it is not a model, or a newer version wrote it.
    """
    return _summary(path, path.stat().st_mtime_ns if os.path.exists(path) else 0)


@lru_cache(512)
def _summary(path: Path, _changed: int) -> Summary:
    """Read a file once per time of change, because forms ask for it at each keystroke."""
    with open_model_file(path) as file:
        return Summary.model_validate(file.values())


# ---- pictures ------------------------------------------------------------------------------------


def to_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return ``(h, w, 3)`` pixels as PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def from_png(data: bytes) -> npt.NDArray[np.uint8]:
    """Return the ``(h, w, 3)`` pixels of a PNG. If it has several pictures, the first is read.

    Raises
    ------
    ValueError
        If it is no PNG, is damaged, or is larger than `LARGEST_SIDE`. A PNG that is too large is
        not unpacked.
    """
    from PIL import Image

    is_png = data.startswith(_PNG_START)
    size = struct.unpack_from(">II", data, len(_PNG_START)) if is_png else (0, 0)
    if not 0 < min(size) <= max(size) <= LARGEST_SIDE:
        raise ValueError("no small PNG")
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            if max(picture.size) > LARGEST_SIDE:  # a second header may say so
                raise ValueError("no small PNG")
            return np.asarray(picture.convert("RGB"), dtype=np.uint8)
    except (OSError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise ValueError("a damaged PNG") from error
