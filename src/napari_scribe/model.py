"""A trained model: everything needed to apply it, in one file that holds data and no code."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from .arguments import checked
from .errors import InputError
from .image import Image
from .io import check_writable, replacing
from .io.model_file import (
    DENOISER,
    DESCRIPTION,
    FORMAT,
    PICTURE,
    VERSION,
    WEIGHTS,
    Description,
    FixedNumbers,
    ModelFile,
    open_model_file,
    to_png,
)
from .io.model_folder import find_model
from .networks import UNet
from .normalization import FixedNormalization, Normalization
from .recipe import Recipe, parse_recipe
from .targets import Coder, Parameters, coder_of, count_channels


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
    name
        What messages call it: that of its file, where it was read from one.
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
    name: str = "This model"

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
            If the file cannot be written, or the weights are no numbers.
        """
        path = Path(path)
        _check_weights(self.network.state_dict())
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
        archive.writestr(f"{folder}{DESCRIPTION}", described)
        archive.writestr(f"{folder}{WEIGHTS}", save_tensors(self.network.state_dict()))
        if self.thumbnail is not None:
            archive.writestr(f"{folder}{PICTURE}", to_png(self.thumbnail))
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


def as_model(model: Any) -> Model:
    """Return a model as it is, and read one that is told by its file or its name.

    Raises
    ------
    InputError
        If it is none of these.
    """
    if isinstance(model, str | Path):
        return load_model(model)
    if not isinstance(model, Model):
        raise InputError(
            f"{type(model).__name__} is no model: give a Model, or the name or the path of one."
        )
    return model


@checked
def load_model(name: str | Path) -> Model:
    """Read a model. Nothing in the file is run.

    Raises
    ------
    InputError
        If there is no such file, or it is not a model, is damaged, was written by a newer
        version, or its weights are no numbers.
    """
    path = find_model(name)
    with open_model_file(path) as file:
        return _with_denoiser(_read(file), file).changed(name=path.name)


def _read(file: ModelFile) -> Model:
    described = Description.model_validate(file.values())
    recipe, channels = parse_recipe(described.recipe), described.channels
    if max(channels) >= described.image_channels:
        raise ValueError("channels")
    coder = coder_of(recipe, described.painted, described.offset, len(channels))
    weights = _read_weights(file, recipe, len(channels), coder)
    network = build_network(recipe, len(channels), coder)
    network.load_state_dict(weights)
    return Model(
        network=network.eval(),
        recipe=recipe,
        channels=channels,
        image_channels=described.image_channels,
        normalization=_normalization(described, recipe),
        painted=described.painted,
        offset=described.offset,
        parameters=described.parameters,
        provenance=described.provenance,
        thumbnail=file.thumbnail(),
    )


def _read_weights(
    file: ModelFile, recipe: Recipe, n_channels: int, coder: Coder
) -> dict[str, torch.Tensor]:
    """Weights that fit the network of a recipe, which is not built if they do not."""
    with torch.device("meta"):  # shapes without numbers
        expected = build_network(recipe, n_channels, coder).state_dict()
    weights = load_tensors(file.weights(sum(t.nbytes for t in expected.values())))
    if {k: (t.shape, t.dtype) for k, t in weights.items()} != {
        k: (t.shape, t.dtype) for k, t in expected.items()
    }:
        raise ValueError("weights of another network")
    _check_weights(weights)
    return weights


def _with_denoiser(model: Model, file: ModelFile) -> Model:
    """Return a model with the denoiser in its file, if there is one."""
    denoiser_file = file.denoiser()
    if denoiser_file is None:
        return model
    denoiser = _read(denoiser_file)
    is_one = (model.recipe.task == "denoised", denoiser.recipe.task == "denoised") == (False, True)
    if not is_one or len(denoiser.channels) != model.image_channels:
        raise ValueError("denoiser")
    return model.changed(denoiser=denoiser)


def _normalization(described: Description, recipe: Recipe) -> Normalization | FixedNormalization:
    numbers, n_channels = described.normalization, len(described.channels)
    if isinstance(numbers, FixedNumbers) != (recipe.task == "denoised"):
        raise ValueError("normalization")
    if not isinstance(numbers, FixedNumbers):
        return Normalization(**numbers.model_dump())
    if not len(numbers.means) == len(numbers.deviations) == n_channels:
        raise ValueError("normalization")
    return FixedNormalization(numbers.means, numbers.deviations)


def are_numbers(weights: Mapping[str, torch.Tensor]) -> bool:
    """Whether weights can answer with numbers: they are finite, and no variance is negative."""
    return all(
        bool(tensor.isfinite().all())
        and not (name.endswith("running_var") and bool((tensor < 0).any()))
        for name, tensor in weights.items()
    )


def _check_weights(weights: Mapping[str, torch.Tensor]) -> None:
    if not are_numbers(weights):
        raise InputError(
            "The weights are NaN or infinite, as after a training that diverged: nothing would be "
            "found with them. Choose another model, or train anew with a lower learning rate "
            "(training.learning_rate)."
        )


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
