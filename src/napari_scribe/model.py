"""A trained model: everything needed to apply it, in one file that holds data and no code."""

from __future__ import annotations

import hashlib
import io
import json
import re
import time
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from .device import home
from .errors import InputError
from .image import Image
from .io import SUFFIXES, check_writable, replacing
from .networks import UNet
from .normalization import FixedNormalization, Normalization
from .recipe import Recipe, parse_recipe
from .targets import Coder, Parameters, coder_of, count_channels

FORMAT = "napari-scribe model"
VERSION = 1
DENOISER = "denoiser/"
"""Folder in the file, of a model that images go through first."""
_NOT_IN_NAMES = re.compile(r"[^\w .+-]+")


@dataclass(frozen=True)
class Model:
    """A network and what belongs to it.

    Parameters
    ----------
    network
        The trained network, on the CPU, in float32.
    recipe
        How it was made.
    channels, image_channels
        Which channels of the training images it sees, and how many those images had.
    normalization
        How images are brought to its range.
    painted, offset
        Values of the classes in paint, and what is taken off them in results.
    parameters
        Decoding parameters, fitted on painted objects.
    provenance
        What it was trained on and how: hashes, steps, validation, versions.
    thumbnail
        ``(h, w, 3)`` uint8 picture of a training image, or None.
    denoiser
        What images go through first, or None.
    """

    network: UNet = field(repr=False)
    recipe: Recipe
    channels: tuple[int, ...]
    image_channels: int
    normalization: Normalization | FixedNormalization
    painted: tuple[int, ...] = ()
    offset: int = 0
    parameters: Parameters = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict, repr=False)
    thumbnail: npt.NDArray[np.uint8] | None = None
    denoiser: Model | None = None

    @property
    def dimensions(self) -> int:
        """2 or 3: how many axes of space a frame has."""
        return self.recipe.network.dimensions

    @property
    def coder(self) -> Coder:
        """The form of its answer."""
        return coder_of(self.recipe, self.painted, self.offset, len(self.channels))

    def channels_for(self, image: Image) -> tuple[int, ...]:
        """Which channels of an image go in, or into the denoiser where there is one.

        Raises
        ------
        InputError
            If the image has neither the channels of the training images nor just the needed ones.
        """
        if self.denoiser is not None:
            return self.denoiser.channels_for(image)
        if image.n_channels == self.image_channels:
            return self.channels
        if image.n_channels == len(self.channels):
            return tuple(range(image.n_channels))
        raise InputError(
            f"{image.name} has {counted(image.n_channels, 'channel')}, but this model was trained "
            f"on {counted(self.image_channels, 'channel')} and uses {len(self.channels)}. Choose "
            "an image with the same channels, say which of them to use (--channels 0), or check "
            "the axes (--axes)."
        )

    def fingerprint(self) -> str:
        """A short text that differs for models that answer differently."""
        known = json.dumps(
            [
                self.recipe.model_dump(exclude={"training", "augmentation"}),
                self.channels,
                self.painted,
                self.offset,
                vars(self.normalization),
                self.parameters,
                *([self.denoiser.fingerprint()] if self.denoiser else []),
            ],
            sort_keys=True,
        )
        weights = save_tensors({k: v.contiguous() for k, v in self.network.state_dict().items()})
        return hashlib.sha256(known.encode() + weights).hexdigest()[:16]

    def save(self, path: str | Path, overwrite: bool = True) -> Path:
        """Write the model to one zip file, whole or not at all.

        Parameters
        ----------
        path
            Folders above it are created.
        overwrite
            Whether to replace a file that is there by then.

        Raises
        ------
        TakenError
            If there is a file that may not be replaced.
        InputError
            If the file cannot be written.
        """
        path = Path(path)
        check_writable(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path, overwrite) as partial, zipfile.ZipFile(partial, "w") as archive:
                self._write(archive)
        except OSError as error:
            raise InputError(f"{error} Choose another place or make room.") from error
        return path

    def _write(self, archive: zipfile.ZipFile, folder: str = "") -> None:
        described = json.dumps(self.description(), indent=1)
        archive.writestr(f"{folder}model.json", described)
        archive.writestr(f"{folder}weights.safetensors", save_tensors(self.network.state_dict()))
        if self.thumbnail is not None:
            archive.writestr(f"{folder}thumbnail.png", _png(self.thumbnail))
        if self.denoiser is not None:
            self.denoiser._write(archive, f"{folder}{DENOISER}")

    def description(self) -> dict[str, Any]:
        """Everything but the weights, as plain values for JSON."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "recipe": self.recipe.model_dump(),
            "heads": [vars(head) for head in self.coder.heads],
            "channels": list(self.channels),
            "image_channels": self.image_channels,
            "normalization": vars(self.normalization),
            "painted": list(self.painted),
            "offset": self.offset,
            "parameters": self.parameters,
            "provenance": self.provenance,
        }

    def changed(self, **changes: Any) -> Model:
        """The same model with some fields changed."""
        return replace(self, **changes)


def build_network(recipe: Recipe, n_channels: int, coder: Coder) -> UNet:
    """A fresh network for a recipe; the caller's random numbers decide it, and go on unchanged."""
    with torch.random.fork_rng(devices=[]):
        network = UNet(recipe.network, n_channels, count_channels(coder.heads))
    if recipe.task == "denoised":  # begins by taking nothing away
        torch.nn.init.zeros_(network.head.get_parameter("weight"))
    return network


def model_folder() -> Path:
    """Where the models that were trained are kept."""
    return home() / "models"


