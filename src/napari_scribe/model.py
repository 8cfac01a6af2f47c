"""Hold a trained model, and read and write its file, which holds data and no code."""

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
from .errors import InputError, in_words
from .image import Image
from .io import check_writable, replacing
from .io.model_file import (
    DENOISER,
    DESCRIPTION,
    FORMAT,
    PICTURE,
    REPLAY,
    VERSIONS,
    WEIGHTS,
    Description,
    FixedNumbers,
    ModelFile,
    open_model_file,
    to_png,
)
from .io.model_folder import check_not_shipped, find_model
from .io.replay import Replay
from .networks import NETWORKS, Network
from .normalization import FixedNormalization, Normalization
from .recipe import Recipe, saved_recipe
from .targets import Encoding, Parameters, checked_knobs, count_channels, encoding_of, task_of
from .wording import counted

BEFORE_CHOICES = {
    "block": "plain",
    "skips": "concatenate",
    "upsampling": "transposed",
    "dropout": 0.0,
}
"""Fields of networks that came later, and what every network had before: left out of fingerprints,
so that results that were begun with a model can still go on."""


@dataclass(frozen=True, eq=False)
class Model:
    """Hold a network and everything that is needed to apply it.

    Parameters
    ----------
    network
        The trained network, on the CPU, in float32.
    recipe
        What the network is and how it was trained.
    channels, image_channels
        Which channels of the training images the network gets, and how many those images had.
    normalization
        How the intensities of images are scaled.
    painted, offset
        Values of the classes in paint, and what is subtracted from them in results.
    parameters
        Parameters of the decoding, fitted on painted objects.
    provenance
        Record of its training: hashes of the images, steps, validation, versions. An entry
        ``card``, if there is one, says in words what the model is for and where it is weak.
    thumbnail
        ``(h, w, 3)`` uint8 picture of a training image, or None.
    denoiser
        The model that images go through first, or None.
    object_size
        Diameter of the objects that it was trained on, in pixels; images in which they are far from
        it are brought to it. None if that is not known: then images stay as they are.
    thickness
        Distance of the slices of the volumes that it was trained on, in pixels of the plane, as the
        network sees them; volumes in which it is far from that are brought to it. None if that is
        not known, or differs: then slices stay as they are.
    replay
        A sample of what it learnt from, for fine-tuning: pixels and paint of the training images.
        None if none was kept; ``model.changed(replay=None)`` leaves it out of a file.
    name
        Name of the model in messages: that of its file, if it was read from one.
    """

    network: Network = field(repr=False)
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
    object_size: float | None = None
    thickness: float | None = None
    replay: Replay | None = field(default=None, repr=False)
    name: str = "This model"

    @property
    def dimensions(self) -> int:
        """Return the number of spatial axes of a frame, 2 or 3."""
        return self.recipe.network.dimensions

    @property
    def encoding(self) -> Encoding:
        """Return the encoding of the network's answer."""
        return encoding_of(self.recipe, self.painted, self.offset, len(self.channels))

    def channels_for(self, image: Image) -> tuple[int, ...]:
        """Return which channels of an image the network gets, or its denoiser if it has one.

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
            "an image with the same channels, or check its axes and which channels are used.",
            axes=None,
            channels="0",
        )

    def fingerprint(self) -> str:
        """Return a short hash: models that answer differently have different ones."""
        relevant = self.recipe.model_dump(exclude={"training", "augmentation", "losses"})
        relevant["target"].pop("strokes", None)  # of the paint, not of the answer
        if self.recipe.encoding == "distance":
            # This keeps the hash that unfinished results have from before it had a name.
            relevant["target"].pop("encoding", None)
            relevant["target"].pop("long_range", None)
        relevant["target"].pop("object_size", None)
        for name, only in BEFORE_CHOICES.items():
            if relevant["network"].get(name) == only:
                relevant["network"].pop(name)
        content = json.dumps(
            [
                relevant,
                self.channels,
                self.painted,
                self.offset,
                vars(self.normalization),
                self.parameters,
                *([self.denoiser.fingerprint()] if self.denoiser else []),
                *([self.object_size] if self.object_size is not None else []),
                *([{"thickness": self.thickness}] if self.thickness is not None else []),
            ],
            sort_keys=True,
        )
        weights = save_tensors({k: v.contiguous() for k, v in self.network.state_dict().items()})
        return hashlib.sha256(content.encode() + weights).hexdigest()[:16]

    def save(self, path: str | Path, overwrite: bool = True, weights: str = "float32") -> Path:
        """Write the model to one zip file, whole or not at all.

        Parameters
        ----------
        path
            Folders above it are created.
        overwrite
            Whether to replace a file that exists.
        weights
            How weights are written: ``float32``; or ``float16``, rounded to three digits, in half
            the bytes.

        Raises
        ------
        TakenError
            If a file exists that may not be replaced.
        InputError
            If the file cannot be written, or weights are NaN or infinite, or too large for float16.
        """
        path = Path(path)
        if weights not in VERSIONS:
            raise InputError(f"Weights cannot be written as '{weights}': use float32 or float16.")
        _check_weights(self.network.state_dict())
        check_not_shipped(path)
        check_writable(path)
        try:
            with replacing(path, overwrite) as partial, zipfile.ZipFile(partial, "w") as archive:
                self._write(archive, weights)
        except OSError as error:
            raise InputError(f"{in_words(error)} Choose another place or make room.") from error
        return path

    def _write(self, archive: zipfile.ZipFile, weights: str = "float32", folder: str = "") -> None:
        """Write the model, and its denoiser into a folder below, into a zip file."""
        described = json.dumps({**self.description(), "version": VERSIONS[weights]}, indent=1)
        archive.writestr(f"{folder}{DESCRIPTION}", described)
        tensors = self.network.state_dict()
        if weights == "float16":
            tensors = _halved(tensors)
        archive.writestr(f"{folder}{WEIGHTS}", save_tensors(tensors))
        if self.thumbnail is not None:
            archive.writestr(f"{folder}{PICTURE}", to_png(self.thumbnail))
        if self.replay is not None:
            archive.writestr(f"{folder}{REPLAY}", self.replay.data)
        if self.denoiser is not None:
            self.denoiser._write(archive, weights, f"{folder}{DENOISER}")

    def description(self) -> dict[str, Any]:
        """Return everything but the weights, as plain values for JSON."""
        return {
            "format": FORMAT,
            "recipe": self.recipe.model_dump(),
            "heads": [vars(head) for head in self.encoding.heads],
            "channels": list(self.channels),
            "image_channels": self.image_channels,
            "normalization": vars(self.normalization),
            "painted": list(self.painted),
            "offset": self.offset,
            "parameters": self.parameters,
            **({} if self.object_size is None else {"object_size": self.object_size}),
            **({} if self.thickness is None else {"thickness": self.thickness}),
            "provenance": self.provenance,
        }

    def with_decoding(self, values: Mapping[str, object]) -> Model:
        """Return the same model with other decoding parameters.

        Parameters
        ----------
        values
            Name -> number, such as ``{"merge": 0.6}``. Parameters that are not named stay.

        Raises
        ------
        InputError
            If the model's encoding has no such parameter, or a value is out of range.
        """
        chosen = checked_knobs(self.encoding.knobs, values)
        return self.changed(parameters={**self.parameters, **chosen})

    def changed(self, **changes: Any) -> Model:
        """Return the same model with some fields changed."""
        return replace(self, **changes)


def build_network(recipe: Recipe, n_channels: int, encoding: Encoding) -> Network:
    """Build the network of a recipe, with new weights.

    The state of torch's random generator decides the weights, and is restored. A new denoiser
    changes nothing.
    """
    build, n_out = NETWORKS[recipe.network.kind], count_channels(encoding.heads)
    with torch.random.fork_rng(devices=[]):
        network = build(recipe.network, n_channels, n_out)
    if task_of(recipe).is_image:
        network.answer_zero()
    return network


def outline_network(recipe: Recipe, n_channels: int) -> Network:
    """Build the network of a recipe with shapes and no weights, to see how large it would be.

    It is built for two classes, or for objects, and draws no random numbers.
    """
    n_out = count_channels(encoding_of(recipe, painted=(1, 2)).heads)
    with torch.device("meta"):
        return NETWORKS[recipe.network.kind](recipe.network, n_channels, n_out)


def as_model(model: object) -> Model:
    """Return a model unchanged, or read it if its file or name is given.

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
    """Read a model. No code in the file is run.

    Raises
    ------
    InputError
        If there is no such file, or it is not a model, is damaged, was written by a newer
        version, or its weights are NaN or infinite.
    """
    path = find_model(name)
    with open_model_file(path) as file:
        return _with_denoiser(_read(file), file).changed(name=path.name)


