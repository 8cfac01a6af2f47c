"""Warp each training patch once and change its intensities, on the device, in 2D and 3D.

Random numbers are drawn on the CPU from one seeded generator, so that a seed gives the same
numbers on every device. The pixels never leave the device. What is switched off draws none, so that
a new kind of change leaves the training of a seed as it was.

A warp moves pixels, target maps, labels and weights together: paint stays on what it was painted
on. Defects of slices and cutout change pixels alone. Their weights stay, because what is hidden
is still there: the network is to find it by what is around it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..recipe import Augmentation


def warp_fields(
    n: int, shape: Sequence[int], recipe: Augmentation, generator: torch.Generator
) -> Tensor:
    """Draw random warps of `n` patches.

    They are made of flip, rotation, scaling, shear, elastic deformation and, in volumes,
    misaligned slices. The elastic part is as in the U-Net paper: Gaussian displacements on a
    coarse grid, interpolated smoothly.

    Returns
    -------
    offsets
        ``(n, *shape, d)`` float32: for each pixel, the place that it is taken from. It is in pixels
        relative to the patch's centre, in the order of the axes.
    """
    axes = [torch.arange(s, dtype=torch.float32) - (s - 1) / 2 for s in shape]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    matrix = _linear(n, len(shape), recipe, generator)
    offsets = torch.einsum("...i,nij->n...j", grid, matrix)
    if recipe.elastic > 0:
        offsets = offsets + _elastic(n, shape, recipe, generator)
    if recipe.misalignment > 0 and len(shape) == 3 and shape[0] > 1:
        offsets = offsets + _misalignment(n, shape, recipe, generator)
    return offsets


def _linear(n: int, dimensions: int, recipe: Augmentation, generator: torch.Generator) -> Tensor:
    """Draw matrices ``(n, d, d)``: rotation and shear in the YX plane, scaling, flips of axes."""
    angle = _uniform(n, generator) * math.radians(recipe.rotation)
    scale = torch.exp(_mostly_small(n, generator) * math.log(recipe.scaling))
    matrix = torch.eye(dimensions).repeat(n, 1, 1)
    cos, sin = torch.cos(angle), torch.sin(angle)
    matrix[:, -2, -2], matrix[:, -2, -1] = cos, -sin
    matrix[:, -1, -2], matrix[:, -1, -1] = sin, cos
    if recipe.shear > 0:
        slant = torch.eye(dimensions).repeat(n, 1, 1)
        slant[:, -1, -2] = torch.tan(_mostly_small(n, generator) * math.radians(recipe.shear))
        matrix = slant @ matrix
    matrix = matrix * scale[:, None, None]
    if recipe.flip:
        flips = torch.randint(0, 2, (n, 1, dimensions), generator=generator) * 2 - 1
        matrix = matrix * flips
    return matrix


def _elastic(
    n: int, shape: Sequence[int], recipe: Augmentation, generator: torch.Generator
) -> Tensor:
    """Draw displacements ``(n, *shape, d)``, smooth between random nodes."""
    coarse = [max(2, round(s / recipe.elastic_grid) + 1) for s in shape]
    strength = _mostly_small(n, generator).reshape(n, 1, *(1,) * len(shape)) * recipe.elastic
    nodes = torch.randn((n, len(shape), *coarse), generator=generator) * strength
    mode = "bicubic" if len(shape) == 2 else "trilinear"
    fine = F.interpolate(nodes, size=list(shape), mode=mode, align_corners=True)
    return fine.movedim(1, -1)


def _misalignment(
    n: int, shape: Sequence[int], recipe: Augmentation, generator: torch.Generator
) -> Tensor:
    """Draw displacements ``(n, Z, 1, 1, 3)``: in the plane, of a slice or all from one on."""
    first = torch.randint(1, shape[0], (n, 1), generator=generator)  # after the first slice
    is_alone = torch.randint(0, 2, (n, 1), generator=generator).bool()
    z = torch.arange(shape[0])
    moves = torch.where(is_alone, z == first, z >= first)
    steps = [_mostly_small(n, generator) * recipe.misalignment for _ in range(2)]
    displacements = torch.stack([torch.zeros(n), *steps], dim=-1)
    return (moves[..., None] * displacements[:, None])[:, :, None, None]


def sample_at(volume: Tensor, places: Tensor, mode: str, outside: str) -> Tensor:
    """Return the pixels ``(C, *shape)`` of ``(C, *spatial)`` at places ``(*shape, d)``.

    Parameters
    ----------
    places
        In pixels, in the order of the axes.
    mode
        ``bilinear`` or ``nearest``.
    outside
        ``reflection`` (mirrored, as in inference) or ``zeros``.
    """
    size = torch.tensor(volume.shape[1:], dtype=torch.float32, device=volume.device)
    # grid_sample wants -1 to 1 between the centres of the outermost pixels, x first.
    unit = places * (2 / (size - 1).clamp(min=1)) - 1
    return F.grid_sample(
        volume[None], unit.flip(-1)[None], mode=mode, padding_mode=outside, align_corners=True
    )[0]


def change_intensity(pixels: Tensor, recipe: Augmentation, generator: torch.Generator) -> Tensor:
    """Change the pixels of patches ``(N, C, *spatial)`` at random, and leave them in their places.

    Each patch is changed as a whole, so that its channels stay comparable. Light comes first:
    inversion, blur, gamma, contrast, brightness, background. Then comes the noise of the camera,
    and at last what hides a part: a blurred slice, a missing one, a blank box.
    """
    n = len(pixels)
    shape = (n,) + (1,) * (pixels.ndim - 1)

    def draw() -> Tensor:
        return _mostly_small(n, generator).reshape(shape).to(pixels.device)

    if recipe.invert > 0:
        pixels = torch.where(_some(n, recipe.invert, generator, pixels), 1 - pixels, pixels)
    if recipe.blur > 0:
        pixels = _blur(pixels, draw().abs().flatten() * recipe.blur)
    if recipe.gamma > 1:
        exponent = torch.exp(draw() * math.log(recipe.gamma))
        pixels = pixels.sign() * (pixels.abs() + 1e-6) ** exponent
    gain = torch.exp(draw() * math.log(recipe.contrast))
    pixels = pixels * gain + draw() * recipe.brightness
    if recipe.background > 0:
        pixels = pixels + _slope(n, pixels, generator) * (draw() * recipe.background)
    if recipe.noise > 0:
        seed = int(torch.randint(0, 2**62, (1,), generator=generator))
        local = torch.Generator(pixels.device).manual_seed(seed)
        noise = torch.randn(pixels.shape, generator=local, device=pixels.device)
        pixels = pixels + noise * (draw().abs() * recipe.noise)
    if pixels.ndim == 5:
        pixels = _with_defects(pixels, recipe, generator)
    if recipe.cutout > 0:
        box = _box(pixels, recipe.cutout, generator)
        pixels = torch.where(box, _blank(n, generator, pixels), pixels)
    return pixels


def _with_defects(pixels: Tensor, recipe: Augmentation, generator: torch.Generator) -> Tensor:
    """Blur a slice of each volume ``(N, C, Z, Y, X)``, and blank one of some."""
    n, depth = len(pixels), pixels.shape[2]
    if recipe.blurred_section > 0:
        chosen = torch.randint(0, depth, (n,), generator=generator).to(pixels.device)
        at = torch.arange(n, device=pixels.device), slice(None), chosen
        sigma = _mostly_small(n, generator).abs().to(pixels.device) * recipe.blurred_section
        pixels = pixels.clone()
        pixels[at] = _blur(pixels[at], sigma)
    if recipe.missing_section > 0:
        z = torch.arange(depth, device=pixels.device).reshape(1, 1, -1, 1, 1)
        chosen = torch.randint(0, depth, (n, 1, 1, 1, 1), generator=generator).to(pixels.device)
        gone = (z == chosen) & _some(n, recipe.missing_section, generator, pixels)
        pixels = torch.where(gone, _blank(n, generator, pixels), pixels)
    return pixels


def _some(n: int, share: float, generator: torch.Generator, pixels: Tensor) -> Tensor:
    """Choose a share of the patches: bool ``(n, 1, ...)``."""
    chosen = torch.rand(n, generator=generator) < share
    return chosen.reshape(n, *[1] * (pixels.ndim - 1)).to(pixels.device)


def _blank(n: int, generator: torch.Generator, pixels: Tensor) -> Tensor:
    """Draw what blank pixels of each patch show ``(n, 1, ...)``: black, white or any grey."""
    grey = torch.rand(n, generator=generator)
    return grey.reshape(n, *[1] * (pixels.ndim - 1)).to(pixels.device)


def _slope(n: int, pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Draw ramps ``(n, 1, *spatial)`` in any direction, from -1/2 to 1/2 across the patch."""
    sides = pixels.shape[2:]
    axes = [(torch.arange(s, dtype=torch.float32) + 0.5) / s - 0.5 for s in sides]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).to(pixels.device)
    direction = F.normalize(torch.randn(n, len(sides), generator=generator), p=1)
    return torch.einsum("...i,ni->n...", grid, direction.to(pixels.device))[:, None]


