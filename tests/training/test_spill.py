"""What does not fit into memory lies on disk, and nothing else changes."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import napari_scribe as ns
from napari_scribe.errors import InputError
from napari_scribe.image import Image
from napari_scribe.networks import geometry_of
from napari_scribe.normalization import Statistics
from napari_scribe.recipe import Recipe
from napari_scribe.samples import nuclei
from napari_scribe.samples.synthetic import Sample
from napari_scribe.targets import Paint, paint_encoding_of
from napari_scribe.training.augment import sample_at
from napari_scribe.training.pairs import batches
from napari_scribe.training.patches import PaintData, can_validate
from napari_scribe.training.regions import RegionLoader, _around
from napari_scribe.training.spill import (
    MANY_FILES,
    Spill,
    Stored,
    StoredRows,
    spill_of_files,
    spill_of_regions,
)
from napari_scribe.windows import start_of

AS_IS = Statistics(np.zeros(1, np.float32), np.ones(1, np.float32), np.zeros(1, bool), np.zeros(1))


def data_of(samples: Sequence[Sample], recipe: Recipe, limit: int | None) -> PaintData:
    images = [Image(s.image.astype(np.float32)) for s in samples]
    encoding = paint_encoding_of(recipe, (1, 2))
    loader = RegionLoader(
        images, (0,), [AS_IS] * len(images), encoding, recipe, torch.device("cpu"), Spill(limit)
    )
    paints = [Paint(np.minimum(s.paint, 2 if recipe.task == "classes" else 99)) for s in samples]
    generator = torch.Generator().manual_seed(0)
    return PaintData(loader, geometry_of(recipe.network), generator, paints)


@pytest.mark.parametrize("task", ["objects", "classes"])
def test_patches_from_disk_are_those_from_memory(task: str, small: Recipe) -> None:
    recipe = Recipe(task=task, training=small.training)
    samples = [nuclei((96, 96), seed=seed) for seed in range(3)]
    from_memory = data_of(samples, recipe, None)
    some, none = data_of(samples, recipe, 400_000), data_of(samples, recipe, 0)
    n_on_disk = [
        sum(isinstance(r.smooth, StoredRows) for r in data.regions)
        for data in (from_memory, some, none)
    ]
    assert n_on_disk[0] == 0 < n_on_disk[1] < n_on_disk[2] == 3
    for data in (some, none):
        data.generator.manual_seed(0)
        from_memory.generator.manual_seed(0)
        pairs = [(data.draw(), from_memory.draw()) for _ in range(4)]
        pairs += zip(data.validation, from_memory.validation, strict=True)
        assert len(pairs) > 4
        for one, other in pairs:
            assert torch.equal(one.pixels, other.pixels)
            assert torch.equal(one.values, other.values)
            assert torch.equal(one.weights, other.weights)


def test_newer_paint_replaces_what_is_on_disk(sample: Sample, small: Recipe) -> None:
    data = data_of([sample], small, 0)
    before = data.regions[0]
    data.load([Paint(sample.paint)])
    assert data.regions[0] is before
    data.load([Paint(np.where(sample.paint > 4, 0, sample.paint))])
    (region,) = data.regions
    assert region is not before and region.painted().max() == 4
    assert torch.equal(region.smooth[:1], before.smooth[:1])
    assert can_validate([before], True)


def test_room_on_disk_is_used_again() -> None:
    spill = Spill(0)
    first, second = spill.stored(np.arange(6)), spill.stored(np.ones(6, int))
    offset = first.offset
    del first
    gc.collect()
    third = spill.stored(np.arange(6, 12))
    assert third.offset == offset
    np.testing.assert_array_equal(third, np.arange(6, 12))
    np.testing.assert_array_equal(second[2:4], [1, 1])


def test_memory_that_was_given_back_is_used_again() -> None:
    spill = Spill(100)
    first = np.zeros(80, np.uint8)
    assert spill.put(first) is first
    assert isinstance(spill.put(np.zeros(80, np.uint8)), Stored)
    del first
    gc.collect()
    assert isinstance(spill.put(np.zeros(80, np.uint8)), np.ndarray)


def test_processes_of_a_machine_divide_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for what other programs take meanwhile."""
    monkeypatch.setattr(batches, "POOL", 2**60)

    def limits() -> list[int]:
        spills = spill_of_files(1), spill_of_regions(torch.device("cpu"))
        return [*(spill._limit or 0 for spill in spills), batches.pool_limit()]

    alone = limits()
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    np.testing.assert_allclose(np.divide(alone, limits()), 8, rtol=0.5)


