"""Tiled output equals whole-image output for the networks other than the U-Net.

In float64, where a pixel that is missing at a border cannot hide behind rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from napari_scribe.image import Image
from napari_scribe.inference.engine import Predictor, predict_window
from napari_scribe.inference.reading import tile_reader
from napari_scribe.networks import NETWORKS, Network, with_statistics_of
from napari_scribe.normalization import Statistics
from napari_scribe.recipe import NETWORK_KINDS
from napari_scribe.targets import Head
from napari_scribe.windows import whole

HEADS = (Head("foreground", 2, "binary"),)
CASES: list[tuple[dict[str, Any], tuple[int, ...], int]] = [
    ({"kind": "fcn", "stride": 8}, (70, 101), 32),
    ({"kind": "fcn", "stride": 16, "bottom": 7}, (33, 40), 32),
    ({"kind": "fcn", "stride": 32}, (1, 35), 1),
    ({"kind": "fusionnet", "depth": 2}, (50, 61), 16),
    ({"kind": "fusionnet", "depth": 1, "dimensions": 3}, (5, 8, 3), 4),
    ({"kind": "residual_symmetric", "depth": 2, "normalization": "group"}, (50, 61), 16),
    ({"kind": "residual_symmetric", "depth": 1, "flat_levels": 0, "dimensions": 3}, (5, 8, 3), 4),
    ({"kind": "residual_symmetric", "depth": 2, "flat_levels": 1, "dimensions": 3}, (3, 4, 5), 4),
]
"""Network, shape of an image, and side of its tiles."""


@pytest.mark.parametrize(("values", "shape", "tile"), CASES, ids=str)
def test_tiles_answer_as_the_whole(
    randomize: Callable[[Network, int], Network],
    values: dict[str, Any],
    shape: tuple[int, ...],
    tile: int,
):
    network = NETWORKS[values["kind"]](
        NETWORK_KINDS[values["kind"]](**{"width": 2, **values}), 1, 2
    )
    randomize(network, 0)
    pixels = np.random.default_rng(0).normal(0.5, 1, (1, *shape)).astype(np.float32)
    sample = torch.randn(2, 1, *(2 * g.stride for g in network.geometry))
    network = with_statistics_of(network, sample)
    as_is = Statistics(
        np.zeros(1, np.float32), np.ones(1, np.float32), np.zeros(1, bool), np.zeros(1)
    )
    image = Image(pixels, "C" + "ZYX"[-len(shape) :])
    read = tile_reader(image, (), [0], as_is, len(shape))
    predictor = Predictor(network, HEADS, torch.device("cpu"), torch.float64)
    together = predict_window(predictor, read, whole(shape), tile=64)["foreground"]
    parts = predict_window(predictor, read, whole(shape), tile=tile)["foreground"]
    assert np.ptp(together) > 1e-3
    np.testing.assert_allclose(parts, together, rtol=0, atol=1e-5)
    axes = list(zip(network.geometry, shape, strict=True))
    around = [(g.halo, g.input_size(n) - g.halo - n) for g, n in axes]
    x = torch.from_numpy(np.pad(pixels, [(0, 0), *around], mode="reflect"))[None].double()
    with torch.inference_mode():
        once = network.double()(x)[0].sigmoid().float().numpy()
    kept = tuple(slice(g.halo, g.halo + n) for g, n in axes)
    np.testing.assert_allclose(together, once[(slice(None), *kept)], rtol=0, atol=1e-4)
