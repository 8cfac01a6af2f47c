"""The seam test: it is silent where there are no seams, and speaks where there are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_scribe.errors import InputError
from napari_scribe.image import Image
from napari_scribe.inference import halo_search as quick
from napari_scribe.inference.seams import N_PLACES, SEAM, seam_test
from napari_scribe.model import Model
from napari_scribe.progress import run

Make = Callable[..., Model]
pytestmark = pytest.mark.usefixtures("in_float32")


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4000, shape).astype(np.uint16)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("task", ["objects", "classes"])
def test_an_exact_halo_has_no_seams(random_model: Make, task: str, padding: str):
    model = random_model(task, painted=(1, 2) if task == "classes" else (), padding=padding)
    job = seam_test(model, noise(150, 170), tile=32, device="cpu")
    steps = list(job)
    assert [s.done for s in steps] == list(range(1, steps[0].total + 1))
    found = job.result
    assert found.largest <= 1e-5 and found.n_differing == 0
    assert found.n_pixels == N_PLACES * 64 * 64
    assert found.in_words().startswith("No seams. Moving the tiles (32 x 32 px, halo ")
    assert "float32" in found.in_words()


def test_volumes_and_frames(random_model: Make):
    volume = random_model(dimensions=3, width=2, flat_levels=1)
    assert run(seam_test(volume, noise(20, 40, 44), tile=8, device="cpu")).largest <= 1e-5
    movie = Image(noise(3, 60, 50), "TYX")
    found = run(seam_test(random_model(), movie, region={"T": slice(1, 2)}, tile=8, device="cpu"))
    assert found.largest <= 1e-5


def test_a_halo_that_is_too_small_shows(random_model: Make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(quick, "BOUND", 2.0)  # any halo will do: none at all
    found = run(seam_test(random_model(), noise(150, 170), tile=32, halo="quick", device="cpu"))
    assert found.halo == (0, 0)
    assert found.largest > 10 * SEAM and 0 < found.n_differing < found.n_pixels
    words = found.in_words()
    assert words.startswith(
        "Seams: Moving the tiles (32 x 32 px, halo 0 x 0 px) changed probabilities"
    )
    assert f"by more than {SEAM:g} in {found.n_differing:,} of them." in words


def test_an_image_of_one_tile_has_none(random_model: Make):
    found = run(seam_test(random_model(), noise(9, 13), device="cpu"))
    assert found.largest <= 1e-5 and found.n_pixels > 0


def test_a_stop_compares_what_is_whole(random_model: Make):
    """Parts of a place that were not reached are no seams."""
    job = seam_test(random_model(), noise(150, 170), tile=32, device="cpu")
    for step in job:
        if step.done == step.total // 2 + 1:
            job.stop()
    assert step.done < step.total
    assert job.result.largest <= 1e-5
    assert 0 < job.result.n_pixels < N_PLACES * 64 * 64


def test_bad_input_is_refused_first(random_model: Make):
    with pytest.raises(InputError, match="has no axis T"):
        seam_test(random_model(), noise(40, 50), region={"T": slice(1)})
