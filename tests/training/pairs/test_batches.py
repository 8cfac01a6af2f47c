import numpy as np
import pytest
import torch
from scipy import ndimage

import napari_scribe as ns
from napari_scribe.networks import geometry_of
from napari_scribe.normalization import FixedNormalization
from napari_scribe.recipe import parse_recipe
from napari_scribe.training.pairs import batches
from napari_scribe.training.pairs.batches import PairSampler
from napari_scribe.training.pairs.neighbours import neighbours
from napari_scribe.training.pairs.split import split


def recipe(**training):
    return parse_recipe(
        {
            "task": "denoised",
            "network": {"depth": 1, "width": 2},
            "training": {"patch": 32, "batch": 4, **training},
        }
    )


def sampler(pairs: ns.Pairs, answer=lambda x: x, made=None, seed: int = 0) -> PairSampler:
    chosen = made or recipe()
    n = len(pairs.views[0].channels)
    return PairSampler(
        pairs,
        FixedNormalization((0.0,) * n, (1.0,) * n).numbers,
        chosen,
        geometry_of(chosen.network),
        torch.device("cpu"),
        torch.Generator().manual_seed(seed),
        answer,
    )


def textured(shape, seed=0):
    rng = np.random.default_rng(seed)
    return ndimage.gaussian_filter(rng.normal(size=shape), 2).astype(np.float32) * 10


def layers(first, second) -> ns.Pairs:
    return ns.layer_pairs(ns.Image(first, "TYX"), ns.Image(second, "TYX"))


def test_patches_show_the_same_place_in_both():
    clean = textured((2, 64, 80))

    batch = sampler(layers(clean, clean + 3)).draw()

    difference = batch.values.abs()
    assert batch.pixels.shape == (4, 1, 32, 32)
    torch.testing.assert_close(difference, torch.full_like(difference, 3.0))


def test_either_member_is_the_input():
    clean = textured((2, 64, 64))
    data = sampler(layers(clean, clean + 3))

    signs = {float(v) for _ in range(8) for v in data.draw().values.mean(dim=(1, 2, 3)).sign()}

    assert signs == {-1.0, 1.0}


def test_ordered_pairs_keep_their_order():
    clean = textured((2, 64, 64))
    pairs = layers(clean, clean + 3)
    data = sampler(ns.Pairs(pairs.views, pairs.pairs, is_ordered=True))

    assert all((data.draw().values > 0).all() for _ in range(8))


def test_the_same_seed_draws_the_same():
    clean = textured((2, 64, 64))
    pairs = layers(clean, clean + 1)

    one, other = (sampler(pairs, seed=3).draw() for _ in range(2))

    torch.testing.assert_close(one.pixels, other.pixels, rtol=0, atol=0)


@pytest.mark.parametrize("shift", [(3.0, -2.0), (0.4, 1.7)])
def test_drift_is_undone(shift):
    large = textured((96, 96))
    moved = ndimage.shift(large, shift, order=5, mode="nearest")
    stack = np.stack([large, moved])[:, 16:80, 16:80]
    pairs = ns.frame_pairs(ns.Image(stack, "TYX"))
    before, after = sampler(pairs), sampler(pairs.registered([(0, 0), shift]))

    def error(data):
        batches = [data.draw() for _ in range(8)]
        return float(torch.stack([(b.values**2 * b.weights).mean() for b in batches]).mean())

    assert error(after) < 0.01 * error(before)


@pytest.mark.parametrize("fraction", [0.5, -0.5, 0.3, -0.3, 0.05])
def test_a_shift_by_a_fraction_is_exact_on_waves(fraction):
    x = torch.arange(64, dtype=torch.float32)

    moved = batches._move(torch.sin(x / 3).expand(1, 8, 64), [0.0, fraction])

    torch.testing.assert_close(
        moved[0, 0, 3:-3], torch.sin((x + fraction) / 3)[3:-3], atol=0.01, rtol=0
    )


def test_frames_that_show_nothing_in_common_are_refused():
    pairs = ns.frame_pairs(ns.Image(textured((2, 64, 64)), "TYX"))

    with pytest.raises(ns.InputError, match="nothing in common"):
        sampler(pairs.registered([(0, 0), (70, 0)]))


