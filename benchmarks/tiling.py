"""Compare the throughput of the tiling engine with that of the bare network on the same tiles.

Both sides run the same folded network in the same precision on tiles of the same shape, with the
same margin left out in the decoder. The engine also reads, mirrors, normalizes, crops and writes.
The bare network without that margin is shown, too: it is what cropping afterwards would cost.
"""

from __future__ import annotations

import numpy as np
import torch
from common import compare, cost, machine, parser

import napari_scribe as ns
from napari_scribe.device import pick_device, precision
from napari_scribe.inference.engine import Predictor, memory_format, predict_tiles
from napari_scribe.inference.reading import tile_reader
from napari_scribe.inference.tiles import plan_tiles
from napari_scribe.model import build_network
from napari_scribe.normalization import Normalization
from napari_scribe.targets import encoding_of


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--side", type=int, default=2048)
    arguments.add_argument("--tile", type=int, default=512)
    arguments.add_argument("--batch", type=int, default=1)
    arguments.add_argument("--rounds", type=int, default=7)
    chosen = arguments.parse_args()

    recipe = ns.Recipe()
    coder = encoding_of(recipe)
    device = pick_device(chosen.device)
    dtype = precision(device)
    torch.manual_seed(0)
    network = build_network(recipe, 1, coder).eval()
    predictor = Predictor(network, coder.heads, device, dtype, answers=torch.float16)
    shape = (chosen.side, chosen.side)
    pixels = np.random.default_rng(0).integers(0, 4096, shape, dtype=np.uint16)
    image = ns.Image(pixels, "YX")
    tiles = plan_tiles(shape, chosen.tile, network.geometry)
    read = tile_reader(image, (), (0,), Normalization().measure(image), 2)
    out = np.zeros((2, *shape), np.float16)

    def write(tile, answer):
        out[(slice(None), *tile.keep)] = answer

    size, margin = tiles[0].read_shape, tiles[0].margin
    layout = memory_format(2)
    raw = torch.zeros(1, 1, *size, device=device, dtype=dtype).contiguous(memory_format=layout)

    def engine():
        for _ in predict_tiles([predictor], tiles, read, write, chosen.batch):
            pass

    def bare():
        with torch.inference_mode():
            for _ in tiles:
                predictor.network(raw, margin)

    def uncropped():
        with torch.inference_mode():
            for _ in tiles:
                predictor.network(raw)

    seconds = compare(chosen.rounds, engine=engine, bare=bare, uncropped=uncropped)
    print(f"{machine()}; {dtype}, {len(tiles)} tiles of {size[0]} px for {chosen.side}^2")
    for name, value in seconds.items():
        print(f"  {name:9s} {np.prod(shape) / value / 1e6:6.2f} Mpx/s kept")
    print(f"pixels read per pixel kept: {cost(tiles):.2f}")
    print(f"engine / bare forward: {seconds['bare'] / seconds['engine']:.3f}")
    print(
        f"engine / bare forward, cropped afterwards: {seconds['uncropped'] / seconds['engine']:.3f}"
    )


if __name__ == "__main__":
    main()
