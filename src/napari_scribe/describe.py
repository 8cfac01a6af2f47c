"""Describe models and images in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from .image import Image
from .io import first_few
from .model import Model, counted
from .targets import task_of

ENOUGH_STEPS = 50
"""Fewest steps after which a model is judged: the first regular validation comes then."""
NOTHING_FOUND = (
    "The model finds nothing here: paint some of the objects of this image, and train on."
)
HARDLY_LOWER = 0.75
"""A model has learnt something if its best loss is below this share of its first loss."""


def describe_model(model: Model) -> str:
    """Describe a model in a few lines."""
    provenance = model.provenance
    n_images = provenance.get("n_images") or len(provenance.get("images", []))
    network = model.recipe.network
    is_denoiser = task_of(model.recipe).is_image
    lines = [
        f"{'Denoiser' if is_denoiser else f'Model for {model.recipe.task}'}, {network.dimensions}D",
        f"  network      {network.in_words()}; "
        f"{sum(p.numel() for p in model.network.parameters()):,} parameters",
        f"  channels     {_channels(model)}",
        f"  trained on   {counted(n_images, 'image')}, "
        f"{counted(provenance.get('steps', '?'), 'step')}, "
        f"{provenance.get('seconds', '?')} s on {provenance.get('device', '?')}",
        *(_denoiser_lines(model) if is_denoiser else _label_lines(model)),
    ]
    if model.denoiser is not None:
        first, *_ = describe_model(model.denoiser).splitlines()
        lines.append(f"  sees first   {first[0].lower()}{first[1:]}: it gets denoised images")
    geometry = model.network.geometry
    lines.append(
        f"  sees         {per_axis([g.receptive_field for g in geometry])} to either side; "
        f"halo {per_axis([g.halo for g in geometry])}, "
        f"stride {per_axis([g.stride for g in geometry])}"
    )
    return "\n".join(lines)


def _label_lines(model: Model) -> Iterator[str]:
    """Describe a model of labels: its validation loss, its classes and its decoding."""
    loss = model.provenance.get("best_validation")
    if loss is not None:
        yield f"  validation   {loss:.4f} (loss on held-out paint)"
    if model.object_size is not None:
        yield f"  objects      of about {model.object_size:.3g} px"
    if model.painted:
        yield f"  classes      {[value - model.offset for value in model.painted]}"
    if model.parameters:
        chosen = ", ".join(f"{key} {value:.3g}" for key, value in model.parameters.items())
        yield f"  decoding     {chosen}"


def _denoiser_lines(model: Model) -> Iterator[str]:
    """Describe a denoiser: its pairs, its error, and its effect on the brightness."""
    pairs, loss = model.provenance.get("pairs"), model.provenance.get("best_validation")
    if pairs:
        what = "neighbouring pixels" if pairs.get("single") else str(pairs["pairs"])
        yield f"  pairs        {what} of {counted(pairs['views'], 'noisy picture')}"
    if loss is not None:
        yield (
            f"  error        {loss:.4f} (difference between the result and the other picture of "
            "held-out pairs: most of it is the noise of that picture)"
        )
    if model.parameters:
        most = 100 * max(map(abs, model.parameters.values()))
        yield f"  brightness   kept on average (it was off by {most:.2g} % of the contrast)"


def steps_learnt(model: Model) -> int:
    """Return how many steps a network was trained, including those of the model it started from."""
    provenance = model.provenance
    return sum(int(_number(provenance.get(key)) or 0) for key in ("steps", "steps_before"))


def too_little_learnt(model: Model) -> str:
    """Return why a model cannot be judged by its results yet; empty where it can.

    The number of steps decides, and the loss on held-out paint relative to the loss of the first
    step. A model without a record of its training counts as trained.
    """
    provenance, steps = model.provenance, steps_learnt(model)
    if 0 < steps < ENOUGH_STEPS:
        return f"The network has trained for {counted(steps, 'step')} only, too few to judge"
    first, best = _number(provenance.get("first_loss")), _number(provenance.get("best_validation"))
    is_noise = task_of(model.recipe).is_image  # most of the loss is the noise of the targets
    if first is None or best is None or is_noise or best < HARDLY_LOWER * first:
        return ""
    return (
        f"The network has hardly learnt yet: its loss on held-out paint is {best:.2f}, and was "
        f"{first:.2f} at the start"
    )


def _number(value: object) -> float | None:
    """Return a value of a model file if it is a finite number, else None."""
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    return None


def _channels(model: Model) -> str:
    if model.image_channels == 1:
        return "one"
    return f"{', '.join(map(str, model.channels))} of 0 to {model.image_channels - 1}"


def per_axis(pixels: Sequence[int]) -> str:
    """Describe a length in pixels by one number, or by one number per axis if they differ."""
    if len(set(pixels)) == 1:
        return f"{pixels[0]} px"
    axes = "ZYX"[-len(pixels) :]
    return " ".join(f"{axis} {n}" for axis, n in zip(axes, pixels, strict=True)) + " px"


def axes_of(image: Image) -> str:
    """Describe the axes of an image and their lengths."""
    return ", ".join(f"{a} {n}" for a, n in zip(image.axes, image.shape, strict=True))


class Understood(NamedTuple):
    """Hold how a file was read: its name, its axes and their lengths, and notes of the reader."""

    name: str
    axes: str
    notes: tuple[str, ...] = ()


def understood(name: str, image: Image) -> Understood:
    """Return how a file was read, without its pixels."""
    return Understood(name, axes_of(image), image.notes)


def describe_inputs(images: Sequence[Understood]) -> str:
    """Describe how images were read, with one line for those that are alike."""
    return _by_text((image.axes, image.name) for image in images)


def describe_notes(images: Sequence[Understood]) -> str:
    """Return the notes of the reader, with one line for each different note."""
    return _by_text((note, image.name) for image in images for note in image.notes)


def _by_text(pairs: Iterable[tuple[str, str]]) -> str:
    """Return a line for each text: the names of its images, then the text."""
    names: dict[str, list[str]] = {}
    for text, name in pairs:
        names.setdefault(text, []).append(name)
    return "\n".join(f"{first_few(image_names, 3)}: {text}" for text, image_names in names.items())


def describe_image(image: Image) -> str:
    """Describe an image in a few lines."""
    lines = [f"Image {image.name}", f"  axes         {axes_of(image)}"]
    lines.append(f"  pixels       {image.dtype}")
    if image.scale:
        sizes = (
            f"{a} {size:g} {image.units.get(a, '')}".strip() for a, size in image.scale.items()
        )
        lines.append(f"  pixel size   {', '.join(sizes)}")
    if image.channel_names:
        lines.append(f"  channels     {', '.join(image.channel_names)}")
    lines += [f"  note         {note}" for note in image.notes]
    return "\n".join(lines)