def test_what_is_on_disk_already_stays_there(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(12.0).reshape(3, 4))
    image = ns.read_image(tmp_path / "a.npy")
    assert Spill(0).image(image) is image
    held = Image(np.arange(12.0).reshape(3, 4), scale={"Y": 2.0})
    stored = Spill(0).image(held)
    assert isinstance(stored.data, Stored) and stored.scale == held.scale
    window = (slice(1, 3), slice(0, 2))
    np.testing.assert_array_equal(stored.read((), window), held.read((), window))
    paint = Spill(0).paint(Paint(np.arange(12).reshape(3, 4), offset=1))
    assert isinstance(paint.array, Stored) and paint.offset == 1
    np.testing.assert_array_equal(paint.frame(held, ()), np.arange(12).reshape(3, 4))


@given(
    n=st.integers(1, 30),
    low=st.floats(-40, 40),
    extent=st.floats(0, 60),
    seed=st.integers(0, 99),
)
def test_a_patch_is_the_same_from_the_part_around_it(
    n: int, low: float, extent: float, seed: int
) -> None:
    """Also where it is mirrored at one edge or both."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.rand((2, n, 25), generator=generator)
    places = torch.rand((6, 6, 2), generator=generator) * torch.tensor([extent, 20.0])
    places += torch.tensor([low, 2.0])
    window = _around(places, (n, 25))
    part, inside = rows[(slice(None), *window)], places - torch.tensor(start_of(window))
    for mode, outside in (("bilinear", "reflection"), ("nearest", "zeros")):
        near_half = ((places % 1) - 0.5).abs() < 1e-3  # where rounding decides
        same = torch.isclose(
            sample_at(part, inside, mode, outside),
            sample_at(rows, places, mode, outside),
            atol=1e-4,
        )
        assert (same | near_half.any(-1) & (mode == "nearest")).all()


@pytest.mark.skipif(os.name == "nt", reason="limits are as on POSIX")
def test_as_many_images_may_be_open_as_there_are(tmp_path: Path) -> None:
    import resource

    np.save(tmp_path / "a.npy", np.zeros((8, 8)))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened: list[Image] = []

    def open_many() -> None:
        opened.extend(ns.read_image(tmp_path / "a.npy") for _ in range(MANY_FILES))

    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (MANY_FILES, hard))
        with pytest.raises(InputError, match="Too many open files"):
            open_many()
        opened.clear()
        spill_of_files(MANY_FILES)
        open_many()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(opened) == MANY_FILES


def test_memory_that_is_freed_while_more_is_counted_is_not_forgotten() -> None:
    """A thread that lets go of an array, while another one asks for room."""
    owners = [np.zeros(1) for _ in range(4)]
    threads = []

    class Interrupted(int):
        def __add__(self, n: int) -> Interrupted:
            thread = threading.Thread(target=owners.pop)
            threads.append(thread)
            thread.start()
            thread.join(0.05)  # with the lock held here, it ends after this
            return Interrupted(int(self) + n)

        def __sub__(self, n: int) -> Interrupted:
            return Interrupted(int(self) - n)

    spill = Spill(100)
    for owner in owners:
        assert spill.has_room_for(owner, 10)
    del owner
    spill._held = Interrupted(spill._held)
    last = np.zeros(1)
    assert spill.has_room_for(last, 10)
    for thread in threads:
        thread.join()
    assert spill._held == 10 * (len(owners) + 1)
