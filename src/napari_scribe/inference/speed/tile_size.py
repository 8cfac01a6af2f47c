"""Choose how much a network computes at once, by free memory and by measured speed."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import torch

from ...device import machine_key
from ...memory import free_bytes, is_out_of_memory
from ...recipe import NetworkPart
from ...user_folder import read_table, update_table
from ..engine import Predictor
from ..retry import MOST_HALVINGS, halved
from ..source import Source
from ..tiles import Tile, plan_tiles

CANDIDATES = {2: (192, 256, 384, 512, 768, 1024, 1536), 3: (32, 48, 64, 96, 128, 160)}
"""Sides of tiles that are timed, in pixels, for 2D and 3D networks."""
WORTH_MEASURING = {2: 2**25, 3: 2**25}
"""Number of pixels from which a measurement can save more time than it takes."""
SECONDS = 4.0
"""Seconds after which no further side is timed."""
SHARE = 0.5
"""Share of the free memory that a batch may need by estimate."""
SPEEDS_FILE = "tiles.json"
"""File in the user's folder that speeds are saved in."""
FEATURE_MAPS = {2: 6, 3: 4}
"""Feature maps of the first level that are in memory at once, for 2D and 3D networks. Measured on
the CPU: 5.4 to 7.0 in U-Nets and 2.2 to 4.3 in the others in 2D, 3.2 to 4.3 in 3D."""
Speeds = dict[str, float]
"""Side of a tile -> pixels per second."""


def bytes_needed(source: Source, tile: Tile, batch: int, dtype: torch.dtype) -> int:
    """Estimate the memory that the network needs for a batch."""
    return batch * bytes_of_tile(source.model.recipe.network, tile, dtype)


def bytes_of_tile(network: NetworkPart, tile: Tile, dtype: torch.dtype) -> int:
    """Estimate the memory that the network of a recipe needs for a tile."""
    n_maps = network.features * FEATURE_MAPS[network.dimensions]
    return math.prod(tile.read_shape) * n_maps * dtype.itemsize


def reductions_needed(
    source: Source, tile: Tile, batch: int, device: torch.device, dtype: torch.dtype
) -> int:
    """Return how often to reduce the load at first, so that it fits the free memory."""
    room, geometry = free_bytes(device), source.model.network.geometry
    n = 0
    while batch > 1 and bytes_needed(source, tile, batch, dtype) > room:
        batch, n = batch // 2, n + 1
    for times in range(MOST_HALVINGS):
        if bytes_needed(source, halved(tile, times, geometry)[0], 1, dtype) <= room:
            break
        n += 1
    return n


def choose_tile(
    source: Source, device: torch.device, dtype: torch.dtype, halo: Sequence[int] | None
) -> int:
    """Return the side of a tile: the fastest on this machine, measured once in long jobs."""
    n, recipe = source.model.dimensions, source.model.recipe
    if recipe.tiling.tile:
        return recipe.tile
    n_pixels = math.prod(source.label_shape)
    if n_pixels < WORTH_MEASURING[n] or source.is_empty:
        return recipe.tile
    speeds = _speeds(source, device, dtype, halo)
    sides = [s for s in _fitting(source, device, dtype, halo) if str(s) in speeds]
    return max(sides or [recipe.tile], key=lambda side: speeds.get(str(side), 0.0))


def choose_batch(source: Source, tile: Tile, device: torch.device, dtype: torch.dtype) -> int:
    """Return the tiles per forward pass: on a GPU as many as keep it busy, if they fit."""
    if source.model.recipe.tiling.batch or device.type == "cpu":
        return source.model.recipe.tiling.batch or 1
    wanted = max(1, 2**22 // math.prod(tile.read_shape))
    room = SHARE * free_bytes(device)
    fit = int(room // max(1, bytes_needed(source, tile, 1, dtype)))
    return max(1, min(wanted, fit, 64))


def _fitting(
    source: Source, device: torch.device, dtype: torch.dtype, halo: Sequence[int] | None
) -> list[int]:
    """Return the candidates whose tiles fit into memory by estimate; at least the smallest."""
    sides, room = CANDIDATES[source.model.dimensions], SHARE * free_bytes(device)
    fit = [s for s in sides if bytes_needed(source, _tile(source, s, halo), 1, dtype) <= room]
    return fit or [min(sides)]


def _tile(source: Source, side: int, halo: Sequence[int] | None) -> Tile:
    geometry = source.model.network.geometry
    return plan_tiles([side] * source.model.dimensions, side, geometry, halo)[0]


def _speeds(
    source: Source, device: torch.device, dtype: torch.dtype, halo: Sequence[int] | None
) -> Speeds:
    """Return the speed of each side: as saved before, or as measured now."""
    network = source.model.recipe.network.model_dump_json()
    halo_sizes = halo and list(halo)
    key = f"{machine_key(device)}, {dtype}, {network}, {len(source.channels)}, halo {halo_sizes}"
    speeds: Speeds | None = read_table(SPEEDS_FILE).get(key)
    if speeds is None:
        speeds = _measured(source, device, dtype, halo)
        update_table(SPEEDS_FILE, key, speeds)
    return dict(speeds)


def _measured(
    source: Source, device: torch.device, dtype: torch.dtype, halo: Sequence[int] | None
) -> Speeds:
    """Time each side, from the smallest on, until the time is up or larger sides are slower."""
    model = source.model
    predictor = Predictor(source.network, model.encoding.heads, device, dtype)
    speeds: Speeds = {}
    began = time.perf_counter()
    for side in _fitting(source, device, dtype, halo):
        tile = _tile(source, side, halo)
        x = torch.rand(1, len(source.channels), *tile.read_shape)
        best = math.inf
        try:
            for _ in range(4):
                start = time.perf_counter()
                predictor(x, tile.margin).cpu()
                best = min(best, time.perf_counter() - start)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            break
        speeds[str(side)] = math.prod(tile.kept_shape) / best
        if time.perf_counter() - began > SECONDS or speeds[str(side)] < 0.7 * max(speeds.values()):
            break
    return speeds
