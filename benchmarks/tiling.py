"""Throughput of the tiling engine over that of the bare network on the same tiles.

Both sides run the same folded network in the same precision on tiles of the same shape; all
computed pixels count on both sides. The engine also reads, mirrors, normalizes, crops and writes.
"""

from __future__ import annotations

import numpy as np
import torch
from common import compare, machine, parser

import napari_scribe as ns
from napari_scribe.device import pick_device, precision
from napari_scribe.inference.engine import Predictor, memory_format, predict_tiles, tile_reader
from napari_scribe.inference.tiles import plan_tiles
from napari_scribe.model import build_network
from napari_scribe.normalization import Normalization
from napari_scribe.targets import coder_of


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--side", type=int, default=2048)
    arguments.add_argument("--tile", type=int, default=512)
    arguments.add_argument("--rounds", type=int, default=7)
    chosen = arguments.parse_args()

    recipe = ns.Recipe()
    coder = coder_of(recipe)
    device = pick_device(chosen.device)
    dtype = precision(device)
    torch.manual_seed(0)
    network = build_network(recipe, 1, coder).eval()
    predictor = Predictor(network, coder.heads, device, dtype)
    shape = (chosen.side, chosen.side)
    pixels = np.random.default_rng(0).integers(0, 4096, shape, dtype=np.uint16)
    image = ns.Image(pixels, "YX")
    tiles = plan_tiles(shape, chosen.tile, network.geometry)
    read = tile_reader(image, (), (0,), Normalization().measure(image), 2)
    out = np.zeros((2, *shape), np.float16)

    def write(tile, answer):
        out[(slice(None), *tile.keep)] = answer

    size = [s.stop - s.start for s in tiles[0].read]
    layout = memory_format(2)
    raw = torch.zeros(1, 1, *size, device=device).contiguous(memory_format=layout)

    def engine():
        for _ in predict_tiles(predictor, tiles, read, write, recipe.tiling.batch):
            pass

    def bare():
        with torch.inference_mode(), torch.autocast(device.type, dtype, dtype != torch.float32):
            for _ in tiles:
                predictor.network(raw)

    seconds = compare(chosen.rounds, engine=engine, bare=bare)
    computed = len(tiles) * np.prod(size)
    print(f"{machine()}; {dtype}, {len(tiles)} tiles of {size[0]} px for {chosen.side}^2")
    for name, value in seconds.items():
        print(f"  {name:7s} {computed / value / 1e6:6.2f} Mpx/s computed")
    print(f"pixels computed per pixel kept: {computed / np.prod(shape):.2f}")
    print(f"engine / bare forward: {seconds['bare'] / seconds['engine']:.3f}")


if __name__ == "__main__":
    main()
