"""What a model or an image is, in words."""

from __future__ import annotations

from collections.abc import Sequence

from .image import Image
from .io import some
from .model import Model


def describe_model(model: Model) -> str:
    """A few lines about a model."""
    made = model.provenance
    network = model.recipe.network
    flat = f", {network.flat_levels} of them flat" if network.flat_levels else ""
    n_images = len(made.get("images", []))
    is_denoiser = model.recipe.task == "denoised"
    held = "pairs" if is_denoiser else "paint"
    lines = [
        f"{'Denoiser' if is_denoiser else f'Model for {model.recipe.task}'}, {network.dimensions}D",
        f"  network      {network.kind}, depth {network.depth}{flat}, width {network.width}, "
        f"padding {network.padding}; "
        f"{sum(p.numel() for p in model.network.parameters()):,} weights",
        f"  channels     {list(model.channels)} of {model.image_channels}",
        f"  trained on   {n_images} image{'s' * (n_images != 1)}, {made.get('steps', '?')} steps, "
        f"{made.get('seconds', '?')} s on {made.get('device', '?')}",
    ]
    if made.get("best_validation") is not None:
        lines.append(f"  validation   {made['best_validation']:.4f} (loss on held-out {held})")
    if pairs := made.get("pairs"):
        single = ", made of neighbouring pixels" if pairs.get("single") else ""
        lines.append(f"  pairs        {pairs['pairs']} of {pairs['views']} pictures{single}")
    if model.painted:
        values = [value - model.offset for value in model.painted]
        lines.append(f"  classes      {values}")
    if model.parameters:
        chosen = ", ".join(f"{key} {value:.3g}" for key, value in model.parameters.items())
        lines.append(f"  decoding     {chosen}")
    if model.denoiser is not None:
        first, *_ = describe_model(model.denoiser).splitlines()
        lines.append(f"  sees first   {first[0].lower()}{first[1:]}: it gets denoised images")
    geometry = model.network.geometry
    lines.append(
        f"  sees         {_per_axis([g.receptive_field for g in geometry])} to either side; "
        f"halo {_per_axis([g.halo for g in geometry])}, "
        f"stride {_per_axis([g.stride for g in geometry])}"
    )
    return "\n".join(lines)


def _per_axis(pixels: Sequence[int]) -> str:
    """One number where all axes agree."""
    if len(set(pixels)) == 1:
        return f"{pixels[0]} px"
    axes = "ZYX"[-len(pixels) :]
    return " ".join(f"{axis} {n}" for axis, n in zip(axes, pixels, strict=True)) + " px"


def axes_of(image: Image) -> str:
    """Its axes and their lengths."""
    return ", ".join(f"{a} {n}" for a, n in zip(image.axes, image.shape, strict=True))


def describe_inputs(images: Sequence[tuple[str, str]]) -> str:
    """A line for images that are alike: how they were understood, before long work on them.

    Parameters
    ----------
    images
        Name of each, and `axes_of` it.
    """
    alike: dict[str, list[str]] = {}
    for name, axes in images:
        alike.setdefault(axes, []).append(name)
    return "\n".join(f"{some(names, 3)}: {axes}" for axes, names in alike.items())


def describe_image(image: Image) -> str:
    """A few lines about an image."""
    lines = [f"Image {image.name}", f"  axes         {axes_of(image)}"]
    lines.append(f"  pixels       {image.dtype}")
    if image.scale:
        sizes = (
            f"{a} {size:g} {image.units.get(a, '')}".strip() for a, size in image.scale.items()
        )
        lines.append(f"  pixel size   {', '.join(sizes)}")
    if image.channel_names:
        lines.append(f"  channels     {', '.join(image.channel_names)}")
    return "\n".join(lines)
