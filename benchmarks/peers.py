"""Compare pixels per second with what a user would pick instead, side by side in one run.

All run one folded network in one precision and memory format over the same image in memory, each
with the best of some window sizes: our engine with its exact halo; MONAI's SlidingWindowInferer
with Gaussian blending at overlap 0.25 and 0.5. Apart from these, a plain loop of float32 tiles with
the same halo, as one writes it by hand: network in eval mode, crop, copy. With --compile, ours runs
once more, compiled. MONAI comes with the tests' group of dependencies.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from common import compare, cost, machine, parser

import napari_scribe as ns
from napari_scribe.device import pick_device, precision
from napari_scribe.inference.engine import Predictor, predict_tiles
from napari_scribe.inference.reading import tile_reader
from napari_scribe.inference.speed.compiled import Compiled
from napari_scribe.inference.tiles import plan_tiles
from napari_scribe.model import build_network
from napari_scribe.normalization import Normalization
from napari_scribe.targets import encoding_of

AGAINST = ("monai 0.25", "monai 0.5", "plain")


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--side", type=int, default=2048)
    arguments.add_argument("--depth", type=int, default=3)
    arguments.add_argument("--width", type=int, default=16)
    arguments.add_argument("--windows", type=int, nargs="*", default=[256, 512, 1024])
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--against", nargs="*", choices=AGAINST, default=AGAINST)
    arguments.add_argument("--compile", action="store_true", help="ours once more, compiled")
    chosen = arguments.parse_args()

    recipe = ns.Recipe().changed({"network.depth": chosen.depth, "network.width": chosen.width})
    coder = encoding_of(recipe)
    device = pick_device(chosen.device)
    dtype = precision(device)
    torch.manual_seed(0)
    network = build_network(recipe, 1, coder).eval()
    shape = (chosen.side, chosen.side)
    pixels = np.random.default_rng(0).integers(0, 4096, shape, dtype=np.uint16)
    print(f"{machine()}; {dtype}, depth {chosen.depth}, width {chosen.width}, {chosen.side}^2")

    ours = _ours(network, coder, device, dtype, pixels)
    sides = chosen.windows
    candidates = {f"ours, {w} px": ours(w) for w in sides}
    if chosen.compile:
        compiled = _ours(network, coder, device, dtype, pixels, is_compiled=True)
        candidates |= {f"compiled, {w} px": compiled(w) for w in sides}
    rivals = {
        "monai 0.25": lambda w: _monai(network, coder, device, dtype, pixels, w, 0.25),
        "monai 0.5": lambda w: _monai(network, coder, device, dtype, pixels, w, 0.5),
        "plain": lambda w: _plain(network, device, pixels, w),
    }
    candidates |= {f"{name}, {w} px": rivals[name](w) for name in chosen.against for w in sides}
    seconds = compare(chosen.rounds, **candidates)
    speeds = {name: np.prod(shape) / value / 1e6 for name, value in seconds.items()}
    for name, speed in speeds.items():
        print(f"  {name:28s} {speed:6.2f} Mpx/s kept")
    best = {
        kind: max(speed for name, speed in speeds.items() if name.startswith(kind))
        for kind in ("ours", *chosen.against)
    }
    for kind in chosen.against:
        print(f"ours / {kind}: {best['ours'] / best[kind]:.2f}")
    if chosen.compile:
        fastest = max(speed for name, speed in speeds.items() if name.startswith("compiled"))
        print(f"ours compiled / ours: {fastest / best['ours']:.2f}")
    for side in sides:
        tiles = plan_tiles(shape, side, network.geometry)
        print(f"pixels read per pixel kept, tile {side}: {cost(tiles):.2f}")


def _ours(network, coder, device, dtype, pixels, is_compiled=False):
    """Run our engine; it is compiled for the tiles of each side in the round that warms up."""
    plain = Predictor(network, coder.heads, device, dtype, answers=torch.float16)
    image = ns.Image(pixels, "YX")
    read = tile_reader(image, (), (0,), Normalization().measure(image), 2)
    out = np.zeros((2, *pixels.shape), np.float16)

    def write(tile, answer):
        out[(slice(None), *tile.keep)] = answer

    def with_tile(side):
        tiles = plan_tiles(pixels.shape, side, network.geometry)
        predictor = copy.copy(plain)
        if is_compiled:
            shape = (1, 1, *tiles[0].read_shape)
            predictor.network = Compiled(plain.network, shape, _fail)

        def run():
            for _ in predict_tiles([predictor], tiles, read, write):
                pass

        return run

    return with_tile


def _fail(reason):
    raise SystemExit(f"It cannot be compiled here: {reason}")


def _monai(network, coder, device, dtype, pixels, window, overlap):
    from monai.inferers import SlidingWindowInferer

    predictor = Predictor(network, coder.heads, device, dtype)
    inferer = SlidingWindowInferer(
        (window, window), overlap=overlap, mode="gaussian", sw_device=device, device="cpu"
    )
    image = ns.Image(pixels, "YX")
    statistics = Normalization().measure(image)

    def run():
        x = torch.from_numpy(statistics.apply(pixels[np.newaxis])[np.newaxis])
        with torch.inference_mode():
            return inferer(x, predictor)[0].half().numpy()

    return run


def _plain(network, device, pixels, side):
    """Run a plain loop of tiles, padded with zeros; depth 3 needs a halo of 64 px."""
    network = copy.deepcopy(network).to(device)
    halo = max(g.halo for g in network.geometry)
    image = ns.Image(pixels, "YX")
    statistics = Normalization().measure(image)

    def run():
        x = torch.from_numpy(statistics.apply(pixels[np.newaxis]))
        x = torch.nn.functional.pad(x[None], [halo] * 4, mode="reflect")
        out = torch.zeros(2, *pixels.shape, dtype=torch.float16)
        with torch.no_grad():
            for top in range(0, pixels.shape[0], side):
                for left in range(0, pixels.shape[1], side):
                    tile = x[..., top : top + side + 2 * halo, left : left + side + 2 * halo]
                    answer = torch.sigmoid(network(tile.to(device)))
                    inside = answer[0, :, halo:-halo, halo:-halo].cpu()
                    out[:, top : top + side, left : left + side] = inside
        return out

    return run


if __name__ == "__main__":
    main()