def _read(file: ModelFile) -> Model:
    """Read a model from an open file, without its denoiser."""
    described = Description.model_validate(file.values())
    _check_kind(described.recipe)
    recipe, channels = saved_recipe(described.recipe), described.channels
    if max(channels) >= described.image_channels:
        raise ValueError("channels")
    encoding = encoding_of(recipe, described.painted, described.offset, len(channels))
    weights = _read_weights(file, recipe, len(channels), encoding)
    network = build_network(recipe, len(channels), encoding)
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
        object_size=described.object_size,
        thickness=described.thickness,
        replay=file.replay(),
    )


def _check_kind(recipe: Mapping[str, object]) -> None:
    """Check that a network of this kind is registered: other installations may have more kinds.

    Raises
    ------
    InputError
        If it is not.
    """
    network = recipe.get("network")
    kind = network.get("kind", "unet") if isinstance(network, Mapping) else "unet"
    if isinstance(kind, str) and kind not in NETWORKS:
        raise InputError(
            f"Its network is of the kind '{kind}', which is not known here. Install what it was "
            "made with, or a newer napari-scribe."
        )


def _read_weights(
    file: ModelFile, recipe: Recipe, n_channels: int, encoding: Encoding
) -> dict[str, torch.Tensor]:
    """Read the weights, and check that they fit the network before it is built."""
    with torch.device("meta"):  # only shapes: a foreign file could ask for a huge network
        expected = build_network(recipe, n_channels, encoding).state_dict()
    weights = load_tensors(file.weights(sum(t.nbytes for t in expected.values())))
    weights = {k: t.float() if t.dtype == torch.float16 else t for k, t in weights.items()}
    if {k: (t.shape, t.dtype) for k, t in weights.items()} != {
        k: (t.shape, t.dtype) for k, t in expected.items()
    }:
        raise ValueError("weights of another network")
    _check_weights(weights)
    return weights


