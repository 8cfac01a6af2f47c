"""Affinities of pairs of pixels: made of paint, and decoded to objects again."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.graph import RAG, merge_hierarchical

import napari_scribe as ns
from napari_scribe.evaluation.metrics import evaluate
from napari_scribe.image import Image
from napari_scribe.recipe import ObjectsTarget
from napari_scribe.samples import nuclei, simulate_paint
from napari_scribe.targets import encoding_of
from napari_scribe.targets.affinities import AffinitiesEncoding
from napari_scribe.targets.agglomeration import joined


def encoding(dimensions: int = 2, thick: bool = False, **recipe: Any) -> AffinitiesEncoding:
    return AffinitiesEncoding(ObjectsTarget(**recipe), dimensions, thick)


def made(
    paint: np.ndarray, held: np.ndarray | None = None, train: bool = True, **recipe: Any
) -> tuple[AffinitiesEncoding, np.ndarray, np.ndarray]:
    """Affinities and their weights ``(n, *spatial)`` of paint that no warp has moved."""
    coder = encoding(paint.ndim, **{"ring": 0, **recipe})
    held = np.zeros(paint.shape, bool) if held is None else held
    encoded = coder.encode(paint.astype(np.int32), held, bool((paint == 1).any()))
    chosen = ~encoded.held_out if train else encoded.held_out
    weights = encoded.label_weights * chosen
    values, known = coder.encode_warped(
        torch.from_numpy(encoded.labels[np.newaxis].astype(np.float32)),
        torch.from_numpy(weights[np.newaxis]),
    )
    return coder, values[0].numpy(), known[0].numpy()


def perfect(truth: np.ndarray, thick: bool = False) -> dict[str, np.ndarray]:
    """A prediction without error."""
    _, values, _ = made(np.where(truth > 0, truth + 1, 1))
    return {
        "foreground": (truth > 0)[np.newaxis].astype(np.float32),
        "affinities": values[: truth.ndim],
    }


def noisy(prediction: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        name: np.clip(0.7 * a + 0.15 + rng.normal(0, 0.15, a.shape), 0, 1).astype(np.float32)
        for name, a in prediction.items()
    }


# ---- which pairs --------------------------------------------------------------------------------


def test_pairs_are_those_of_the_paper():
    assert encoding(2, long_range=False).offsets == ((1, 0), (0, 1))
    assert encoding(2).offsets[2:] == ((3, 0), (9, 0), (27, 0), (0, 3), (0, 9), (0, 27))
    z = [offset for offset in encoding(3).offsets if offset[0]]
    assert sorted(z) == [(1, 0, 0), (2, 0, 0), (3, 0, 0), (4, 0, 0)]
    assert [head.channels for head in encoding(3).heads] == [1, 3, 9]


@settings(max_examples=20)
@given(
    shape=st.sampled_from([(30, 33), (6, 9, 29)]),
    seed=st.integers(0, 2**16),
    held=st.booleans(),
)
def test_a_pair_is_known_if_both_ends_are_or_one_is_in_a_whole_object(
    shape: tuple[int, ...], seed: int, held: bool
):
    """Against a loop over pairs of pixels."""
    rng = np.random.default_rng(seed)
    paint = np.kron(rng.integers(0, 5, [-(-n // 3) for n in shape]), np.ones([3] * len(shape), int))
    paint = paint[tuple(slice(n) for n in shape)].astype(np.int32)
    validates = (paint == 3) | (paint == 1) & (rng.random(shape) < 0.5) if held else paint < 0
    coder, values, known = made(paint, validates)
    for offset, value, weight in zip(coder.offsets, values, known, strict=True):
        for place in rng.integers(0, shape, (25, len(shape))):
            here, there = tuple(place), tuple(place + offset)
            if any(p >= n for p, n in zip(there, shape, strict=True)):
                assert weight[here] == 0
                continue
            ends = [(paint[at], not validates[at]) for at in (here, there)]
            has_object = any(label > 1 for label, _ in ends)
            is_known = has_object and all(trains or label == 0 for label, trains in ends)
            assert weight[here] == is_known
            if is_known:
                assert value[here] == (paint[here] == paint[there])


def test_nothing_is_known_beyond_the_image():
    """After a warp there is 0; pixels there are mirrored, so an object seems to go on."""
    coder = encoding(2, ring=0)
    paint = np.full((12, 12), 2, np.int32)
    encoded = coder.encode(paint, paint < 0)
    labels, weights = np.pad(encoded.labels, 30), np.pad(encoded.label_weights, 30)
    values, known = coder.encode_warped(
        torch.from_numpy(labels[np.newaxis].astype(np.float32)),
        torch.from_numpy(weights[np.newaxis]),
    )
    inside = weights > 0
    for channel, offset in enumerate(coder.offsets):
        there = np.roll(inside, [-n for n in offset], (0, 1))
        np.testing.assert_array_equal(known[0, channel].numpy() > 0, inside & there)
        assert (values[0, channel].numpy()[inside & there] == 1).all()


def test_an_object_on_single_slices_says_nothing_of_other_slices():
    paint = np.zeros((7, 16, 16), np.int32)
    paint[[1, 4], 4:9, 4:9] = 2  # the same nucleus, drawn on two slices
    paint[1:5, 10:14, 10:14] = 3  # another one, drawn whole
    coder, values, known = made(paint)
    for offset, value, weight in zip(coder.offsets, values, known, strict=True):
        flat, whole = np.s_[1, 4:9, 4:9], np.s_[1:5, 10:14, 10:14]
        if offset == (3, 0, 0):  # from the one slice to the other
            assert weight[flat].all() and value[flat].all()
        elif offset[0]:
            assert not weight[flat].any()
        if offset == (4, 0, 0):
            assert (weight[whole][:2] == 1).all() and not value[whole].any()
        if offset == (0, 0, 9):
            assert weight[1, 4:9, 4:7].all() and not value[flat].any()


def test_the_foreground_is_weighted_as_in_other_encodings():
    paint = np.zeros((20, 20), np.int32)
    paint[5:10, 5:10] = 2
    encoded = encoding(ring=2, unpainted=0.05).encode(paint, paint < 0, has_background=False)
    assert (encoded.weights[0][3:12, 5:10] == 1).all()
    assert encoded.weights[0][0, 0] == np.float32(0.05)
    assert encoded.label_weights[0, 0] == 0
    encoded = encoding(ring=2).encode(paint, paint < 0, has_background=True)
    assert encoded.weights[0][0, 0] == 0


# ---- decoding -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "thick"), [((192, 192), False), ((20, 64, 64), False), ((20, 64, 64), True)]
)
def test_a_perfect_prediction_gives_the_objects_back(shape: tuple[int, ...], thick: bool):
    truth = nuclei(shape, seed=1).truth
    coder = encoding(len(shape), thick)
    for prediction in (perfect(truth), noisy(perfect(truth))):
        found = coder.decode(prediction, {})
        assert found.dtype == np.int32 and found.shape == truth.shape
        scores = evaluate(found, truth)
        assert scores.ap[0] == 1 and scores.ap[6] >= 0.9  # IoU .5 and .8


def test_long_thin_objects_that_touch_are_told_apart():
    """Where the distance to the border has many peaks."""
    truth = np.zeros((60, 120), np.int32)
    at = (np.arange(60)[:, None] - 8 * np.sin(np.arange(120) / 12)) // 10
    truth[:] = np.clip(at + 1, 0, 5)
    found = encoding().decode(noisy(perfect(truth)), {})
    assert evaluate(found, truth).ap[6] == 1


@pytest.mark.parametrize("shape", [(40, 50), (1, 1), (1, 30), (6, 20, 20), (1, 9, 9)])
@pytest.mark.parametrize("thick", [False, True])
def test_nothing_gives_nothing(shape: tuple[int, ...], thick: bool):
    coder = encoding(len(shape), thick and len(shape) == 3)
    empty = np.zeros((1, *shape), np.float16)
    affinities = np.zeros((len(shape), *shape), np.float16)
    found = coder.decode({"foreground": empty, "affinities": affinities}, {})
    assert found.shape == shape and not found.any()
    full = coder.decode({"foreground": empty + 1, "affinities": affinities + 1}, {"min_size": 1})
    assert set(np.unique(full)) == {1}  # all of one object


@settings(max_examples=20)
@given(shape=st.sampled_from([(9, 11), (4, 5, 6)]), seed=st.integers(0, 2**16))
def test_fragments_are_joined_as_scikit_image_joins_them(shape: tuple[int, ...], seed: int):
    rng = np.random.default_rng(seed)
    fragments = rng.integers(0, 12, shape).astype(np.int32)
    nearest = rng.random((len(shape), *shape)).astype(np.float32)
    limit = float(rng.uniform(0.3, 0.7))
    one, other = joined(fragments, nearest, limit), _by_scikit_image(fragments, nearest, limit)
    inside = fragments > 0
    pairs = set(zip(one[inside].tolist(), other[inside].tolist(), strict=True))
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
    assert not one[~inside].any()


def _by_scikit_image(fragments: np.ndarray, nearest: np.ndarray, limit: float) -> np.ndarray:
    graph = RAG()
    graph.add_nodes_from((int(n), {"labels": [int(n)]}) for n in np.unique(fragments))
    borders: dict[tuple[int, int], list[float]] = {}
    for axis, affinity in enumerate(nearest):
        for place in itertools.product(*(range(n) for n in fragments.shape)):
            there = tuple(p + (a == axis) for a, p in enumerate(place))
            if there[axis] < fragments.shape[axis]:
                pair = tuple(sorted((int(fragments[place]), int(fragments[there]))))
                if pair[0] and pair[0] != pair[1]:
                    borders.setdefault(pair, []).append(float(affinity[place]))
    for (one, other), values in borders.items():
        graph.add_edge(one, other, weight=1 - np.mean(values), sum=sum(values), n=len(values))

    def weight(graph: RAG, one: int, other: int, third: int) -> dict[str, float]:
        edges = [graph[node][third] for node in (one, other) if third in graph[node]]
        total, n = sum(e["sum"] for e in edges), sum(e["n"] for e in edges)
        return {"weight": 1 - total / n, "sum": total, "n": n}

    return merge_hierarchical(fragments, graph, 1 - limit, False, True, lambda *nodes: None, weight)


# ---- fitting ------------------------------------------------------------------------------------


def test_parameters_are_fitted_to_painted_objects():
    """A network that is sure of nothing needs other limits."""
    truth = nuclei((160, 160), seed=2).truth
    prediction = noisy(perfect(truth))
    prediction = {
        "foreground": prediction["foreground"] * 0.5,
        "affinities": 0.5 + prediction["affinities"] * 0.5,
    }
    coder = encoding()
    paint = simulate_paint(truth, 8, 2, seed=0).astype(np.int32)
    parameters = coder.fit([(prediction, paint)])
    assert parameters["foreground"] < 0.5 and parameters["join"] > 0.5
    assert evaluate(coder.decode(prediction, parameters), truth).ap[0] >= 0.95
    assert all(isinstance(v, float) for v in parameters.values())


def test_good_defaults_are_left_alone():
    truth = nuclei((160, 160), seed=2).truth
    paint = simulate_paint(truth, 8, 2, seed=0).astype(np.int32)
    parameters = encoding().fit([(perfect(truth), paint)])
    assert (parameters["foreground"], parameters["join"]) == (0.5, 0.5)
    assert 4 <= parameters["min_size"] < np.bincount(paint[paint > 1])[2:].min()


# ---- from paint to labels -----------------------------------------------------------------------


@pytest.mark.parametrize("long_range", [True, False])
def test_it_learns_and_tiles(long_range: bool):
    sample = nuclei((96, 96), seed=1)
    recipe = ns.Recipe(
        target={"encoding": "affinities", "long_range": long_range},
        network={"depth": 2, "width": 8},
        training={"patch": 48, "batch": 2, "learning_rate": 0.01},
    )
    job = ns.train([sample.image], [sample.paint], recipe, steps=30, device="cpu")
    losses = [step.loss for step in job]
    assert np.mean(losses[-5:]) < 0.7 * losses[0]
    model = job.result
    assert len(model.encoding.heads) == (3 if long_range else 2)
    whole, parts = (
        ns.run(ns.segment(model, sample.image, tile=tile, device="cpu")) for tile in (96, 32)
    )
    assert whole.max() >= 2
    assert ns.evaluate(parts, whole).ap[0] >= 0.95


def test_blocks_are_stitched():
    """Objects that lie in two blocks come out as if all had been decoded at once."""
    from napari_scribe.inference.stitch import crop_to_core, merge, plan_blocks

    truth = nuclei((160, 160), seed=3).truth
    prediction, coder = perfect(truth), encoding()
    once = coder.decode(prediction, {})
    blocks = plan_blocks(truth.shape, 64, 48)
    cores, counts, zones = {}, {}, {}
    for block in blocks:
        part = {k: v[(slice(None), *block.window)] for k, v in prediction.items()}
        i, labels = block.index, coder.decode(part, {})
        cores[i], counts[i], zones[i] = crop_to_core(labels, block, truth.shape)
    tables, n = merge(counts, lambda i, face: zones[i][face])
    together = np.zeros_like(once)
    for block in blocks:
        together[block.core] = tables[block.index][cores[block.index]]
    assert n == once.max()
    assert evaluate(together, once).ap[0] == 1


def test_planes_have_no_thick_slices():
    network = {"kind": "residual_symmetric", "dimensions": 2}
    recipe = ns.Recipe(target={"encoding": "affinities"}, network=network)
    assert not encoding_of(recipe).has_thick_slices


def test_a_volume_painted_on_single_slices_trains():
    sample = nuclei((12, 48, 48), seed=0)
    paint = np.zeros_like(sample.truth)
    paint[::5] = np.where(sample.truth[::5] > 0, sample.truth[::5] + 1, 1)
    recipe = ns.Recipe(
        target={"encoding": "affinities"},
        network={"kind": "residual_symmetric", "dimensions": 3, "depth": 1, "width": 4},
        training={"patch": 24},
    )
    image = Image(sample.image, "ZYX", scale={"Z": 4.0, "Y": 1.0, "X": 1.0})
    job = ns.train([image], [ns.Paint(paint, pieces=False)], recipe, steps=2, device="cpu")
    model = ns.run(job)
    assert model.encoding.has_thick_slices and model.recipe.network.flat_levels == 1
    assert ns.run(ns.segment(model, image, device="cpu")).shape == sample.truth.shape
