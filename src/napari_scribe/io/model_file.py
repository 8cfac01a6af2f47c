"""What a model file says of itself: read without torch, and checked before anything is built."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from zipfile import BadZipFile

import numpy as np
from pydantic import BaseModel, BeforeValidator, Field, TypeAdapter, field_validator
from safetensors import SafetensorError

from ..errors import InputError

FORMAT = "napari-scribe model"
VERSION = 1
"""The newest version of a model file that is read."""
DENOISER = "denoiser/"
"""Folder in the file, of a model that images go through first."""
DESCRIPTION = "model.json"
LONGEST = 2**22
"""Bytes of a description."""
MOST_IMAGES = 1000
"""So many images are listed by a description, which stays far below `LONGEST`."""

MOST = 10_000
"""Channels, classes or parameters: of each wrong one among many an error would be kept."""


def _not_too_many(values: Any) -> Any:
    if isinstance(values, list | dict) and len(values) > MOST:
        raise ValueError("too many")
    return values


def _all_described(images: Any) -> Any:
    if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
        raise ValueError("images are described by a dictionary each")
    return images


_Short = BeforeValidator(_not_too_many)
_LARGEST = float(np.finfo(np.float32).max)
_Count = Annotated[int, Field(strict=True, ge=0, lt=2**31)]
_Number = Annotated[float, Field(strict=True, ge=-_LARGEST, le=_LARGEST, allow_inf_nan=False)]
_VERSION: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(strict=True, ge=1, lt=2**31)])
_DAMAGE: tuple[type[Exception], ...] = (
    *(BadZipFile, SafetensorError, zlib.error, struct.error),
    *(OSError, EOFError, ValueError, RecursionError, NotImplementedError),
)
"""What foreign bytes raise where they are read."""


class Numbers(BaseModel):
    """How images are brought to one range, `Normalization`."""

    low: _Number
    high: _Number
    floor: _Number
    noise: _Number = 0.0
    dtype: Annotated[str, Field(pattern=r"^[<>=|]?[a-z]+[0-9]*$", max_length=20)]
    is_absolute: bool = False

    @field_validator("dtype")
    @classmethod
    def _numbers_alone(cls, name: str) -> str:
        try:
            kind = np.dtype(name).kind
        except TypeError:
            raise ValueError("no type of pixels") from None
        if kind not in "biuf":
            raise ValueError("no type of pixels")
        return name


class FixedNumbers(BaseModel):
    """The same of a denoiser, `FixedNormalization`."""

    means: Annotated[tuple[_Number, ...], _Short]
    deviations: Annotated[tuple[Annotated[_Number, Field(gt=0)], ...], _Short]


class LearntPairs(BaseModel):
    """What a denoiser learnt from."""

    views: _Count
    pairs: _Count


class Provenance(BaseModel):
    """What a model was trained on and how, as far as anything is made of it."""

    images: Annotated[Any, BeforeValidator(_all_described)] = []
    n_images: _Count | None = None
    pairs: LearntPairs | None = None
    steps: _Count | None = None
    seconds: _Number | None = None
    best_validation: float | None = None


class Description(BaseModel):
    """Everything but the weights, as `Model.description` gives it."""

    recipe: dict[str, Any]
    channels: Annotated[tuple[_Count, ...], Field(min_length=1), _Short]
    image_channels: _Count
    normalization: FixedNumbers | Numbers
    painted: Annotated[tuple[_Count, ...], Field(max_length=256), _Short]
    offset: Annotated[_Count, Field(le=1)]
    parameters: Annotated[dict[str, _Number], _Short]
    provenance: dict[str, Any]

    @field_validator("provenance")
    @classmethod
    def _can_be_described(cls, values: dict[str, Any]) -> dict[str, Any]:
        Provenance.model_validate(values)
        return values


@contextmanager
def refusing_damage(path: Path, *more: type[Exception]) -> Iterator[None]:
    """Turn what goes wrong with a file from an unknown hand into a line with its name.

    Parameters
    ----------
    more
        Kinds of error that also mean that the file is no model, or damaged.

    Raises
    ------
    InputError
        If the file cannot be used; says why where somebody can act on it.
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from error
    except PermissionError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except (*_DAMAGE, *more) as error:
        raise InputError(
            f"{path.name} is not a model of napari-scribe, or it is damaged. Choose a file that "
            "napari-scribe saved."
        ) from error


def parse_values(data: bytes) -> dict[str, Any]:
    """Read a description of a version that is known.

    Raises
    ------
    ValueError, RecursionError
        If it is none.
    InputError
        If a newer napari-scribe wrote it.
    """
    values = json.loads(data)
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ValueError("format")
    version = _VERSION.validate_python(values.get("version"))
    if version > VERSION:
        raise InputError(
            f"It was written by a newer napari-scribe (file version {version}, this one reads up "
            f"to {VERSION}). Upgrade to open it."
        )
    return values