def new_model_path(image_name: str) -> Path:
    """A new file in the model folder, named after the image and the minute."""
    name = _NOT_IN_NAMES.sub("-", image_name).strip(" .-")[:60] or "model"
    stem = f"{name} {time.strftime('%Y-%m-%d %H.%M')}"
    path, n = model_folder() / f"{stem}.zip", 1
    while path.exists():
        n += 1
        path = model_folder() / f"{stem} ({n}).zip"
    return path


def kept_models() -> list[Path]:
    """Files of the kept models, newest first."""
    return sorted(model_folder().glob("*.zip"), key=lambda p: p.stat().st_mtime, reverse=True)


def find_model(name: str | Path) -> Path:
    """The file of a model: a path, or the name of one that is kept.

    Raises
    ------
    InputError
        If there is none.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return path
    kept = model_folder() / f"{path.name.removesuffix('.zip')}.zip"
    if path.name == str(name) and kept.is_file():
        return kept
    if path.name != str(name) or path.suffix.lower() in (".zip", *SUFFIXES):
        what = "it is a folder" if path.is_dir() else "that file does not exist"
        raise InputError(f"There is no model '{name}': {what}. Check the path.")
    names = ", ".join(p.stem for p in kept_models()[:10]) or "none"
    raise InputError(f"There is no model '{name}': give a file. Models kept by name: {names}.")


def load_model(name: str | Path) -> Model:
    """Read a model. Nothing in the file is run.

    Raises
    ------
    InputError
        If there is no such file, or it is not a model, is damaged, or was written by a newer
        version.
    """
    path = find_model(name)
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive, path)
    except InputError:
        raise
    except (
        zipfile.BadZipFile,
        SafetensorError,
        OSError,
        EOFError,
        KeyError,
        AttributeError,
        TypeError,
        ValueError,
        RuntimeError,
        SyntaxError,
        zlib.error,
    ) as error:
        raise InputError(
            f"{path} is not a model of napari-scribe, or it is damaged. Choose a file that "
            "napari-scribe saved."
        ) from error


def _read(archive: zipfile.ZipFile, path: Path, folder: str = "") -> Model:
    values = json.loads(archive.read(f"{folder}model.json"))
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise KeyError("format")
    if values["version"] > VERSION:
        raise InputError(
            f"{path.name} was written by a newer napari-scribe (file version "
            f"{values['version']}, this one reads up to {VERSION}). Upgrade to open it."
        )
    weights = load_tensors(archive.read(f"{folder}weights.safetensors"))
    names = archive.namelist()
    picture = f"{folder}thumbnail.png"
    thumbnail = _from_png(archive.read(picture)) if picture in names else None
    model = _assemble(values, weights, thumbnail)
    if folder == "" and f"{DENOISER}model.json" in names:
        return model.changed(denoiser=_read(archive, path, DENOISER))
    return model


def _assemble(
    values: dict[str, Any], weights: dict[str, Any], thumbnail: npt.NDArray[np.uint8] | None
) -> Model:
    recipe = parse_recipe(values["recipe"])
    painted, offset = tuple(int(v) for v in values["painted"]), int(values["offset"])
    channels = tuple(int(c) for c in values["channels"])
    image_channels = int(values["image_channels"])
    if not channels or not all(0 <= c < image_channels for c in channels):
        raise ValueError("channels")
    network = build_network(recipe, len(channels), coder_of(recipe, painted, offset, len(channels)))
    network.load_state_dict(weights)
    return Model(
        network=network.eval(),
        recipe=recipe,
        channels=channels,
        image_channels=image_channels,
        normalization=_normalization(values["normalization"]),
        painted=painted,
        offset=offset,
        parameters={str(name): float(v) for name, v in values["parameters"].items()},
        provenance=dict(values["provenance"]),
        thumbnail=thumbnail,
    )


def _normalization(values: dict[str, Any]) -> Normalization | FixedNormalization:
    if "means" in values:
        means, deviations = (tuple(map(float, values[n])) for n in ("means", "deviations"))
        return FixedNormalization(means, deviations)
    low, high, floor = (float(values[name]) for name in ("low", "high", "floor"))
    noise = float(values.get("noise", 0.0))
    is_absolute = bool(values.get("is_absolute", False))
    return Normalization(low, high, floor, noise, str(np.dtype(values["dtype"])), is_absolute)


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    from imageio.v3 import imwrite

    buffer = io.BytesIO()
    imwrite(buffer, pixels, extension=".png", plugin="pillow")
    return buffer.getvalue()


def _from_png(data: bytes) -> npt.NDArray[np.uint8]:
    from imageio.v3 import imread

    return np.asarray(imread(data, extension=".png", plugin="pillow"), dtype=np.uint8)


def counted(n: int, noun: str) -> str:
    """Such as "1 channel" or "3 channels"."""
    return f"{n} {noun}" + ("" if n == 1 else "s")


def as_tuple(channels: Sequence[int] | None, image: Image) -> tuple[int, ...]:
    """Channels as chosen, all when None.

    Raises
    ------
    InputError
        If the image lacks one of them.
    """
    chosen = tuple(range(image.n_channels)) if channels is None else tuple(channels)
    if not chosen or min(chosen) < 0 or max(chosen) >= image.n_channels:
        last = image.n_channels - 1
        there = f"channels 0 to {last}" if last else "one channel only, number 0"
        raise InputError(f"{image.name} has {there}: {list(chosen)} cannot be chosen.")
    return chosen