def test_what_has_no_weight_does_not_validate():
    pairs = ns.frame_pairs(ns.Image(textured((2, 24, 24)), "TYX"))

    data = sampler(pairs.registered([(0, 0), (0.4, 0.4)]))

    assert all(float(batch.weights.sum()) > 0 for batch in data.validation)


def test_brightness_is_matched_to_the_input():
    clean = textured((64, 64)) + 50
    stack = np.stack([clean, 0.5 * clean + 7])
    pairs = ns.frame_pairs(ns.Image(stack, "TYX"))
    # The second, doubled and lowered by 14, is as bright as the first.
    matched = pairs.matched([[1.0], [2.0]], [[0.0], [-14.0]])

    batch = sampler(matched).draw()

    assert float(batch.values.abs().max()) < 1e-3


def test_what_moves_has_no_weight():
    rng = np.random.default_rng(0)
    stack = 100 + rng.normal(0, 1, (2, 96, 96)).astype(np.float32)
    stack[0, 20:40, 20:40] += 60
    stack[1, 50:70, 50:70] += 60
    pairs = ns.frame_pairs(ns.Image(stack, "TYX"))
    still = ns.Pairs(pairs.views, pairs.pairs, leaves_out_motion=True)

    weights = sampler(still).pool[0].weights

    assert weights is not None
    assert float(weights[0, 25:35, 25:35].max()) == 0
    assert float(weights[0, 55:65, 55:65].max()) == 0
    assert float(weights.float().mean()) > 0.7


def test_small_images_are_mirrored_without_weight():
    clean = textured((2, 20, 24))

    batch = sampler(layers(clean, clean + 1)).draw()

    assert batch.pixels.shape == (4, 1, 32, 32)
    assert 0 < float(batch.weights.mean()) < 20 * 24 / 32**2


def test_a_stack_larger_than_the_pool_is_read_bit_by_bit(monkeypatch):
    monkeypatch.setattr(batches, "POOL", 2**16)
    stack = np.arange(6, dtype=np.float32)[:, None, None] * np.ones((6, 300, 300), np.float32)
    data = sampler(ns.frame_pairs(ns.Image(stack, "TYX")))

    seen = {float(v) for _ in range(60) for v in data.draw().pixels[:, 0, 0, 0]}

    assert not data.is_held_whole
    assert max(c.first.shape[-1] for c in data.pool) < 300
    assert seen >= {0.0, 1.0, 2.0, 3.0}


def test_what_validates_is_not_trained_on():
    pairs = ns.frame_pairs(ns.Image(np.zeros((40, 64, 64)), "TYX"))

    trained, held = split(pairs)

    views = [{i for share in part for i in pairs.pairs[share.pair]} for part in (trained, held)]
    assert not views[0] & views[1]
    assert len(views[1]) == 4


def test_of_two_frames_a_strip_validates():
    pairs = ns.frame_pairs(ns.Image(np.zeros((2, 64, 80)), "TYX"))

    ((train,), (held,)) = split(pairs)

    assert train.window == (slice(0, 64), slice(0, 70))
    assert held.window == (slice(0, 64), slice(70, 80))


def test_neighbours_share_a_side_and_come_from_the_same_cell():
    places = torch.arange(16 * 16, dtype=torch.float32).reshape(1, 1, 16, 16)

    one, other = neighbours(places.shape, torch.Generator().manual_seed(0))(places)

    assert one.shape == (1, 1, 8, 8)
    rows, columns = (torch.stack([x // 16, x % 16]) for x in (one, other))
    assert ((rows - columns).abs().sum(0) == 1).all()
    assert ((rows // 2) == (columns // 2)).all()


def test_single_images_learn_from_neighbours():
    rng = np.random.default_rng(0)
    image = rng.normal(size=(2, 64, 64)).astype(np.float32)

    batch = sampler(ns.single_pairs(ns.Image(image, "TYX"))).draw()

    assert batch.pixels.shape == (4, 1, 16, 16)
    # The network gives back what it gets: one third of what the two pixels differ by is taken off.
    assert float(batch.values.std()) == pytest.approx(2**0.5 * 2 / 3, rel=0.1)


def test_nan_is_refused_with_its_place():
    stack = np.zeros((3, 64, 64), np.float32)
    stack[1, 5, 5] = np.nan

    with pytest.raises(ns.InputError, match="T 1 has NaN"):
        sampler(ns.frame_pairs(ns.Image(stack, "TYX", name="movie")))