def _halved(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Round weights to float16; counts stay whole numbers.

    Raises
    ------
    InputError
        If one of them is too large.
    """
    halves = {k: t.half() if t.is_floating_point() else t for k, t in weights.items()}
    if not are_numbers(halves):
        raise InputError("Weights of this model are too large for float16: save it in float32.")
    return halves


def _with_denoiser(model: Model, file: ModelFile) -> Model:
    """Return a model with the denoiser in its file, if there is one."""
    denoiser_file = file.denoiser()
    if denoiser_file is None:
        return model
    denoiser = _read(denoiser_file)
    is_denoiser = task_of(denoiser.recipe).is_image and not task_of(model.recipe).is_image
    if not is_denoiser or len(denoiser.channels) != model.image_channels:
        raise ValueError("denoiser")
    return model.changed(denoiser=denoiser)


def _normalization(described: Description, recipe: Recipe) -> Normalization | FixedNormalization:
    """Build the normalization of a file, and check that it suits the task and the channels."""
    numbers, n_channels = described.normalization, len(described.channels)
    if isinstance(numbers, FixedNumbers) != task_of(recipe).is_image:
        raise ValueError("normalization")
    if not isinstance(numbers, FixedNumbers):
        return Normalization(**numbers.model_dump())
    if not len(numbers.means) == len(numbers.deviations) == n_channels:
        raise ValueError("normalization")
    return FixedNormalization(numbers.means, numbers.deviations)


def are_numbers(weights: Mapping[str, torch.Tensor]) -> bool:
    """Return whether all weights are finite and no variance is negative."""
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


def as_tuple(channels: Sequence[int] | None, image: Image) -> tuple[int, ...]:
    """Return the chosen channels, or all channels of an image when None.

    Raises
    ------
    InputError
        If the image lacks one of them.
    """
    chosen = tuple(range(image.n_channels)) if channels is None else tuple(channels)
    if not chosen or min(chosen) < 0 or max(chosen) >= image.n_channels:
        last = image.n_channels - 1
        available = f"channels 0 to {last}" if last else "one channel only, number 0"
        raise InputError(f"{image.name} has {available}: {list(chosen)} cannot be chosen.")
    return chosen