def _box(pixels: Tensor, side: float, generator: torch.Generator) -> Tensor:
    """Draw a box within each patch: bool ``(N, 1, *spatial)``."""
    n, box = len(pixels), torch.ones((), dtype=torch.bool, device=pixels.device)
    for axis, length in enumerate(pixels.shape[2:], start=2):
        # A patch of few slices is not to lose them all.
        longest = min(math.ceil(side), max(1, length // 2))
        sides = torch.randint(1, longest + 1, (n,), generator=generator)
        start = (torch.rand(n, generator=generator) * (length - sides + 1)).long()
        at = torch.arange(length)
        inside = (at >= start[:, None]) & (at < (start + sides)[:, None])
        shape = [n] + [1] * (pixels.ndim - 1)
        shape[axis] = length
        box = box & inside.reshape(shape).to(pixels.device)
    return box


def _blur(pixels: Tensor, sigma: Tensor) -> Tensor:
    """Blur each patch in the YX plane with a Gaussian of its own standard deviation."""
    reach = max(1, math.ceil(2 * float(sigma.max())))
    at = torch.arange(-reach, reach + 1, device=pixels.device, dtype=torch.float32)
    kernel = torch.exp(-(at**2) / (2 * sigma.clamp(min=1e-3)[:, None] ** 2))
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    n, height, width = len(pixels), pixels.shape[-2], pixels.shape[-1]
    # A patch is a group; channels and Z are the batch, so that each is blurred alike.
    flat = pixels.reshape(n, -1, height, width).transpose(0, 1)
    flat = F.pad(flat, (reach, reach, reach, reach), mode="replicate")
    flat = F.conv2d(flat, kernel[:, None, :, None], groups=n)
    flat = F.conv2d(flat, kernel[:, None, None, :], groups=n)
    return flat.transpose(0, 1).reshape(pixels.shape)


def _uniform(n: int, generator: torch.Generator) -> Tensor:
    """Draw `n` numbers between -1 and 1."""
    return torch.rand(n, generator=generator) * 2 - 1


def _mostly_small(n: int, generator: torch.Generator) -> Tensor:
    """Draw `n` numbers between -1 and 1, small ones more often: strong changes should be rare."""
    return torch.rand(n, generator=generator) - torch.rand(n, generator=generator)
