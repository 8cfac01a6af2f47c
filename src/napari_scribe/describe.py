"""Describe models and images in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .image import Image
from .io import first_few
from .io.held_out import HeldOut
from .io.model_file import ENOUGH_STEPS
from .model import Model
from .targets import task_of
from .wording import counted

NOTHING_FOUND = (
    "The model finds nothing here: paint some of the objects of this image, and train on."
)
HARDLY_LOWER = 0.75
"""A model has learnt something if its best loss is below this share of its first loss."""


def describe_model(model: Model) -> str:
    """Describe a model in a few lines."""
    provenance = model.provenance
    n_images = provenance.get("n_images") or len(provenance.get("images", []))
    network, steps = model.recipe.network, provenance.get("steps")
    is_denoiser = task_of(model.recipe).is_image
    lines = [
        f"{'Denoiser' if is_denoiser else f'Model for {model.recipe.task}'}, {network.dimensions}D",
        f"  network      {network.in_words()}; "
        f"{sum(p.numel() for p in model.network.parameters()):,} parameters",
        f"  channels     {_channels(model)}",
        f"  trained on   {counted(n_images, 'image')}, "
        f"{'? steps' if steps is None else counted(steps, 'step')}, "
        f"{provenance.get('seconds', '?')} s on {provenance.get('device', '?')}",
        *_held_out_line(model),
        *(_denoiser_lines(model) if is_denoiser else _label_lines(model)),
        *(f"  {key:<12} {text}" for key, text in provenance.get("card", {}).items()),
    ]
    if tuning := provenance.get("fine_tuning"):
        lines.append(f"  fine-tuned   {_fine_tuning(tuning)}")
    if not is_denoiser:
        lines.append(f"  replay       {_replay(model)}")
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


def _held_out_line(model: Model) -> Iterator[str]:
    """Say how much of what was held out a model answers rightly, where that was counted."""
    if words := HeldOut.model_validate(model.provenance.get("held_out", {})).in_words():
        yield f"  held out     {words}"


def _label_lines(model: Model) -> Iterator[str]:
    """Describe a model of labels: its validation loss, its classes and its decoding."""
    loss = model.provenance.get("best_validation")
    if loss is not None:
        yield f"  validation   {loss:.4f} (loss on held-out paint)"
    if model.object_size is not None:
        yield f"  objects      of about {model.object_size:.3g} px"
    if model.thickness is not None:
        yield f"  slices       {model.thickness:.3g} px apart"
    if model.painted:
        yield f"  classes      {[value - model.offset for value in model.painted]}"
    if model.parameters:
        chosen = ", ".join(f"{key} {value:.3g}" for key, value in model.parameters.items())
        yield f"  decoding     {chosen}"


def _fine_tuning(tuning: Mapping[str, Any]) -> str:
    """Describe from which model a model was fine-tuned, and how far it is away from that."""
    text = f"from {tuning['parent']}, {100 * tuning['share']:.0f} % of the way"
    losses = {"held-out paint": tuning.get("paint"), "replay": tuning.get("replay")}
    for what, pair in losses.items():
        if pair:
            text += f"; loss on {what} {pair[0]:.3f} -> {pair[1]:.3f}"
    return text


def _replay(model: Model) -> str:
    """Describe the sample of what a model learnt from."""
    if model.replay is None:
        return "none: fine-tuning cannot check what it harms"
    try:
        patches = model.replay.patches(len(model.channels), model.dimensions)
    except ValueError:
        return "damaged: fine-tuning goes without"
    return (
        f"{len(patches)} pieces of the training images, to be seen by "
        f"whoever has this file ({len(model.replay.data) / 1e6:.2f} MB)"
    )


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


class Understood(NamedTuple):
    """Hold how a file was read: its name, its axes and their lengths, and notes of the reader."""

    name: str
    axes: str
    notes: tuple[str, ...] = ()


def understood(name: str, image: Image, model: Model | None = None) -> Understood:
    """Return how a file was read, without its pixels; and how a model will see it, if given."""
    words = "" if model is None else slice_by_slice(model, image.length("Z"))
    return Understood(name, image.axes_in_words(), (*image.notes, *([words] if words else [])))


def slice_by_slice(model: Model, n_slices: int) -> str:
    """Say that a 2D model sees each slice of a volume by itself; empty where there is no volume."""
    if model.dimensions == 3 or n_slices < 2:
        return ""
    verb = "denoised" if task_of(model.recipe).is_image else "segmented"
    words = f"The model is 2D: the {n_slices} slices are {verb} slice by slice"
    if task_of(model.recipe).separates_objects:
        words += ", so objects do not go on from one to the next: that takes a 3D model"
    return f"{words}."


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
    lines = [f"Image {image.name}", f"  axes         {image.axes_in_words()}"]
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
