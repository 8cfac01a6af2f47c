"""What a model or an image is, in words."""

from __future__ import annotations

from .image import Image
from .model import Model


def describe_model(model: Model) -> str:
    """A few lines about a model."""
    made = model.provenance
    network = model.recipe.network
    n_images = len(made.get("images", []))
    lines = [
        f"Model for {model.recipe.task}, {network.dimensions}D",
        f"  network      {network.kind}, depth {network.depth}, width {network.width}, "
        f"padding {network.padding}; "
        f"{sum(p.numel() for p in model.network.parameters()):,} weights",
        f"  channels     {list(model.channels)} of {model.image_channels}",
        f"  trained on   {n_images} image{'s' * (n_images != 1)}, {made.get('steps', '?')} steps, "
        f"{made.get('seconds', '?')} s on {made.get('device', '?')}",
    ]
    if made.get("best_validation") is not None:
        lines.append(f"  validation   {made['best_validation']:.4f} (loss on held-out paint)")
    if model.painted:
        values = [value - model.offset for value in model.painted]
        lines.append(f"  classes      {values}")
    if model.parameters:
        chosen = ", ".join(f"{key} {value:.3g}" for key, value in model.parameters.items())
        lines.append(f"  decoding     {chosen}")
    geometry = model.network.geometry
    lines.append(
        f"  sees         {geometry.receptive_field} px to either side; halo {geometry.halo} px, "
        f"stride {geometry.stride} px"
    )
    return "\n".join(lines)


def describe_image(image: Image) -> str:
    """A few lines about an image."""
    axes = ", ".join(f"{a} {n}" for a, n in zip(image.axes, image.shape, strict=True))
    lines = [f"Image {image.name}", f"  axes         {axes}", f"  pixels       {image.dtype}"]
    if image.scale:
        sizes = (
            f"{a} {size:g} {image.units.get(a, '')}".strip() for a, size in image.scale.items()
        )
        lines.append(f"  pixel size   {', '.join(sizes)}")
    if image.channel_names:
        lines.append(f"  channels     {', '.join(image.channel_names)}")
    return "\n".join(lines)
