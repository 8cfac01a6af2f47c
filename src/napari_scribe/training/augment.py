"""Warp each training patch once and change its intensities, on the device, in 2D and 3D.

Random numbers are drawn on the CPU from one seeded generator, so that a seed gives the same
numbers on every device. The pixels never leave the device.
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
    """Draw random warps of `n` patches: flip, rotation, scaling, elastic deformation.

    The elastic part is as in the U-Net paper: Gaussian displacements on a coarse grid,
    interpolated smoothly.

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
    return offsets


def _linear(n: int, dimensions: int, recipe: Augmentation, generator: torch.Generator) -> Tensor:
    """Draw matrices ``(n, d, d)``: rotation in the YX plane, scaling, flips of each axis."""
    angle = _uniform(n, generator) * math.radians(recipe.rotation)
    scale = torch.exp(_mostly_small(n, generator) * math.log(recipe.scaling))
    matrix = torch.eye(dimensions).repeat(n, 1, 1)
    cos, sin = torch.cos(angle), torch.sin(angle)
    matrix[:, -2, -2], matrix[:, -2, -1] = cos, -sin
    matrix[:, -1, -2], matrix[:, -1, -1] = sin, cos
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
    """Apply random blur, gamma, contrast, brightness and noise to patches ``(N, C, *spatial)``.

    Each patch is changed as a whole, so that its channels stay comparable.
    """
    n = len(pixels)
    shape = (n,) + (1,) * (pixels.ndim - 1)

    def draw() -> Tensor:
        return _mostly_small(n, generator).reshape(shape).to(pixels.device)

    if recipe.blur > 0:
        pixels = _blur(pixels, draw().abs().flatten() * recipe.blur)
    if recipe.gamma > 1:
        exponent = torch.exp(draw() * math.log(recipe.gamma))
        pixels = pixels.sign() * (pixels.abs() + 1e-6) ** exponent
    gain = torch.exp(draw() * math.log(recipe.contrast))
    pixels = pixels * gain + draw() * recipe.brightness
    if recipe.noise > 0:
        seed = int(torch.randint(0, 2**62, (1,), generator=generator))
        local = torch.Generator(pixels.device).manual_seed(seed)
        noise = torch.randn(pixels.shape, generator=local, device=pixels.device)
        pixels = pixels + noise * (draw().abs() * recipe.noise)
    return pixels


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
